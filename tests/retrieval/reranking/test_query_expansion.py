"""Query expansion against its formula, one query and one neighbour at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from steeple.errors import InputError
from steeple.retrieval import Ranking, search_neighbors
from steeple.retrieval.reranking import Context, QueryExpansion

Floats = npt.NDArray[np.float32]


class Recorder:
    """A neighbours function that keeps the queries it was given."""

    def __init__(self, index: Floats) -> None:
        self.index = index
        self.queries: Floats = np.zeros((0, 0), dtype=np.float32)

    def __call__(self, queries: Floats, k: int) -> Ranking:
        self.queries = queries
        return search_neighbors(queries, self.index, k)


def expand(query: Floats, index: Floats, row: Any, alpha: float, n: int) -> npt.NDArray[np.float64]:
    asked = query.astype(np.float64)
    total = asked
    for image in list(row)[:n]:
        if image != -1:
            descriptor = index[image].astype(np.float64)
            total = total + max(float(sum(asked * descriptor)), 0.0) ** alpha * descriptor
    return total / np.linalg.norm(total)


def descriptors(random: np.random.Generator, n: int, d: int = 6) -> Floats:
    out = random.standard_normal((n, d)).astype(np.float32)
    return np.asarray(out / np.linalg.norm(out, axis=1, keepdims=True), dtype=np.float32)


@pytest.mark.parametrize("scores", ["similarities", "another re-ranker's"])
@pytest.mark.parametrize(("alpha", "n"), [(3.0, 10), (0.0, 5), (1.0, 1), (2.5, 30)])
def test_the_expanded_query(alpha: float, n: int, scores: str) -> None:
    random = np.random.default_rng(int(10 * alpha) + n)
    index, queries = descriptors(random, 40), descriptors(random, 15)
    ranking = search_neighbors(queries, index, 20)
    ranking.ids[random.random(ranking.ids.shape) < 0.2] = -1  # pads anywhere
    if scores != "similarities":
        order = random.permutation(20)
        ranking = Ranking(ranking.ids[:, order], 5 * random.normal(size=(15, 20)))
    search = Recorder(index)
    found = QueryExpansion(alpha, n).rerank(
        ranking, Context(queries=queries, index=index, search=search)
    )
    for q, query in enumerate(queries):
        expected = expand(query, index, ranking.ids[q], alpha, n)
        np.testing.assert_allclose(search.queries[q], expected, atol=2e-6)
    np.testing.assert_array_equal(found.ids, search_neighbors(search.queries, index, 20).ids)


def test_alpha_0_is_the_mean_of_query_and_neighbours() -> None:
    """As Chum et al. have it: every neighbour counts alike, whatever its similarity."""
    index = np.float32([[1, 0], [0, 1], [-0.6, 0.8], [-1, 0]])
    query = np.float32([[1, 0]])
    ranking = search_neighbors(query, index, 4)
    assert ranking.scores[0].tolist() == pytest.approx([1, 0, -0.6, -1])
    search = Recorder(index)
    context = Context(queries=query, index=index, search=search)
    QueryExpansion(alpha=0, n=3).rerank(ranking, context)
    mean = np.mean([query[0], index[0], index[1], index[2]], axis=0)
    np.testing.assert_allclose(search.queries[0], mean / np.linalg.norm(mean), atol=1e-6)
    QueryExpansion(alpha=1, n=4).rerank(ranking, context)  # nothing below 0 weighs anything
    np.testing.assert_allclose(search.queries[0], [1, 0], atol=1e-6)


@pytest.mark.parametrize(
    ("alpha", "n"),
    [(-1.0, 5), (float("nan"), 5), (float("inf"), 5), (3.0, 0), (3.0, -1)],
)
def test_impossible_parameters(alpha: float, n: int) -> None:
    with pytest.raises(InputError, match="at least"):
        QueryExpansion(alpha, n)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(1)
    index, queries = descriptors(random, 40), descriptors(random, 23)
    ranking = search_neighbors(queries, index, 12)
    context = Context(queries=queries, index=index, search=Recorder(index))
    full = QueryExpansion().rerank(ranking, context)
    monkeypatch.setattr("steeple.retrieval.reranking.query_expansion._BLOCK", 5)
    np.testing.assert_array_equal(QueryExpansion().rerank(ranking, context).ids, full.ids)


def test_a_float16_index_and_nothing_written_into_the_input() -> None:
    random = np.random.default_rng(2)
    index, queries = descriptors(random, 40).astype(np.float16), descriptors(random, 3)
    before = queries.copy()
    search = Recorder(index.astype(np.float32))
    ranking = search_neighbors(queries, index, 10)
    QueryExpansion().rerank(ranking, Context(queries=queries, index=index, search=search))
    np.testing.assert_array_equal(queries, before)
    assert search.queries.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(search.queries, axis=1), 1, atol=1e-6)


def test_empty_index_blank_query_and_no_query() -> None:
    nothing = np.zeros((0, 6), dtype=np.float32)
    blank = np.zeros((1, 6), dtype=np.float32)
    context = Context(queries=blank, index=nothing, search=Recorder(nothing))
    found = QueryExpansion().rerank(search_neighbors(blank, nothing, 3), context)
    assert found.ids.tolist() == [[-1, -1, -1]]
    index = descriptors(np.random.default_rng(3), 5)
    context = Context(queries=nothing, index=index, search=Recorder(index))
    found = QueryExpansion().rerank(search_neighbors(nothing, index, 3), context)
    assert found.ids.shape == (0, 3)
