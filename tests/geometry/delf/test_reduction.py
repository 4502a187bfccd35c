"""PCA in pieces against PCA in one."""

from __future__ import annotations

import numpy as np
import pytest

from steeple.geometry.delf.reduction import Moments, Reduction, unit


@pytest.fixture
def vectors():
    random = np.random.default_rng(0)
    mixed = random.standard_normal((500, 12)) @ random.standard_normal((12, 12))
    return unit((mixed + 0.5).astype(np.float32))


def learn(vectors, dimension, *, whiten=False, pieces=7):
    moments = Moments(vectors.shape[1])
    for piece in np.array_split(vectors, pieces):
        moments.add(piece)
    assert moments.count == len(vectors)
    return moments.reduction(dimension, whiten=whiten)


def test_the_principal_directions(vectors):
    reduction = learn(vectors, 5)
    exact = vectors.astype(np.float64)
    _, _, rows = np.linalg.svd(exact - exact.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(reduction.mean, exact.mean(axis=0), atol=1e-6)
    alike = np.abs(np.sum(reduction.basis.T * rows[:5], axis=1))
    np.testing.assert_allclose(alike, 1, atol=1e-4)
    np.testing.assert_allclose(reduction.basis.T @ reduction.basis, np.eye(5), atol=1e-5)


def test_whitened_directions_spread_alike(vectors):
    reduction = learn(vectors, 5, whiten=True)
    projected = (vectors - reduction.mean) @ reduction.basis
    np.testing.assert_allclose(np.cov(projected.T, ddof=0), np.eye(5), atol=1e-3)
    plain = (vectors - reduction.mean) @ learn(vectors, 5).basis
    assert plain.var(axis=0)[0] > 2 * plain.var(axis=0)[4]


def test_results_are_of_unit_length(vectors):
    applied = learn(vectors, 5).apply(vectors)
    assert applied.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(applied, axis=1), 1, atol=1e-6)


def test_the_pieces_do_not_matter(vectors):
    one, many = learn(vectors, 5, pieces=1), learn(vectors, 5, pieces=50)
    np.testing.assert_allclose(one.basis, many.basis, atol=1e-5)


@pytest.mark.parametrize("whiten", [False, True])
@pytest.mark.parametrize("count", [1, 3])
def test_fewer_vectors_than_directions(vectors, count, whiten):
    reduction = learn(vectors[:count], 8, whiten=whiten, pieces=1)
    assert reduction.basis.shape == (12, 8)
    assert np.isfinite(reduction.apply(vectors)).all()


def test_no_more_directions_than_channels(vectors):
    assert learn(vectors, 40).basis.shape == (12, 12)


def test_zeros_stay_zeros():
    assert not unit(np.zeros((2, 3), np.float32)).any()
    nothing = Reduction(np.zeros(3, np.float32), np.eye(3, dtype=np.float32))
    assert not nothing.apply(np.zeros((1, 3), np.float32)).any()
