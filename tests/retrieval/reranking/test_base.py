"""The context of a re-ranker, and that re-rankers chain."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from steeple.errors import InputError
from steeple.retrieval import Ranking, Votes, search_neighbors
from steeple.retrieval.reranking import (
    Context,
    GatedTwoStage,
    QueryExpansion,
    Reranker,
    TwoStage,
)
from steeple.retrieval.reranking import base as module
from steeple.retrieval.reranking.base import similarity
from steeple.retrieval.reranking.chain import Default
from steeple.retrieval.reranking.fusion import Fusion


def test_need_gives_what_is_there() -> None:
    votes = Votes(np.array([1]), np.ones(1, dtype=np.float32))
    assert Context(query_votes=votes).need("query_votes") is votes


def test_an_empty_array_is_there() -> None:
    assert Context(queries=np.zeros((0, 3), dtype=np.float32)).need("queries").shape == (0, 3)


@pytest.mark.parametrize("part", [f.name for f in fields(Context) if f.name != "verify"])
def test_need_names_what_is_missing_and_the_way_out(part: str) -> None:
    with pytest.raises(InputError) as caught:
        Context().need(part)
    assert part.replace("_", " ") in str(caught.value)
    assert f"Context({part}=...)" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_need_of_verification_says_where_it_comes_from() -> None:
    """Nobody can give it by hand: a collection has local features, or it has not."""
    with pytest.raises(InputError, match=r"local features.*build the collection") as caught:
        Context().need("verify")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "reranker", [TwoStage(), QueryExpansion(), GatedTwoStage(), Fusion(), Default()]
)
def test_a_reranker_says_what_it_lacks(reranker: Reranker) -> None:
    ranking = Ranking(np.zeros((1, 1), dtype=np.int64), np.ones((1, 1), dtype=np.float32))
    with pytest.raises(InputError, match=r"give Context\("):
        reranker.rerank(ranking, Context())


def test_rerankers_chain() -> None:
    random = np.random.default_rng(0)
    index = random.standard_normal((50, 8)).astype(np.float32)
    index /= np.linalg.norm(index, axis=1, keepdims=True)
    labels = random.integers(0, 5, 50)
    context = Context(
        queries=index[:4],
        index=index,
        search=lambda queries, k: search_neighbors(queries, index, k),
        query_votes=Votes(labels[:4], np.ones(4, dtype=np.float32)),
        index_votes=Votes(labels, np.ones(50, dtype=np.float32)),
    )
    ranking = search_neighbors(index[:4], index, 20)
    chain: list[Reranker] = [QueryExpansion(), TwoStage()]
    for reranker in chain:
        ranking = reranker.rerank(ranking, context)
    assert ranking.ids.shape == (4, 20)
    for row, label in zip(ranking.ids, labels[:4], strict=True):
        assert set(np.flatnonzero(labels == label)) <= set(row.tolist())


class TestSimilarity:
    @pytest.mark.parametrize("block", [1, 2, 256])
    def test_each_query_with_its_own_list(
        self, monkeypatch: pytest.MonkeyPatch, block: int
    ) -> None:
        monkeypatch.setattr(module, "_BLOCK", block)
        random = np.random.default_rng(1)
        queries = random.standard_normal((5, 7)).astype(np.float32)
        index = random.standard_normal((9, 7)).astype(np.float32)
        ids = random.integers(-1, 9, (5, 4))
        found = similarity(ids, Context(queries=queries, index=index))
        assert found.dtype == np.float32
        for row, column in np.ndindex(5, 4):
            image = ids[row, column]
            expected = -np.inf if image == -1 else sum(queries[row] * index[image])
            assert found[row, column] == pytest.approx(expected, abs=1e-5)

    @pytest.mark.parametrize(("n", "k", "images"), [(0, 3, 4), (2, 0, 4), (2, 3, 0)])
    def test_of_nothing(self, n: int, k: int, images: int) -> None:
        context = Context(
            queries=np.ones((n, 2), dtype=np.float32), index=np.ones((images, 2), dtype=np.float32)
        )
        found = similarity(np.full((n, k), -1), context)
        assert found.shape == (n, k)
        assert np.isneginf(found).all()
