"""Similarity, geometry and votes in one probability: what `search` does with local features.

That an index image shows what the query shows has two ways of being so: the pair looks alike and
fits together, or both have been named the same. Each may hold without the other, so the image shows
something else only if both fail:

    1 - P = (1 - P(pair)) * (1 - P(query's vote) * P(image's vote))    where the votes agree
    1 - P = (1 - P(pair))                                             elsewhere

The probabilities come from `steeple.retrieval.verified`. Where nobody votes for the query this is
re-ranking by verification; where the vote is certain it is the sort-step and the insert-step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from steeple.errors import InputError
from steeple.retrieval.pairs import pair_contrast
from steeple.retrieval.reranking.base import (
    Context,
    check_queries,
    need_each,
    similarity,
    vote_scores,
)
from steeple.retrieval.reranking.two_stage import Members
from steeple.retrieval.types import PAD, UNVOTED, Bools, Floats, Ids, Ranking, Votes
from steeple.retrieval.voting import both_right

__all__ = ["Fusion"]

_CERTAIN = 1 - 1e-4  # no vote outweighs every geometry


@dataclass(frozen=True)
class Fusion:
    """Orders what was listed, and what the votes add to it, by probability.

    Source: ours (docs/architecture.md, "Fusion"). What it unites: votes that sort and insert, Yokoo
    et al., CVPRW 2020 (`TwoStage`), and verification of the list, Philbin et al., CVPR 2007
    (`Spatial`); that the image shows something else only if both fail is the noisy-or of Pearl,
    "Probabilistic Reasoning in Intelligent Systems", 1988.

    Costs one verification, some 2 ms on one core, for each of the first n images of the list; what
    the votes insert is not verified and stands on its votes and similarity. And the descriptors of
    both: 2 K a query at most. Helps wherever there are local features: by geometry where nobody
    knows the landmark, by votes where its views share nothing. Gains little where neither has
    anything to say, as among landscapes without labels.

    Args:
        n: images verified, from the top of the list, at least 1.

    Raises:
        InputError: if n < 1.
    """

    n: int = 100

    def __post_init__(self) -> None:
        if self.n < 1:
            raise InputError(f"n is {self.n}; it must be at least 1")

    def rerank(self, ranking: Ranking, context: Context) -> Ranking:
        """Re-ranks with verification, pair model, background and beliefs, queries and index.

        Returns:
            (Q, K) by probability, with scores -ln(1 - P), whether listed or inserted.

        Raises:
            InputError: if the context lacks one of them, or they do not fit the ranking.
        """
        beliefs, index = need_each(ranking, context, "query_beliefs", "index_beliefs")
        background = context.need("background")
        check_queries(ranking.ids, len(background.medians), "backgrounds")
        ids = _with_inserted(ranking, beliefs, index, vote_scores(ranking, context))
        surprises = np.full(ids.shape, np.nan, dtype=np.float32)
        top = ranking.ids[:, : self.n]
        surprises[:, : top.shape[1]] = context.need("verify")(top).surprises
        alike = pair_contrast(similarity(ids, context), background)
        odds = context.need("pair_model").odds(alike, surprises)
        score = np.logaddexp(0.0, odds.astype(np.float64))
        agreement = both_right(ids, beliefs, index).astype(np.float64)
        score -= np.log1p(-np.minimum(agreement, _CERTAIN))
        score = np.where(ids == PAD, -np.inf, score)
        order = np.argsort(-score, axis=1, kind="stable")[:, : ranking.ids.shape[1]]
        return Ranking(
            np.take_along_axis(ids, order, axis=1),
            np.take_along_axis(score, order, axis=1).astype(np.float32),
        )


def _with_inserted(ranking: Ranking, query: Votes, index: Votes, ties: Floats | None) -> Ids:
    """(Q, K + w): the lists, and behind them the likeliest images of the query's landmark.

    As many as the list is long at most, since more would be cut off anyhow. At a tie, such as
    between given landmarks, the larger of `ties` counts, (N,) float32; then the lower position.
    """
    length = ranking.ids.shape[1]
    members = Members.of(index, query.labels, ties)
    positive: Bools = (ranking.ids != PAD) & (query.labels[:, None] != UNVOTED)
    if len(index):
        positive &= index.labels[ranking.ids] == query.labels[:, None]
    reach = np.minimum(members.above(query, np.float32(-np.inf)), positive.sum(axis=1) + length)
    inserted = members.missing(query.labels, reach, ranking.ids, positive)
    few = inserted.rank < length
    query_of, rank = inserted.query[few], inserted.rank[few]
    width = int(rank.max(initial=-1)) + 1
    out = np.full((len(ranking), length + width), PAD, dtype=np.int64)
    out[:, :length] = ranking.ids
    out[query_of, length + rank] = inserted.ids[few]
    return out
