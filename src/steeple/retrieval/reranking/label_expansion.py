"""Label-aware query expansion: only what likely shows the query's landmark joins the query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from steeple.errors import InputError
from steeple.retrieval.reranking.base import Context, need_each
from steeple.retrieval.reranking.gated import LIKELY
from steeple.retrieval.reranking.query_expansion import expand
from steeple.retrieval.types import Ranking
from steeple.retrieval.voting import both_right

__all__ = ["LabelAwareExpansion"]


@dataclass(frozen=True)
class LabelAwareExpansion:
    """q' = normalise(q + sum over the whole list of w * x), then k-NN again.

        w = P(query's vote) * P(image's vote)    if both votes agree and that is above `likely`
        w = 0                                    otherwise

    Source: ours. Average query expansion was made for neighbours known to be right: Chum et al.,
    "Total recall", ICCV 2007, verify each by its geometry first. Without that check one has to
    trust the top of the list, so it stays short (n = 10) and its tail is damped (alpha = 3). Here
    the votes take the place of the check. w is the probability that both votes are right, so an
    image joins if it more likely than not shows what the query shows, from anywhere in the list
    and without regard to how similar it is: the view that looks least like the query has most to
    add. The query itself weighs 1, as what surely shows its landmark.

    A query that nothing joins keeps its ranking as it is, and does not search again. That is so
    wherever its own vote is not likely, since w is never larger than P(query's vote).

    Costs the descriptors of those that join and, for the queries that have some, a second search.
    Helps where training set and index share landmarks, most for those with many different views;
    changes nothing for the others, which is where `aqe` harms. Where a landmark has more images
    than the list is long, `two-stage` or `gated` behind it adds the rest.

    Args:
        likely: the probability, between 0 and 1, that an image must exceed to join.

    Raises:
        InputError: if likely is no probability.
    """

    likely: float = LIKELY
    finds: ClassVar[bool] = True
    """The result is what a search finds, not the list in another order."""

    def __post_init__(self) -> None:
        if not 0 <= self.likely <= 1:
            raise InputError(f"likely is {self.likely}; a probability is between 0 and 1")

    def rerank(self, ranking: Ranking, context: Context) -> Ranking:
        """Searches again with the queries that something joins.

        Returns:
            (Q, K) the nearest to q', with their similarities to it; where nothing joins, the
            query's list and its scores as they were.

        Raises:
            InputError: if the context lacks queries, index, search or beliefs, or they do not fit
                the ranking.
        """
        (queries, *beliefs) = need_each(
            ranking, context, "queries", "query_beliefs", "index_beliefs"
        )
        index, search = context.need("index"), context.need("search")
        weights = both_right(ranking.ids, *beliefs)
        weights[weights <= np.float32(self.likely)] = 0
        joined = np.flatnonzero(weights.any(axis=1))
        if not len(joined):
            return ranking
        expanded = expand(queries[joined], index, ranking.ids[joined], weights[joined])
        found = search(expanded, ranking.ids.shape[1])
        ids, scores = ranking.ids.copy(), ranking.scores.copy()
        ids[joined], scores[joined] = found.ids, found.scores
        return Ranking(ids, scores)
