"""From the contrast of a vote to the probability that the vote is right.

Learned on the training set itself, by leaving out. Each training image votes twice: once without
its own vote, as a photo of a landmark that others know too, and once without its whole landmark,
as a photo of a landmark that nobody knows. The second half is what the published method lacks: a
vote is always cast, and for an unknown landmark it is always wrong.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from steeple.retrieval.contrast import Background, vote_contrast
from steeple.retrieval.leaving_out import Evidence, LeftOut, leave_out
from steeple.retrieval.logistic import fit_logistic
from steeple.retrieval.neighbors import Block
from steeple.retrieval.types import Floats, Ids, Votes
from steeple.retrieval.voting import count_votes

__all__ = ["SAMPLE", "Calibration", "calibrate", "fit_calibration"]

SAMPLE = 4096
"""Training images the calibration is learned from at most."""

_SLOPE = 3.0
_SPREAD = np.array([1.5, 2.0])  # how firmly the prior slope and intercept are believed


@dataclass(frozen=True)
class Calibration:
    """P(vote is right) = 1 / (1 + exp(-(slope * ln(strength) + intercept))).

    The strength of a vote is its contrast, or what verification makes of it
    (`steeple.retrieval.verified`).

    Args:
        slope: how fast certainty grows with strength.
        intercept: log-odds at strength 1.
        sampled: training images it was learned from.
    """

    slope: float = _SLOPE
    intercept: float = 0.0
    sampled: int = 0

    @classmethod
    def prior(cls, training: int) -> Calibration:
        """What is believed before any label is looked at.

        The best of T ordinary similarities lies about sqrt(2 ln T) spreads up; a vote of two
        thirds of that, two of three voters agreeing on chance alone, is a coin toss.

        Args:
            training: T, the size of the training set.
        """
        return cls.even_at(2 / 3 * float(np.sqrt(2 * np.log(max(training, 2)))))

    @classmethod
    def even_at(cls, strength: float) -> Calibration:
        """A calibration to which a vote of this strength is a coin toss."""
        return cls(_SLOPE, float(-_SLOPE * np.log(strength)))

    def probability(self, strength: npt.NDArray[np.floating]) -> Floats:
        """(n,) strengths to (n,) float32 probabilities; 0 where the strength is 0 (no vote)."""
        safe = np.where(strength > 0, strength, 1.0)
        odds = np.clip(self.slope * np.log(safe) + self.intercept, -50, 50)  # e^88 has no float32
        return np.where(strength > 0, 1 / (1 + np.exp(-odds)), 0).astype(np.float32)


def fit_calibration(
    training: Floats,
    background: Background,
    labels: Ids,
    sample: Ids,
    blocks: Iterable[Block],
    *,
    k: int,
) -> Calibration:
    """Learns a calibration from a sample of the training set.

    Penalised logistic regression: a normal prior around `Calibration.prior` keeps a handful of
    labels from claiming certainty and fades as labels come in.

    Args:
        training: (m, D) float32, the descriptors of the sample.
        background: of the sample.
        labels: (T,) int64, the landmarks of the whole training set.
        sample: (m,) int64, which training images these are, as positions in the training set.
        blocks: the whole training set; ids are positions in it.
        k: neighbours that vote.
    """
    prior = Calibration.prior(len(labels))
    if len(sample) < 2:
        return prior

    def vote(left: LeftOut) -> tuple[Votes, Floats]:
        votes = count_votes(left.neighbours, labels, k)
        return votes, vote_contrast(left.neighbours, labels, votes, background, k)

    known, unknown = leave_out(training, labels, sample, blocks, k)
    return calibrate(
        known.evidence(*vote(known)), unknown.evidence(*vote(unknown)), prior, len(sample)
    )


def calibrate(known: Evidence, unknown: Evidence, prior: Calibration, sampled: int) -> Calibration:
    """Learns from votes cast with something left out.

    As many known as unknown landmarks; the larger part weighs no more than the smaller has evidence
    for. Without evidence for both, the prior stays.

    Args:
        known: votes of images of which others of the same landmark vote.
        unknown: votes of images none of whose landmark votes.
        prior: what is believed before.
        sampled: training images that voted.
    """
    least = min(len(known.strengths), len(unknown.strengths))
    if not least:
        return prior
    parts = (known, unknown)
    slope, intercept = fit_logistic(
        np.log(np.concatenate([part.strengths for part in parts]).astype(np.float64))[:, None],
        np.concatenate([part.right for part in parts]).astype(np.float64),
        np.concatenate([np.full(len(p.strengths), least / len(p.strengths)) for p in parts]),
        believed=np.array([prior.slope, prior.intercept]),
        spread=_SPREAD,
    )
    return Calibration(float(slope), float(intercept), sampled)
