"""The re-rankers by name, and several of them one after another."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from steeple.retrieval.reranking.base import Context, Reranker
from steeple.retrieval.reranking.dba import DatabaseAugmentation
from steeple.retrieval.reranking.diffusion import Diffusion
from steeple.retrieval.reranking.fusion import Fusion
from steeple.retrieval.reranking.gated import GatedTwoStage
from steeple.retrieval.reranking.graph_traversal import GraphTraversal
from steeple.retrieval.reranking.label_diffusion import LabelAwareDiffusion
from steeple.retrieval.reranking.label_expansion import LabelAwareExpansion
from steeple.retrieval.reranking.parameters import Factory, parse_link
from steeple.retrieval.reranking.query_expansion import QueryExpansion
from steeple.retrieval.reranking.spatial import Spatial
from steeple.retrieval.reranking.two_stage import TwoStage
from steeple.retrieval.types import Ranking

__all__ = ["RERANKERS", "Chain", "Default", "create_reranker"]


@dataclass(frozen=True)
class Chain:
    """Re-rankers in a row; an empty chain leaves the neighbours as they are.

    Args:
        links: the re-rankers, first to last.
    """

    links: tuple[Reranker, ...] = ()

    def rerank(self, ranking: Ranking, context: Context) -> Ranking:
        """Hands the ranking from one re-ranker to the next.

        Returns:
            (Q, K) what the last one makes of it; without any, the ranking itself.

        Raises:
            InputError: if the context lacks what one of them needs, or it does not fit.
        """
        for link in self.links:
            ranking = link.rerank(ranking, context)
        return ranking


@dataclass(frozen=True)
class Default:
    """The best there is for what the context has: `Fusion`, or `GatedTwoStage` without geometry.

    Source, cost and when it helps: see there.
    """

    def rerank(self, ranking: Ranking, context: Context) -> Ranking:
        """Re-ranks.

        Returns:
            (Q, K) as `Fusion` or `GatedTwoStage` orders and scores it.

        Raises:
            InputError: if the context lacks what the one that is taken needs, or it does not fit.
        """
        best: Reranker = GatedTwoStage() if context.verify is None else Fusion()
        return best.rerank(ranking, context)


RERANKERS: dict[str, Factory] = {
    "knn": Chain,
    "aqe": QueryExpansion,
    "label-aqe": LabelAwareExpansion,
    "dba": DatabaseAugmentation,
    "egt": GraphTraversal,
    "diffusion": Diffusion,
    "label-diffusion": LabelAwareDiffusion,
    "sort": partial(TwoStage, threshold=0.6, sort=True, insert=False),
    "two-stage": TwoStage,
    "spatial": Spatial,
    "inliers": partial(Spatial, by_inliers=True),
    "gated": GatedTwoStage,
    "fusion": Fusion,
    "default": Default,
}
"""Every re-ranker by the name it has on the command line and in tables."""


def create_reranker(text: str) -> Chain:
    """The re-ranker of a text, or a chain of several joined by commas.

    Each is a name from `RERANKERS`, and behind it, joined by colons, whatever of its parameters is
    not to be the default: ``aqe``, ``aqe:alpha=0:n=5``, ``aqe:n=5,two-stage:threshold=0.5``.

    Raises:
        InputError: if no re-ranker has one of the names, or one lacks a parameter or cannot have
            its value.
    """
    return Chain(tuple(parse_link(link, RERANKERS) for link in text.split(",")))
