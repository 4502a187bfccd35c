"""Many truncated systems at once, against SciPy's conjugate gradients on each."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.sparse as sparse
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.linalg import cg

from steeple.retrieval import search_neighbors
from steeple.retrieval.offline.affinity import mutual_affinity, normalise
from steeple.retrieval.offline.graph import IndexGraph
from steeple.retrieval.offline.truncated import ITERATIONS, TOLERANCE, TruncatedSolver


def make(seed: int, n: int, m: int, kd: int, spread: float = 0.5) -> tuple[Any, Any]:
    """A graph of clusters of uneven size, and the neighbourhoods of all images."""
    random = np.random.default_rng(seed)
    cluster = np.sort(random.integers(0, 4, n) * random.integers(0, 3, n))
    centres = random.standard_normal((9, 6))
    index = (centres[cluster] + spread * random.standard_normal((n, 6))).astype(np.float32)
    index /= np.linalg.norm(index, axis=1, keepdims=True)
    graph = IndexGraph(index, lambda queries, k: search_neighbors(queries, index, k))
    ids, scores = graph.neighbourhoods(max(m, kd), kd - 1)
    edges = mutual_affinity(ids[:, 1 : 1 + scores.shape[1]], scores, 3.0)
    return normalise(edges), ids[:, :m]


def literal(
    graph: Any, neighbourhoods: Any, alpha: float, tolerance: float = TOLERANCE
) -> npt.NDArray[np.float64]:
    """One image after another, in float64."""
    whole = sparse.eye_array(graph.shape[0], format="csr") - alpha * graph.astype(np.float64)
    out = np.zeros(neighbourhoods.shape)
    for row, near in zip(out, neighbourhoods, strict=True):
        there = np.flatnonzero(near >= 0)
        part = whole[near[there]][:, near[there]]
        start = np.zeros(len(there))
        start[0] = 1
        row[there] = cg(part, start, rtol=tolerance, maxiter=ITERATIONS)[0]
    return out


@given(
    st.integers(0, 10**6),
    st.integers(1, 60),
    st.integers(1, 40),
    st.integers(2, 20),
    st.sampled_from([0.0, 0.5, 0.99]),
)
def test_the_same_as_one_by_one(seed: int, n: int, m: int, kd: int, alpha: float) -> None:
    graph, near = make(seed, n, m, kd)
    found = TruncatedSolver(graph, alpha).solve(near)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, literal(graph, near, alpha), rtol=1e-4, atol=5e-5)


def test_each_system_stops_when_scipy_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    # With a coarse tolerance one step more or less shows.
    graph, near = make(9, 150, 40, 12)
    monkeypatch.setattr("steeple.retrieval.offline.truncated.TOLERANCE", 0.03)
    found, expected = (
        TruncatedSolver(graph, 0.99).solve(near),
        literal(graph, near, 0.99, tolerance=0.03),
    )
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=5e-5)


def test_the_limit_cuts_off_where_scipy_is_cut_off() -> None:
    # A long chain: 20 steps are far from enough, so every step has to be the same.
    n = 60
    ids = np.stack([np.arange(n) - 1, np.arange(n) + 1], axis=1).astype(np.int32)
    ids[-1, 1] = -1
    graph = normalise(mutual_affinity(ids, np.full(ids.shape, 0.9, np.float32), 3.0))
    near = np.stack([np.roll(np.arange(n), -i) for i in range(n)]).astype(np.int32)
    found, expected = TruncatedSolver(graph, 0.99).solve(near), literal(graph, near, 0.99)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    whole = np.linalg.inv(np.eye(n) - 0.99 * graph.toarray().astype(np.float64))
    assert np.abs(expected[30] - np.roll(whole[30], -30)).max() > 0.1
    assert (found[30] == 0).sum() == n - 39  # nothing comes further than 19 edges


def test_batches_and_parts_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    graph, near = make(5, 90, 30, 12)
    whole = TruncatedSolver(graph, 0.99).solve(near)
    for batch, systems in ((1, 1), (7, 3), (90, 5), (10, 32)):
        monkeypatch.setattr("steeple.retrieval.offline.truncated.BATCH", batch)
        monkeypatch.setattr("steeple.retrieval.offline.truncated._SYSTEMS", systems)
        parts = TruncatedSolver(graph, 0.99).solve(near)
        np.testing.assert_allclose(parts, whole, rtol=1e-5, atol=1e-6)


def test_pads_get_nothing_and_change_nothing() -> None:
    graph, near = make(6, 40, 20, 8)
    solver = TruncatedSolver(graph, 0.99)
    padded = np.concatenate([near, np.full((40, 5), -1, dtype=np.int32)], axis=1)
    found = solver.solve(padded)
    np.testing.assert_allclose(found[:, :20], solver.solve(near), rtol=1e-5, atol=1e-6)
    assert not found[:, 20:].any()


def test_only_what_hangs_together_gets_something() -> None:
    graph, near = make(7, 50, 50, 6, spread=0.05)
    found = TruncatedSolver(graph, 0.99).solve(near)
    _, part = sparse.csgraph.connected_components(graph, directed=False)
    assert len(set(part)) > 1
    assert not found[part[near] != part[:, None]].any()
    assert (found[:, 0] >= 1).all()


def test_nothing_to_solve() -> None:
    graph, near = make(8, 10, 5, 3)
    solver = TruncatedSolver(graph, 0.99)
    assert solver.solve(near[:0]).shape == (0, 5)
    np.testing.assert_array_equal(solver.solve(near[:, :1]), np.ones((10, 1)))
