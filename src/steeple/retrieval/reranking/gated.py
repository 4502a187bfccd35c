"""The two steps, taken only where they are likely to be right: the default without local features.

The published steps always act, and the vote they act on is always cast: for a photo of a landmark
that no training image shows they push what was found behind what the wrong landmark looks like.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from steeple.errors import InputError
from steeple.retrieval.reranking.base import Context, need_each, similarity, vote_scores
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

    Source: the two steps are those of Yokoo et al., CVPRW 2020 (`TwoStage`); the two conditions are
    ours (docs/architecture.md, "The gate").

    Costs what `TwoStage` costs, a calibration learned once from the training set, and K descriptors
    for each query whose vote counts. Helps where `TwoStage` does, a little less where the training
    set has every landmark; where it lacks some it loses next to nothing, and `TwoStage` much.

    Args:
        likely: the probability, between 0 and 1, that a vote must exceed.

    Raises:
        InputError: if likely is no probability.
    """

    likely: float = LIKELY

    def __post_init__(self) -> None:
        if not 0 <= self.likely <= 1:
            raise InputError(f"likely is {self.likely}; a probability is between 0 and 1")

    def rerank(self, ranking: Ranking, context: Context) -> Ranking:
        """Re-ranks with the beliefs and the evidence of the context.

        Returns:
            (Q, K) positives and what is closer, insertions, the rest. What was listed keeps its
            score, what is inserted has its probability; so scores need not descend.

        Raises:
            InputError: if the context lacks one of them, or they do not fit the ranking.
        """
        query, index, evidence = need_each(
            ranking, context, "query_beliefs", "index_beliefs", "evidence"
        )
        query, index = likely(query, self.likely), likely(index, self.likely)
        evidence = np.where(query.labels == UNVOTED, -np.inf, evidence)
        closer = _similarity(ranking, query, context) > evidence[:, None]
        return restack(
            ranking,
            query,
            index,
            threshold=-np.inf,
            k=ranking.ids.shape[1],
            ahead=closer,
            ties=vote_scores(ranking, context),
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
