"""The PCA to 512 dimensions: from many vectors, from few, and from one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from steeple.embedding.projection import Projection

Floats = npt.NDArray[np.float32]


def unit(random: np.random.Generator, n: int, length: int, rank: int | None = None) -> Floats:
    out = random.standard_normal((n, rank or length))
    if rank:
        out = out @ random.standard_normal((rank, length))
    return (out / np.linalg.norm(out, axis=1, keepdims=True)).astype(np.float32)


def learn(vectors: Floats, extra: Floats | None = None, seed: int = 0) -> Projection:
    extra = np.zeros((0, vectors.shape[1]), dtype=np.float32) if extra is None else extra
    return Projection.learn(vectors, extra, np.random.default_rng(seed))


@pytest.mark.parametrize(("n", "extra"), [(1, 0), (1, 50), (5, 20), (40, 300), (700, 0)])
def test_the_basis_is_orthonormal(n: int, extra: int) -> None:
    random = np.random.default_rng(n)
    projection = learn(unit(random, n, 900), unit(random, extra, 900))
    assert projection.basis.shape == (900, 512)
    assert projection.basis.dtype == projection.mean.dtype == np.float32
    product = projection.basis.T @ projection.basis
    np.testing.assert_allclose(product, np.eye(512), atol=2e-3)


def test_the_principal_directions_come_first() -> None:
    random = np.random.default_rng(1)
    vectors = unit(random, 600, 700) * np.linspace(2, 0.1, 700, dtype=np.float32)
    projection = learn(vectors)
    variance = ((vectors - projection.mean) @ projection.basis).var(axis=0)
    assert (np.diff(variance) <= 1e-5 * variance[0]).all()
    centred = (vectors - vectors.mean(axis=0)).astype(np.float64)
    best = np.sort(np.linalg.eigvalsh(centred.T @ centred))[::-1][:512]
    np.testing.assert_allclose(variance * 600, best, rtol=1e-2, atol=1e-4)


def test_few_vectors_keep_their_angles() -> None:
    """Fewer vectors than dimensions lose nothing but their mean."""
    random = np.random.default_rng(2)
    vectors = unit(random, 30, 2000)
    centred = vectors - vectors.mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    out = learn(vectors, unit(random, 200, 2000)).apply(vectors)
    np.testing.assert_allclose(out @ out.T, centred @ centred.T, atol=2e-4)


def test_what_extra_shows_finds_room() -> None:
    random = np.random.default_rng(3)
    few = unit(random, 3, 2000)
    later = unit(random, 20, 2000, rank=10)
    seen = learn(few, later).apply(later)
    centred = later - few.mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    np.testing.assert_allclose(seen @ seen.T, centred @ centred.T, atol=1e-3)


@pytest.mark.parametrize("copies", [1, 2, 5])
def test_photos_all_alike_are_not_centred_away(copies: int) -> None:
    random = np.random.default_rng(4)
    one = unit(random, 1, 800)
    projection = learn(np.repeat(one, copies, axis=0), unit(random, 30, 800))
    out = projection.apply(np.concatenate([one, unit(random, 1, 800)]))
    np.testing.assert_allclose(np.linalg.norm(out, axis=1), 1, atol=1e-5)
    assert abs(float(out[0] @ out[1])) < 0.5


def test_short_vectors_are_padded() -> None:
    random = np.random.default_rng(5)
    vectors = unit(random, 40, 12)
    projection = learn(vectors)
    assert projection.basis.shape == (12, 512)
    assert not projection.basis[:, 12:].any()
    np.testing.assert_allclose(np.linalg.norm(projection.apply(vectors), axis=1), 1, atol=1e-5)


def test_the_same_for_the_same_seed() -> None:
    vectors = unit(np.random.default_rng(6), 4, 700)
    first, second, other = (learn(vectors, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.basis, second.basis)
    assert not np.array_equal(first.basis, other.basis)


def test_no_vector_projects_to_none() -> None:
    vectors = unit(np.random.default_rng(7), 4, 700)
    assert learn(vectors).apply(vectors[:0]).shape == (0, 512)
