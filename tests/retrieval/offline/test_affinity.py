"""The graph of diffusion, edge by edge as its public code describes it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steeple.errors import InputError
from steeple.retrieval import Votes, search_neighbors
from steeple.retrieval.offline.affinity import (
    agreement,
    mutual_affinity,
    normalise,
    weigh_by_beliefs,
)
from steeple.retrieval.offline.graph import IndexGraph

Floats = npt.NDArray[np.float32]


def neighbours(seed: int, n: int, k: int) -> tuple[npt.NDArray[np.int32], Floats]:
    index = np.random.default_rng(seed).standard_normal((n, 4)).astype(np.float32)
    index /= np.linalg.norm(index, axis=1, keepdims=True)
    graph = IndexGraph(index, lambda queries, k: search_neighbors(queries, index, k))
    ids, scores = graph.neighbourhoods(k + 1, k)
    return ids[:, 1:], scores


def literal(ids: npt.NDArray[np.int32], scores: Floats, gamma: float) -> npt.NDArray[np.float64]:
    out = np.zeros((len(ids), len(ids)))
    for i, row in enumerate(ids):
        for place, j in enumerate(row):
            if j != -1 and i in ids[j]:  # each is in the other's list
                out[i, j] = max(float(scores[i, place]), 0.0) ** gamma
    return out


graphs = given(
    st.integers(0, 10**6), st.integers(2, 25), st.integers(1, 30), st.sampled_from([1.0, 3.0])
)


@graphs
def test_mutual_neighbours_and_no_others(seed: int, n: int, k: int, gamma: float) -> None:
    ids, scores = neighbours(seed, n, k)
    pads = np.random.default_rng(seed).random(ids.shape) < 0.1
    ids, scores = np.where(pads, np.int32(-1), ids), np.where(pads, np.float32(-np.inf), scores)
    affinity = mutual_affinity(ids, scores, gamma)
    dense = affinity.toarray()
    np.testing.assert_allclose(dense, literal(ids, scores, gamma), rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(dense, dense.T)
    assert not dense.diagonal().any()
    assert affinity.dtype == np.float32
    assert affinity.has_sorted_indices


@graphs
def test_normalised_by_both_degrees(seed: int, n: int, k: int, gamma: float) -> None:
    ids, scores = neighbours(seed, n, k)
    dense = literal(ids, scores, gamma)
    root = np.diag((dense.sum(axis=1) + 1e-12) ** -0.5)
    found = normalise(mutual_affinity(ids, scores, gamma)).toarray()
    np.testing.assert_allclose(found, root @ dense @ root, rtol=1e-4, atol=1e-6)
    assert np.abs(np.linalg.eigvalsh(found.astype(np.float64))).max(initial=0) < 1 + 1e-5


def test_an_image_alone_and_no_image() -> None:
    ids, scores = np.array([[-1], [-1]], dtype=np.int32), np.full((2, 1), -np.inf, np.float32)
    assert not normalise(mutual_affinity(ids, scores, 3.0)).toarray().any()
    assert normalise(mutual_affinity(ids[:0], scores[:0], 3.0)).shape == (0, 0)


@given(st.integers(0, 10**6), st.floats(0, 4))
def test_beliefs_weigh_edges(seed: int, strength: float) -> None:
    ids, scores = neighbours(seed, 12, 6)
    random = np.random.default_rng(seed)
    labels = random.integers(-1, 3, 12)
    chances = np.where(labels == -1, 0.3, random.random(12)).astype(np.float32)
    expected = literal(ids, scores, 3.0)
    for i in range(12):
        for j in range(12):
            if -1 not in (labels[i], labels[j]):
                both = float(chances[i]) * float(chances[j])
                expected[i, j] *= 1 + strength * both if labels[i] == labels[j] else 1 - both
    affinity = mutual_affinity(ids, scores, 3.0)
    found = weigh_by_beliefs(affinity, Votes(labels, chances), strength).toarray()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(found, found.T)


def test_blocks_of_beliefs_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    ids, scores = neighbours(1, 20, 5)
    beliefs = Votes(np.arange(20) % 3, np.linspace(0, 1, 20))
    whole = weigh_by_beliefs(mutual_affinity(ids, scores, 3.0), beliefs, 1.0).toarray()
    monkeypatch.setattr("steeple.retrieval.offline.affinity._BLOCK", 3)
    parts = weigh_by_beliefs(mutual_affinity(ids, scores, 3.0), beliefs, 1.0).toarray()
    np.testing.assert_array_equal(parts, whole)


def test_certain_edges() -> None:
    one = np.float32([1, 1, 1, 0.5])
    factors = agreement(np.array([5, 5, -1, 5]), one, Votes(np.array([5, 6, -1, 6]), one), 1.0)
    np.testing.assert_array_equal(factors, np.float32([2, 0, 1, 0.75]))


def test_beliefs_of_another_index() -> None:
    ids, scores = neighbours(1, 6, 2)
    with pytest.raises(InputError, match="6 index images need as many beliefs, not 5"):
        weigh_by_beliefs(mutual_affinity(ids, scores, 3.0), Votes(np.zeros(5), np.ones(5)), 1.0)
