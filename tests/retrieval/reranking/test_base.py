"""The context of a re-ranker, and that re-rankers chain."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from steeple.errors import InputError
from steeple.geometry.batch import Verified
from steeple.retrieval import Ranking, Votes, search_neighbors
from steeple.retrieval.contrast import Background
from steeple.retrieval.offline.graph import IndexGraph
from steeple.retrieval.pairs import PairModel
from steeple.retrieval.reranking import (
    Context,
    Diffusion,
    GatedTwoStage,
    GraphTraversal,
    LabelAwareDiffusion,
    LabelAwareExpansion,
    QueryExpansion,
    Reranker,
    TwoStage,
    create_reranker,
)
from steeple.retrieval.reranking import base as module
from steeple.retrieval.reranking.base import need_each, similarity
from steeple.retrieval.reranking.chain import Default
from steeple.retrieval.reranking.fusion import Fusion


def test_need_gives_what_is_there() -> None:
    votes = Votes(np.array([1]), np.ones(1, dtype=np.float32))
    assert Context(query_votes=votes).need("query_votes") is votes


def test_an_empty_array_is_there() -> None:
    assert Context(queries=np.zeros((0, 3), dtype=np.float32)).need("queries").shape == (0, 3)


@pytest.mark.parametrize(
    "part", [f.name for f in fields(Context) if f.default is None and f.name != "verify"]
)
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
    "reranker",
    [
        TwoStage(),
        QueryExpansion(),
        LabelAwareExpansion(),
        Diffusion(),
        LabelAwareDiffusion(),
        GraphTraversal(),
        GatedTwoStage(),
        Fusion(),
        Default(),
    ],
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


class TestWhatDoesNotFit:
    """Five queries and sixty index images; votes and beliefs of other numbers are refused."""

    @staticmethod
    def votes(n: int) -> Votes:
        return Votes(np.arange(n) % 4, np.full(n, 0.9))

    @pytest.fixture
    def known(self) -> tuple[Ranking, Context]:
        vectors = np.random.default_rng(3).standard_normal((65, 8)).astype(np.float32)
        index, queries = vectors[:60], vectors[60:]

        def search(asked: Any, k: int) -> Ranking:
            return search_neighbors(asked, index, k)

        context = Context(
            queries=queries,
            index=index,
            search=search,
            graph=IndexGraph(index, search),
            query_votes=self.votes(5),
            index_votes=self.votes(60),
            query_beliefs=self.votes(5),
            index_beliefs=self.votes(60),
            evidence=np.full(5, 0.4, dtype=np.float32),
            verify=lambda ids: Verified(  # type: ignore[arg-type]
                np.zeros(ids.shape, dtype=np.int32), np.zeros(ids.shape, dtype=np.float32)
            ),
            pair_model=PairModel(),
            background=Background(np.zeros(5, dtype=np.float32), np.ones(5, dtype=np.float32)),
        )
        return search(queries, 20), context

    BELIEVERS = ("label-aqe", "label-diffusion", "gated", "fusion", "default")

    @pytest.mark.parametrize(
        ("name", "kind"),
        [("sort", "votes"), ("two-stage", "votes"), *((name, "beliefs") for name in BELIEVERS)],
    )
    def test_numbers_of_votes_and_beliefs(
        self, known: tuple[Ranking, Context], name: str, kind: str
    ) -> None:
        ranking, context = known
        link = create_reranker(name)
        assert link.rerank(ranking, context).ids.shape == (5, 20)
        for n in (0, 1, 4, 6):
            wrong = replace(context, **{f"query_{kind}": self.votes(n)})
            with pytest.raises(InputError) as caught:
                link.rerank(ranking, wrong)
            assert str(caught.value) == f"5 rankings need as many query {kind}, not {n}"
        for n in (0, 1, 30, 70):
            wrong = replace(context, **{f"index_{kind}": self.votes(n)})
            with pytest.raises(InputError) as caught:
                link.rerank(ranking, wrong)
            assert str(caught.value) == f"60 index images need as many index {kind}, not {n}"

    @pytest.mark.parametrize("name", ["gated", "fusion"])
    def test_votes_that_decide_between_equal_beliefs(
        self, known: tuple[Ranking, Context], name: str
    ) -> None:
        ranking, context = known
        wrong = replace(context, index_votes=self.votes(30))
        with pytest.raises(InputError, match="60 index images need as many index votes, not 30"):
            create_reranker(name).rerank(ranking, wrong)

    def test_evidence(self, known: tuple[Ranking, Context]) -> None:
        ranking, context = known
        wrong = replace(context, evidence=np.ones(1, dtype=np.float32))
        with pytest.raises(InputError, match="5 rankings need as many evidence, not 1"):
            GatedTwoStage().rerank(ranking, wrong)

    def test_the_graph_knows_how_many_images_there_are(
        self, known: tuple[Ranking, Context]
    ) -> None:
        ranking, context = known
        wrong = replace(context, index=None, index_votes=self.votes(70))
        with pytest.raises(InputError, match="60 index images need as many index votes, not 70"):
            need_each(ranking, wrong, "index_votes")

    def test_without_both_the_ranking_does(self, known: tuple[Ranking, Context]) -> None:
        ranking, context = known
        bare = replace(context, index=None, graph=None)
        (votes,) = need_each(ranking, bare, "index_votes")
        assert votes is context.index_votes
        few = replace(bare, index_votes=self.votes(7))
        with pytest.raises(InputError, match=r"names index image \d+, but .* votes for 7 images"):
            need_each(ranking, few, "index_votes")

    def test_what_is_missing(self) -> None:
        with pytest.raises(InputError, match=r"needs query votes.*give Context\("):
            need_each(Ranking([[0]], [[1]]), Context(), "query_votes", "index_votes")


class TestSimilarity:
    def test_what_does_not_fit(self) -> None:
        context = Context(queries=np.ones((1, 2), np.float32), index=np.ones((3, 2), np.float32))
        with pytest.raises(InputError, match="2 rankings need as many queries, not 1"):
            similarity(np.zeros((2, 1), dtype=np.int64), context)
        for wrong in (3, -2):
            with pytest.raises(InputError, match=f"image {wrong}, but .* descriptors for 3 images"):
                similarity(np.array([[0, wrong]]), context)

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
