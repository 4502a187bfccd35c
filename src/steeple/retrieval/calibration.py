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
from steeple.retrieval.neighbors import Block, search_blocks
from steeple.retrieval.types import PAD, Floats, Ids, Ranking
from steeple.retrieval.voting import count_votes

__all__ = ["SAMPLE", "Calibration", "fit_calibration", "without_self"]

SAMPLE = 4096
"""Training images the calibration is learned from at most."""

_WIDEST = 200  # images of one landmark that the search looks past; larger landmarks sit out
_SLOPE = 3.0
_SPREAD = np.array([1.5, 2.0])  # how firmly the prior slope and intercept are believed


@dataclass(frozen=True)
class Calibration:
    """P(vote is right) = 1 / (1 + exp(-(slope * ln(contrast) + intercept))).

    Args:
        slope: how fast certainty grows with contrast.
        intercept: log-odds at contrast 1.
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
        even = 2 / 3 * np.sqrt(2 * np.log(max(training, 2)))
        return cls(_SLOPE, float(-_SLOPE * np.log(even)))

    def probability(self, contrast: npt.NDArray[np.floating]) -> Floats:
        """(n,) contrasts to (n,) float32 probabilities; 0 where the contrast is 0 (no vote)."""
        safe = np.where(contrast > 0, contrast, 1.0)
        odds = np.clip(self.slope * np.log(safe) + self.intercept, -50, 50)  # e^88 has no float32
        return np.where(contrast > 0, 1 / (1 + np.exp(-odds)), 0).astype(np.float32)


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
    _, landmark, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    width = k + 1 + int(min(sizes.max(), _WIDEST))
    wide = without_self(search_blocks(training, blocks, width), sample)
    known, unknown = (
        _leave_out(wide, background, labels, sample, k, whole_landmark=whole)
        for whole in (False, True)
    )
    # The only photo of a landmark, left out, is no photo of a landmark that others know.
    known.usable &= sizes[landmark[sample]] > 1
    # As many known as unknown; the larger part weighs no more than the smaller has evidence for.
    parts = [known, unknown]
    least = min(int(part.usable.sum()) for part in parts)
    if not least:
        return prior
    contrast, right, weight = (
        np.concatenate(values)
        for values in zip(*(part.evidence(least) for part in parts), strict=True)
    )
    slope, intercept = _logistic(np.log(contrast), right, weight, prior)
    return Calibration(slope, intercept, len(sample))


def without_self(ranking: Ranking, own: Ids) -> Ranking:
    """Removes each query's own id from its row; the row becomes one shorter.

    Args:
        ranking: (n, K) ids, K >= 1.
        own: (n,) int64, the id of each query.
    """
    keep = ranking.ids != own[:, None]
    # Where the own id is not in the list, the last entry goes.
    keep[keep.all(axis=1), -1] = False
    shape = (len(ranking), ranking.ids.shape[1] - 1)
    return Ranking(ranking.ids[keep].reshape(shape), ranking.scores[keep].reshape(shape))


@dataclass
class _LeftOut:
    """What the sample votes when something is left out: (m,) each."""

    contrast: Floats
    right: npt.NDArray[np.bool_]
    usable: npt.NDArray[np.bool_]

    def evidence(self, total: int) -> tuple[npt.NDArray[np.float64], ...]:
        """Contrasts, rightness and weights of what is usable; the weights sum to `total`."""
        count = int(self.usable.sum())
        return (
            self.contrast[self.usable].astype(np.float64),
            self.right[self.usable].astype(np.float64),
            np.full(count, total / count),
        )


def _leave_out(
    wide: Ranking,
    background: Background,
    labels: Ids,
    sample: Ids,
    k: int,
    *,
    whole_landmark: bool,
) -> _LeftOut:
    """The sample's votes with each image, or its whole landmark, left out."""
    ids = wide.ids
    allowed = ids != PAD
    if whole_landmark:
        allowed &= labels[ids] != labels[sample][:, None]
    # A stable sort of the disallowed to the end keeps neighbour order.
    order = np.argsort(~allowed, axis=1, kind="stable")[:, :k]
    some = np.take_along_axis(allowed, order, axis=1)
    neighbours = Ranking(
        np.where(some, np.take_along_axis(ids, order, axis=1), PAD),
        np.where(some, np.take_along_axis(wide.scores, order, axis=1), -np.inf),
    )
    votes = count_votes(neighbours, labels, k)
    contrast = vote_contrast(neighbours, labels, votes, background, k)
    # A list cut short by a landmark larger than the search is wide says nothing about outsiders.
    cut_short = (ids != PAD).all(axis=1) & ~some.all(axis=1)
    usable = (contrast > 0) & ~cut_short
    return _LeftOut(contrast, votes.labels == labels[sample], usable)


def _logistic(
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    weight: npt.NDArray[np.float64],
    prior: Calibration,
) -> tuple[float, float]:
    from scipy.optimize import minimize

    believed = np.array([prior.slope, prior.intercept])

    def loss(beta: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        odds = beta[0] * x + beta[1]
        away = (beta - believed) / _SPREAD
        value = (weight * (np.logaddexp(0, odds) - y * odds)).sum() + 0.5 * (away**2).sum()
        residual = weight * (1 / (1 + np.exp(-np.clip(odds, -50, 50))) - y)
        gradient = np.array([(residual * x).sum(), residual.sum()]) + away / _SPREAD
        return float(value), gradient

    bounds = [(0, None), (None, None)]
    found = minimize(loss, believed, jac=True, method="L-BFGS-B", bounds=bounds)
    return float(found.x[0]), float(found.x[1])
