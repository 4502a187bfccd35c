"""The two steps, taken only where they are likely to be right: what `search` does by default.

The published steps always act, and the vote they act on is always cast: for a photo of a landmark
that no training image shows they push what was found behind what the wrong landmark looks like.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from steeple.retrieval.reranking.base import Context
from steeple.retrieval.reranking.two_stage import restack
from steeple.retrieval.types import UNVOTED, Ranking, Votes

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

    Positives and insertions are ordered as in the published steps, insertions by probability.

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
        evidence = context.need("evidence")
        closer = ranking.scores > np.where(query.labels == UNVOTED, -np.inf, evidence)[:, None]
        return restack(
            ranking, query, index, threshold=-np.inf, k=ranking.ids.shape[1], ahead=closer
        )


def likely(beliefs: Votes, least: float) -> Votes:
    """The beliefs that exceed a probability; the others become no belief at all."""
    labels = np.where(beliefs.scores > least, beliefs.labels, UNVOTED)
    return Votes(labels, beliefs.scores)
