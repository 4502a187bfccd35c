"""The two steps, taken only where they are likely to be right: the default without local features.

The published steps always act, and the vote they act on is always cast: for a photo of a landmark
that no training image shows they push what was found behind what the wrong landmark looks like.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from steeple.retrieval.reranking.base import Context, similarity
from steeple.retrieval.reranking.two_stage import restack
from steeple.retrieval.types import UNVOTED, Floats, Ranking, Votes

__all__ = ["LIKELY", "GatedTwoStage", "likely"]

LIKELY = 0.5
"""A vote has to be likelier right than wrong to count."""


@dataclass(frozen=True)
class GatedTwoStage:
    """Sort-step and insert-step under two conditions.

    - A vote counts only if it is likelier right than wrong, the query's as well as the image's
      (`steeple.retrieval.calibration`). Otherwise neither step moves anything on its account.
    - Nothing overtakes an image that resembles the query more than every training image that cast
      the query's vote. The vote is evidence at second hand; a closer match is better evidence.

    Positives and insertions are ordered as in the published steps; insertions by probability, and
    by their vote scores where that is the same, as it is for given landmarks. Similarities are
    computed from queries and index where the context has them; after another re-ranker the scores
    of the list are not similarities any more. Otherwise the list must come from a search.

    Args:
        likely: the probability that a vote must exceed.
    """

    likely: float = LIKELY

    def rerank(self, ranking: Ranking, context: Context) -> Ranking:
        """Re-ranks with the beliefs and the evidence of the context.

        Raises:
            InputError: if the context lacks one of them.
        """
        query = likely(context.need("query_beliefs"), self.likely)
        index = likely(context.need("index_beliefs"), self.likely)
        evidence = np.where(query.labels == UNVOTED, -np.inf, context.need("evidence"))
        closer = _similarity(ranking, query, context) > evidence[:, None]
        return restack(
            ranking,
            query,
            index,
            threshold=-np.inf,
            k=ranking.ids.shape[1],
            ahead=closer,
            ties=None if context.index_votes is None else context.index_votes.scores,
        )


def _similarity(ranking: Ranking, believed: Votes, context: Context) -> Floats:
    """(Q, K) float32: how similar what is listed is to the queries, where a vote is believed."""
    if context.queries is None or context.index is None or not len(context.index):
        return ranking.scores
    out = ranking.scores.copy()
    voted = np.flatnonzero(believed.labels != UNVOTED)
    of_voted = replace(context, queries=context.queries[voted])
    out[voted] = similarity(ranking.ids[voted], of_voted)
    return out


def likely(beliefs: Votes, least: float) -> Votes:
    """The beliefs that exceed a probability; the others become no belief at all."""
    labels = np.where(beliefs.scores > least, beliefs.labels, UNVOTED)
    return Votes(labels, beliefs.scores)
