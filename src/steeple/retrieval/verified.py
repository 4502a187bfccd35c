"""Votes strengthened by verification: geometry decides which neighbours are believed.

The paper's recognition (its section 5; method 7 of the recipe) adds min(70, inliers) / 70 to the
similarity of the three nearest training images. Here many more candidates are verified, the
log-odds of `PairModel` say how likely each shows the same landmark, and the k likeliest vote, each
with

    ln(1 + odds)

which is next to nothing for an unlikely one and grows with every nat for a likely one. The landmark
with the largest sum wins; the mean over k is the strength of the vote, which `Calibration` turns
into a probability, learned by leaving out as for plain votes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from steeple.retrieval.calibration import Calibration, calibrate
from steeple.retrieval.contrast import Background
from steeple.retrieval.leaving_out import LeftOut, leave_out
from steeple.retrieval.neighbors import Block
from steeple.retrieval.pairs import PairModel, fit_pair_model, pair_contrast
from steeple.retrieval.types import PAD, Floats, Ids, Ranking, Votes
from steeple.retrieval.voting import count_votes

__all__ = ["CANDIDATES", "Ballots", "Judge", "fit_judge", "likeliest", "verified_votes"]

CANDIDATES = 30
"""Training images that are verified for a query: the right one is often not among the nearest."""

Ballots: TypeAlias = Callable[[Ids], Floats]
"""Verifies a sample of images against candidates: (m, K) positions in the training set, -1 pads, to
(m, K) float32 surprises in nats."""

_EVEN = float(np.log(2))  # every voter a coin toss: the strength at which a vote is one, too


@dataclass(frozen=True)
class Judge:
    """What turns similarity and geometry into beliefs.

    Args:
        pairs: how likely two images show the same landmark.
        votes: how likely a verified vote is right.
    """

    pairs: PairModel = field(default_factory=PairModel)
    votes: Calibration = field(default_factory=lambda: Calibration.even_at(_EVEN))


def likeliest(
    neighbours: Ranking, surprises: Floats, background: Background, model: PairModel
) -> Ranking:
    """Neighbours by how likely they show the same landmark; the scores become log-odds.

    Args:
        neighbours: (n, K) similar images; -1 pads.
        surprises: (n, K) float32, nats; NaN where a pair was not verified.
        background: of the n images.
        model: weighs similarity against geometry.

    Returns:
        (n, K), most likely first; at a tie in the old order. Pads stay last, with -inf.
    """
    odds = model.odds(pair_contrast(neighbours.scores, background), surprises)
    odds = np.where(neighbours.ids == PAD, np.float32(-np.inf), odds)
    order = np.argsort(-odds, axis=1, kind="stable")
    return Ranking(
        np.take_along_axis(neighbours.ids, order, axis=1),
        np.take_along_axis(odds, order, axis=1),
    )


def verified_votes(candidates: Ranking, labels: Ids, k: int) -> Votes:
    """The k likeliest vote, each with ln(1 + odds); the scores are strengths.

    Args:
        candidates: (n, K) positions in the training set with log-odds, most likely first; -1 pads.
        labels: (T,) int64, the landmark of each training image.
        k: how many vote.
    """
    weights = np.logaddexp(np.float32(0), candidates.scores).astype(np.float32)
    # Never quite 0, which would say that nobody voted.
    weights = np.where(candidates.ids == PAD, -np.inf, np.maximum(weights, 1e-6))
    return count_votes(Ranking(candidates.ids, weights.astype(np.float32)), labels, k)


def fit_judge(
    training: Floats,
    background: Background,
    labels: Ids,
    sample: Ids,
    blocks: Iterable[Block],
    *,
    verify: Ballots,
    k: int,
) -> Judge:
    """Learns both from a sample of the training set.

    Args:
        training: (m, D) float32, the descriptors of the sample.
        background: of the sample.
        labels: (T,) int64, the landmarks of the whole training set.
        sample: (m,) int64, which training images these are.
        blocks: the whole training set; ids are positions in it.
        verify: verifies the sample against candidates.
        k: neighbours that vote.
    """
    prior = Judge()
    if len(sample) < 2:
        return prior
    known, unknown = leave_out(training, labels, sample, blocks, CANDIDATES)
    surprises = [verify(left.neighbours.ids) for left in (known, unknown)]
    model = _pairs(known, surprises[0], background, labels)

    def vote(left: LeftOut, surprise: Floats) -> tuple[Votes, Floats]:
        votes = verified_votes(likeliest(left.neighbours, surprise, background, model), labels, k)
        return votes, votes.scores

    evidence = [
        left.evidence(*vote(left, surprise))
        for left, surprise in zip((known, unknown), surprises, strict=True)
    ]
    return Judge(model, calibrate(evidence[0], evidence[1], prior.votes, len(sample)))


def _pairs(known: LeftOut, surprises: Floats, background: Background, labels: Ids) -> PairModel:
    """The pair model, from each image of the sample and its candidates."""
    there = known.neighbours.ids != PAD
    same = labels[known.neighbours.ids] == known.truth[:, None]
    if not same[there].any() or same[there].all():
        return PairModel()
    contrasts = pair_contrast(known.neighbours.scores, background)
    return fit_pair_model(contrasts[there], np.nan_to_num(surprises[there]), same[there])
