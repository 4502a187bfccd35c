"""Re-rankers by name, and one after another."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np
import pytest

from steeple.cli import options
from steeple.errors import InputError
from steeple.geometry.batch import Verified
from steeple.retrieval import Ranking, Votes, search_neighbors
from steeple.retrieval.contrast import Background
from steeple.retrieval.offline.graph import IndexGraph
from steeple.retrieval.pairs import PairModel
from steeple.retrieval.reranking import (
    RERANKERS,
    Chain,
    Context,
    DatabaseAugmentation,
    Diffusion,
    GatedTwoStage,
    GraphTraversal,
    LabelAwareDiffusion,
    LabelAwareExpansion,
    QueryExpansion,
    TwoStage,
    create_reranker,
)
from steeple.retrieval.reranking.chain import Default
from steeple.retrieval.reranking.fusion import Fusion
from steeple.retrieval.reranking.spatial import Spatial

RANKING = Ranking(np.array([[3, 1, 2]]), np.array([[0.5, 0.25, 0.125]]))


@dataclass(frozen=True)
class Rotate:
    steps: int

    def rerank(self, ranking: Ranking, context: Context) -> Ranking:
        return Ranking(np.roll(ranking.ids, self.steps), ranking.scores)


@dataclass(frozen=True)
class Reverse:
    def rerank(self, ranking: Ranking, context: Context) -> Ranking:
        return Ranking(ranking.ids[:, ::-1], ranking.scores)


def test_first_to_last() -> None:
    context = Context()
    assert Chain((Rotate(1), Reverse())).rerank(RANKING, context).ids.tolist() == [[1, 3, 2]]
    assert Chain((Reverse(), Rotate(1))).rerank(RANKING, context).ids.tolist() == [[3, 2, 1]]


def test_an_empty_chain_changes_nothing() -> None:
    assert Chain().rerank(RANKING, Context()) is RANKING


def test_chains_chain() -> None:
    nested = Chain((Chain((Rotate(1),)), Chain(), Reverse()))
    assert nested.rerank(RANKING, Context()).ids.tolist() == [[1, 3, 2]]


@pytest.mark.parametrize("name", RERANKERS)
def test_every_name_makes_one(name: str) -> None:
    (link,) = create_reranker(name).links
    assert callable(link.rerank)


@pytest.mark.parametrize("name", [name for name in RERANKERS if name not in ("knn", "default")])
@pytest.mark.parametrize("said", ["Source: ", r"\bCosts?\b", r"\bHelps\b"])
def test_where_it_comes_from_what_it_costs_and_when_it_helps(name: str, said: str) -> None:
    (link,) = create_reranker(name).links
    assert re.search(said, type(link).__doc__ or ""), said


def test_what_the_names_mean() -> None:
    assert create_reranker("knn").rerank(RANKING, Context()) is RANKING
    assert create_reranker("aqe").links == (QueryExpansion(),)
    assert create_reranker("label-aqe").links == (LabelAwareExpansion(),)
    assert create_reranker("dba").links == (DatabaseAugmentation(),)
    assert create_reranker("egt").links == (GraphTraversal(),)
    assert create_reranker("diffusion").links == (Diffusion(),)
    assert create_reranker("label-diffusion").links == (LabelAwareDiffusion(),)
    assert create_reranker("sort").links == (TwoStage(insert=False),)
    assert create_reranker("two-stage").links == (TwoStage(),)
    assert create_reranker("spatial").links == (Spatial(),)
    assert create_reranker("inliers").links == (Spatial(by_inliers=True),)
    assert create_reranker("gated").links == (GatedTwoStage(),)
    assert create_reranker("fusion").links == (Fusion(),)
    assert create_reranker("default").links == (Default(),)


def test_several_joined_by_commas() -> None:
    assert create_reranker("aqe, two-stage").links == (QueryExpansion(), TwoStage())
    assert create_reranker("spatial,two-stage").links == (Spatial(), TwoStage())


def test_parameters_behind_the_names() -> None:
    average = QueryExpansion(alpha=0, n=5)
    assert create_reranker("aqe:alpha=0:n=5").links == (average,)
    chain = create_reranker(" aqe : n = 5 : alpha = 0 , two-stage:threshold=0.5:sort=False")
    assert chain.links == (average, TwoStage(threshold=0.5, sort=False))
    assert create_reranker("egt:k=20:t=0.75").links == (GraphTraversal(20, 0.75),)
    assert create_reranker("inliers:n=7").links == (Spatial(n=7, by_inliers=True),)


def test_the_searches_and_walks_say_so() -> None:
    """Collections tell what was found from what was inserted by it."""
    finds = {name for name in RERANKERS if getattr(create_reranker(name).links[0], "finds", False)}
    assert finds == {"aqe", "label-aqe", "dba", "egt", "diffusion", "label-diffusion"}


def test_the_command_line_names_them_all() -> None:
    (option,) = get_args(options.Rerank)[1:]
    assert set(RERANKERS) <= set(re.findall(r"[a-z-]+", option.help))


class TestDefault:
    """Two neighbours; the second shows what the query shows, the first fits."""

    CONTEXT = Context(
        queries=np.float32([[1, 0.5]]),
        index=np.eye(2, dtype=np.float32),
        query_beliefs=Votes(np.array([7]), np.array([0.9])),
        index_beliefs=Votes(np.array([-1, 7]), np.array([0, 0.9])),
        evidence=np.float32([1.5]),
        pair_model=PairModel(),
        background=Background(np.zeros(1, dtype=np.float32), np.float32([0.04])),
    )
    NEAR = Ranking(np.array([[0, 1]]), np.array([[1.0, 0.5]]))

    @staticmethod
    def verify(ids: Any) -> Verified:
        return Verified(np.where(ids == 0, 90, 0), np.where(ids == 0, np.float32(200), 0))

    def test_without_local_features_the_gate(self) -> None:
        found = Default().rerank(self.NEAR, self.CONTEXT)
        assert found.ids.tolist() == [[1, 0]]
        gated = GatedTwoStage().rerank(self.NEAR, self.CONTEXT)
        assert found.scores.tolist() == gated.scores.tolist()

    def test_with_them_fusion(self) -> None:
        context = replace(self.CONTEXT, verify=self.verify)
        found = Default().rerank(self.NEAR, context)
        assert found.ids.tolist() == [[0, 1]]
        assert found.scores.tolist() == Fusion().rerank(self.NEAR, context).scores.tolist()


def everything() -> tuple[Ranking, Context]:
    """What a search found among sixty images, and all that a re-ranker may ask for."""
    random = np.random.default_rng(6)
    vectors = random.standard_normal((65, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    index, queries = vectors[:60], vectors[60:]
    votes = Votes(random.integers(-1, 4, 65), random.random(65))
    inliers = random.choice([0, 0, 5, 90], 60)

    def search(asked: Any, k: int) -> Ranking:
        return search_neighbors(asked, index, k)

    def verify(ids: Any) -> Verified:
        found = np.where(ids == -1, 0, inliers[ids])
        return Verified(found, found.astype(np.float32))

    context = Context(
        queries=queries,
        index=index,
        search=search,
        graph=IndexGraph(index, search),
        query_votes=votes[60:],
        index_votes=votes[:60],
        query_beliefs=votes[60:],
        index_beliefs=votes[:60],
        evidence=np.full(5, 0.4, dtype=np.float32),
        verify=verify,  # type: ignore[arg-type]
        pair_model=PairModel(),
        background=Background(np.zeros(5, dtype=np.float32), np.full(5, 0.25, dtype=np.float32)),
    )
    return search(queries, 20), context


@pytest.mark.parametrize("name", RERANKERS)
def test_the_order_that_comes_in_counts_and_not_the_scores(name: str) -> None:
    """Those of another re-ranker are no similarities."""
    found, context = everything()
    other = Ranking(found.ids, np.random.default_rng(1).normal(size=found.ids.shape))
    link = create_reranker(name)
    np.testing.assert_array_equal(link.rerank(found, context).ids, link.rerank(other, context).ids)


@pytest.mark.parametrize("second", ["aqe", "spatial", "diffusion", "egt", "label-diffusion"])
@pytest.mark.parametrize("first", ["two-stage", "egt", "diffusion", "label-diffusion", "fusion"])
def test_behind_any_other_similarities_are_similarities(first: str, second: str) -> None:
    ranking, context = everything()
    between = create_reranker(first).rerank(ranking, context)
    alike = [
        [float(sum(context.need("index")[image] * query)) for image in row]
        for row, query in zip(between.ids, context.need("queries"), strict=True)
    ]
    expected = create_reranker(second).rerank(Ranking(between.ids, alike), context)
    chained = create_reranker(f"{first},{second}").rerank(ranking, context)
    np.testing.assert_array_equal(chained.ids, expected.ids)
    np.testing.assert_array_equal(chained.scores, expected.scores)


@pytest.mark.parametrize("names", ["best", "knn,best", "", "knn,", "KNN"])
def test_an_unknown_name_lists_those_there_are(names: str) -> None:
    with pytest.raises(InputError, match=r"no re-ranker is called .*there are: .*knn.*default"):
        create_reranker(names)


def test_what_a_link_lacks_is_said() -> None:
    with pytest.raises(InputError, match="query votes"):
        create_reranker("knn,two-stage").rerank(RANKING, Context())
