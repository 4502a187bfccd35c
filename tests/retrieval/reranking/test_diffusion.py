"""Diffusion again as its public code has it: the whole matrix, one image, one query at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.sparse as sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import cg

from steeple.errors import InputError
from steeple.retrieval import Ranking, search_neighbors
from steeple.retrieval.offline.graph import IndexGraph
from steeple.retrieval.reranking import Context
from steeple.retrieval.reranking.diffusion import Diffusion

Floats = npt.NDArray[np.float32]


def clustered(seed: int, n: int, d: int = 6) -> Floats:
    random = np.random.default_rng(seed)
    centres = random.standard_normal((max(2, n // 8), d))
    out = centres[random.integers(0, len(centres), n)] + 0.6 * random.standard_normal((n, d))
    return (out / np.linalg.norm(out, axis=1, keepdims=True)).astype(np.float32)


def offline(index: Floats, kd: int, truncate: int) -> npt.NDArray[np.float64]:
    """Row i: where diffusion from i arrives. Lists hold the image itself, first."""
    n = len(index)
    similarity = (index @ index.T).astype(np.float64)
    lists = []
    for i in range(n):
        others = sorted((j for j in range(n) if j != i), key=lambda j: -similarity[i, j])
        lists.append([i, *others])
    affinity = np.zeros((n, n))
    for i in range(n):
        for j in lists[i][:kd]:
            if i != j and i in lists[j][:kd]:
                affinity[i, j] = max(similarity[i, j], 0.0) ** 3
    root = np.diag((affinity.sum(axis=1) + 1e-12) ** -0.5)
    laplacian = np.eye(n) - 0.99 * root @ affinity @ root
    out = np.zeros((n, n))
    for i in range(n):
        near = lists[i][:truncate]
        part = sparse.csr_array(laplacian[np.ix_(near, near)])
        out[i, near] = cg(part, np.eye(len(near))[0], rtol=1e-6, maxiter=20)[0]
    return out


def known(queries: Floats, index: Floats, **more: Any) -> Context:
    graph = IndexGraph(index, lambda queries, k: search_neighbors(queries, index, k), **more)
    return Context(queries=queries, index=index, graph=graph)


@settings(max_examples=30)
@given(
    st.integers(0, 10**6),
    st.integers(2, 50),
    st.integers(1, 12),
    st.integers(1, 60),
    st.integers(1, 15),
)
def test_the_published_scores(seed: int, n: int, kd: int, truncate: int, kq: int) -> None:
    index, queries = clustered(seed, n), clustered(seed + 1, 3)
    plain = search_neighbors(queries, index, n)
    found = Diffusion(kq=kq, kd=kd, truncate=truncate).rerank(plain, known(queries, index))
    rows = offline(index, kd, truncate)
    for q in range(len(queries)):
        top = plain.ids[q, :kq]
        alike = [float(sum(index[j].astype(float) * queries[q].astype(float))) for j in top]
        weights = np.array([max(similarity, 0.0) ** 3 for similarity in alike])
        total = np.maximum(weights @ rows[top], 0)
        # The order is descending, and every image has its own score.
        np.testing.assert_allclose(found.scores[q], total[found.ids[q]], rtol=1e-3, atol=2e-5)
        assert sorted(found.ids[q]) == list(range(n))
        assert (np.diff(found.scores[q]) <= 0).all()


def test_views_that_form_a_chain() -> None:
    # Along an arc each image resembles the next; across it stand images nearer to the query
    # than the end of the chain is.
    arc = np.deg2rad(np.arange(0, 100, 10))
    chain = np.stack([np.cos(arc), np.sin(arc), 0 * arc], axis=1)
    side = np.deg2rad(np.array([-52.0, -56.0, -60.0]))
    other = np.stack([np.cos(side), 0 * side, np.sin(side)], axis=1)
    index = np.concatenate([other, chain]).astype(np.float32)
    queries = np.array([[1, 0, 0]], dtype=np.float32)
    plain = search_neighbors(queries, index, 13)
    assert set(plain.ids[0, :9].tolist()) & {0, 1, 2}
    found = Diffusion(kq=2, kd=3).rerank(plain, known(queries, index))
    assert found.ids[0, :10].tolist() != plain.ids[0, :10].tolist()
    assert set(found.ids[0, :10].tolist()) == set(range(3, 13))
    assert found.ids[0, 10:].tolist() == [0, 1, 2]  # not reached: in their old order, 0
    assert found.scores[0, 10:].tolist() == [0, 0, 0]


def test_pads_and_what_is_not_similar_start_nothing() -> None:
    index = clustered(3, 20)
    index[[4, 7, 9], 0] = 0.5, -0.25, 0.0
    context = known(np.eye(1, 6, dtype=np.float32), index)
    # The scores are another re-ranker's.
    listed = Ranking([[4, -1, 7, 9]], [[0.1, -np.inf, 8.0, 3.0]])
    only = Ranking([[4]], [[7.0]])
    wide, narrow = (Diffusion(kd=5).rerank(given, context) for given in (listed, only))
    assert wide.ids[0, 0] == narrow.ids[0, 0]
    assert wide.scores[0, 0] == narrow.scores[0, 0]
    nothing = Ranking([[7, -1, 9]], [[1.0, -np.inf, 1.0]])
    found = Diffusion(kd=5).rerank(nothing, context)
    assert found.ids.tolist() == [[7, 9, -1]]
    assert found.scores.tolist() == [[0, 0, -np.inf]]


def test_empty_index_and_no_query() -> None:
    nothing, one = np.zeros((0, 6), dtype=np.float32), clustered(1, 2)
    found = Diffusion().rerank(search_neighbors(one, nothing, 3), known(one, nothing))
    assert (found.ids == -1).all()
    found = Diffusion().rerank(search_neighbors(nothing, one, 3), known(nothing, one))
    assert found.ids.shape == (0, 3)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"kq": 0}, "kq is 0"),
        ({"kd": 0}, "kd is 0"),
        ({"truncate": 0}, "truncate is 0"),
        ({"alpha": 1.0}, "alpha is 1.0"),
        ({"alpha": float("nan")}, "alpha is nan"),
        ({"gamma": -1.0}, "gamma is -1.0"),
    ],
)
def test_impossible_numbers(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Diffusion(**wrong)


def test_no_graph() -> None:
    with pytest.raises(InputError, match="graph"):
        Diffusion().rerank(Ranking([[0]], [[1]]), Context())
