"""The re-rankers by name, and several of them one after another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from steeple.errors import InputError
from steeple.retrieval.reranking.base import Context, Reranker
from steeple.retrieval.reranking.fusion import Fusion
from steeple.retrieval.reranking.gated import GatedTwoStage
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

        Raises:
            InputError: if the context lacks what one of them needs.
        """
        for link in self.links:
            ranking = link.rerank(ranking, context)
        return ranking


@dataclass(frozen=True)
class Default:
    """The best there is for what the context has: `Fusion`, or `GatedTwoStage` without geometry."""

    def rerank(self, ranking: Ranking, context: Context) -> Ranking:
        """Re-ranks.

        Raises:
            InputError: if the context has no beliefs.
        """
        best: Reranker = GatedTwoStage() if context.verify is None else Fusion()
        return best.rerank(ranking, context)


RERANKERS: dict[str, Callable[[], Reranker]] = {
    "knn": Chain,
    "aqe": QueryExpansion,
    "sort": lambda: TwoStage(insert=False),
    "two-stage": TwoStage,
    "spatial": Spatial,
    "inliers": lambda: Spatial(by_inliers=True),
    "gated": GatedTwoStage,
    "fusion": Fusion,
    "default": Default,
}
"""Every re-ranker by the name it has on the command line and in tables."""


def create_reranker(names: str) -> Chain:
    """The re-ranker of a name, or a chain of several joined by commas.

    Raises:
        InputError: if no re-ranker has one of the names.
    """
    links = []
    for name in names.split(","):
        if name.strip() not in RERANKERS:
            raise InputError(
                f"no re-ranker is called {name.strip()!r}; there are: {', '.join(RERANKERS)}"
            )
        links.append(RERANKERS[name.strip()]())
    return Chain(tuple(links))
