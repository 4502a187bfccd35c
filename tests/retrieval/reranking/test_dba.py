"""Database-side augmentation against its formula, one image and one neighbour at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steeple.errors import InputError
from steeple.retrieval import Ranking, search_neighbors
from steeple.retrieval.offline.graph import IndexGraph
from steeple.retrieval.reranking import Context, QueryExpansion
from steeple.retrieval.reranking.chain import Chain
from steeple.retrieval.reranking.dba import DatabaseAugmentation

Floats = npt.NDArray[np.float32]


def unit(seed: int, n: int, d: int = 6) -> Floats:
    out = np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)
    return np.asarray(out / np.linalg.norm(out, axis=1, keepdims=True), dtype=np.float32)


def context(queries: Floats, index: Any, **more: Any) -> Context:
    whole = np.asarray(index, dtype=np.float32)

    def search(queries: Floats, k: int) -> Ranking:
        return search_neighbors(queries, whole, k)

    graph = IndexGraph(index, search, **more)
    return Context(queries=queries, index=index, search=search, graph=graph)


def augment(index: Floats, alpha: float, n: int) -> npt.NDArray[np.float64]:
    out = []
    for i, image in enumerate(index.astype(np.float64)):
        scored = [(j, float(index[j] @ index[i])) for j in range(len(index)) if j != i]
        total = image.copy()
        for j, similarity in sorted(scored, key=lambda pair: -pair[1])[:n]:
            total += max(similarity, 0.0) ** alpha * index[j].astype(np.float64)
        out.append(total / np.linalg.norm(total))
    return np.array(out)


@given(
    st.integers(0, 10**6), st.integers(2, 25), st.integers(1, 30), st.sampled_from([0.0, 1.0, 3.0])
)
def test_the_query_among_the_augmented(seed: int, size: int, n: int, alpha: float) -> None:
    index, queries = unit(seed, size), unit(seed + 1, 3)
    plain = search_neighbors(queries, index, 7)
    found = DatabaseAugmentation(alpha, n).rerank(plain, context(queries, index))
    scores = queries @ augment(index, alpha, n).T
    width = min(7, size)
    np.testing.assert_allclose(
        found.scores[:, :width], -np.sort(-scores, axis=1)[:, :width], atol=1e-5
    )
    np.testing.assert_allclose(
        np.take_along_axis(scores, found.ids[:, :width], axis=1), found.scores[:, :width], atol=1e-5
    )
    assert (found.ids[:, width:] == -1).all()


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    index, queries = unit(1, 40), unit(2, 5)
    plain = search_neighbors(queries, index, 9)
    whole = DatabaseAugmentation().rerank(plain, context(queries, index))
    monkeypatch.setattr("steeple.retrieval.reranking.dba._BLOCK", 7)
    monkeypatch.setattr("steeple.retrieval.neighbors._PIECE", 3 * 24)
    heard: list[tuple[str, int, int]] = []
    told = lambda *news: heard.append(news)  # noqa: E731
    parts = DatabaseAugmentation().rerank(plain, context(queries, index, told=told))
    np.testing.assert_array_equal(parts.ids, whole.ids)
    assert heard[-1] == ("dba", 40, 40)


def test_augmented_once_for_all_queries() -> None:
    index, queries = unit(1, 20), unit(2, 5)
    known, asked = context(queries, index), []
    assert known.graph is not None
    search = known.graph.search
    known.graph.search = lambda queries, k: (asked.append(k), search(queries, k))[1]
    plain = search_neighbors(queries, index, 4)
    first = DatabaseAugmentation().rerank(plain, known)
    again = DatabaseAugmentation().rerank(plain, known)
    np.testing.assert_array_equal(first.ids, again.ids)
    assert asked == [101]
    other = DatabaseAugmentation(alpha=0.5).rerank(plain, known)
    assert (other.scores != first.scores).any()
    assert asked == [101]  # other weights, the same neighbours


def test_memory_and_device_reach_its_search(monkeypatch: pytest.MonkeyPatch) -> None:
    index, queries = unit(1, 20), unit(2, 5)
    plain = search_neighbors(queries, index, 4)
    asked: list[tuple[Any, ...]] = []

    def searched(queries: Floats, index: Floats, k: int, **options: Any) -> Ranking:
        asked.append((index.shape, k, options))
        return search_neighbors(queries, index, k)

    monkeypatch.setattr("steeple.retrieval.reranking.dba.search_neighbors", searched)
    known = replace(context(queries, index), memory=12345, device="auto")
    DatabaseAugmentation().rerank(plain, known)
    assert asked == [((20, 6), 4, {"memory": 12345, "device": "auto"})]
    monkeypatch.undo()
    with pytest.raises(InputError, match="no device 'tpu'"):
        DatabaseAugmentation().rerank(plain, replace(known, device="tpu"))


@pytest.mark.parametrize("change", [{"alpha": 1.0}, {"n": 3}])
def test_both_numbers_are_part_of_the_name(change: dict[str, Any]) -> None:
    index, queries = unit(1, 20), unit(2, 5)
    shared, plain = context(queries, index), search_neighbors(queries, index, 4)
    first = DatabaseAugmentation().rerank(plain, shared)
    changed = DatabaseAugmentation(**change)
    found, alone = (changed.rerank(plain, known) for known in (shared, context(queries, index)))
    np.testing.assert_array_equal(found.scores, alone.scores)
    assert (found.scores != first.scores).any()


def test_query_expansion_behind_it_starts_from_what_it_found() -> None:
    index, queries = unit(3, 30), unit(4, 4)
    known, plain = context(queries, index), search_neighbors(queries, index, 8)
    chained = Chain((DatabaseAugmentation(), QueryExpansion())).rerank(plain, known)
    between = DatabaseAugmentation().rerank(plain, known)
    np.testing.assert_array_equal(chained.ids, QueryExpansion().rerank(between, known).ids)


def test_a_float16_index_an_empty_one_and_no_query() -> None:
    index, queries = unit(5, 12).astype(np.float16), unit(6, 2)
    plain = search_neighbors(queries, index, 3)
    found = DatabaseAugmentation().rerank(plain, context(queries, index))
    scores = queries @ augment(index.astype(np.float32), 3.0, 10).T
    np.testing.assert_allclose(found.scores, -np.sort(-scores, axis=1)[:, :3], atol=1e-5)
    nothing = np.zeros((0, 6), dtype=np.float32)
    found = DatabaseAugmentation().rerank(
        search_neighbors(queries, nothing, 3), context(queries, nothing)
    )
    assert found.ids.tolist() == [[-1, -1, -1]] * 2
    found = DatabaseAugmentation().rerank(
        search_neighbors(nothing, index, 3), context(nothing, index)
    )
    assert found.ids.shape == (0, 3)


def test_impossible_numbers_and_no_graph() -> None:
    with pytest.raises(InputError, match="alpha is -1"):
        DatabaseAugmentation(alpha=-1)
    with pytest.raises(InputError, match="alpha is inf"):
        DatabaseAugmentation(alpha=float("inf"))
    with pytest.raises(InputError, match="n is 0"):
        DatabaseAugmentation(n=0)


def test_numbers_that_nearly_agree_share_nothing() -> None:
    index, queries = unit(1, 20), unit(2, 5)
    known, plain = context(queries, index), search_neighbors(queries, index, 4)
    first = DatabaseAugmentation(alpha=3.0).rerank(plain, known)
    other = DatabaseAugmentation(alpha=3.0001).rerank(plain, known)
    assert (other.scores != first.scores).any()


def test_numbers_of_neighbours_share_nothing() -> None:
    index, queries = unit(1, 20), unit(2, 5)
    known, plain = context(queries, index), search_neighbors(queries, index, 4)
    DatabaseAugmentation(n=3).rerank(plain, known)
    found = DatabaseAugmentation(n=5).rerank(plain, known)
    fresh = DatabaseAugmentation(n=5).rerank(plain, context(queries, index))
    np.testing.assert_array_equal(found.ids, fresh.ids)
    np.testing.assert_array_equal(found.scores, fresh.scores)


def test_no_more_join_than_there_are() -> None:
    index, queries = unit(1, 20), unit(2, 5)
    known, plain = context(queries, index), search_neighbors(queries, index, 4)
    many = DatabaseAugmentation(n=10**9).rerank(plain, known)
    np.testing.assert_array_equal(many.ids, DatabaseAugmentation(n=19).rerank(plain, known).ids)
    with pytest.raises(InputError, match="graph"):
        DatabaseAugmentation().rerank(Ranking([[0]], [[1]]), Context(queries=unit(1, 1)))
