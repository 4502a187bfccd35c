"""A learned filter for wrong labels, fitted on the collection itself.

Verification alone drops what no other photo of the landmark overlaps with, right or wrong, and
keeps what fits a wrong place well enough. The filter asks instead whether an image looks more like
the landmark it is said to show or like another. Nobody has to say which labels are wrong: a
logistic model learns to tell the claims that labels make from false ones, which are the same images
with the labels of others.

Some of the claims that labels make are false as well, a share r of them. So the odds e^s by which
the model tells them apart come from true and false ones mixed, and (Elkan and Noto, "Learning
classifiers from only positive and unlabeled data", KDD 2008)

    P(wrong) = r / e^s    where it was fitted on all labels alike,
    P(wrong) = r / (r + (1 - r) e^s)    where each label counted by its own P(right).

r itself is the largest share that can be taken out of the labels as false: the smallest ratio, over
all scores t, of the labels' claims below t to the false ones below t (Blanchard, Lee and Scott,
"Semi-supervised novelty detection", JMLR 2010). What looks wrong weighs less as a neighbour too, so
the model is fitted several times.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from steeple.cleaning.evidence import Evidence
from steeple.retrieval.logistic import fit_logistic
from steeple.retrieval.types import PAD, Floats, Ids, Ranking

__all__ = ["MEASURES", "NoiseModel", "draw_swaps", "find_noise", "noise_rate"]

Doubles: TypeAlias = npt.NDArray[np.float64]
Centrality: TypeAlias = Callable[[Evidence, Doubles], Doubles]
"""Claims and how far each of T images is trusted, to (n,) contrasts with the landmark's centre."""

MEASURES = (
    "similarity to its landmark",
    "geometry with its landmark",
    "centrality in its landmark",
    "similarity to another",
    "geometry with another",
    "geometry with three of another",
)
"""What the model weighs; the last three speak against a claim."""

SWAPPED = 2048
"""Images whose labels are exchanged to learn from."""

_ROUNDS = 4
_MOST = 20.0  # spreads; more similar than this are copies
_BELIEVED = np.array([0.3] * len(MEASURES) + [0.0])
_SPREAD = np.array([1.0] * len(MEASURES) + [5.0])
_ODDS = 30.0  # e^30 to one is certain enough


@dataclass(frozen=True)
class NoiseModel:
    """What was learned.

    Args:
        weights: log-odds that a claim is true, per standard deviation of each measure.
        rate: the share of labels that are wrong.
        wrong: (T,) float32, P(label is wrong).
    """

    weights: dict[str, float]
    rate: float
    wrong: Floats = field(repr=False)


def draw_swaps(near: Ids, labels: Ids, *, seed: int) -> tuple[Ids, Ids]:
    """Claims that are false if the labels are right: images with the labels of others.

    Args:
        near: (T, K) int64, the nearest images of each image; -1 pads.
        labels: (T,) int64.
        seed: of the draws.

    Returns:
        Images and labels: of at most 2,048 images, each once with the label of any image and, if it
        has neighbours of other landmarks, once with the label of one of those.
    """
    random = np.random.default_rng(seed)
    images = np.sort(random.choice(len(labels), min(SWAPPED, len(labels)), replace=False))
    anyone = labels[random.integers(len(labels), size=len(images))]
    others = (near[images] != PAD) & (labels[near[images]] != labels[images][:, None])
    # The largest of random numbers is a random one of those allowed.
    column = np.where(others, random.random(others.shape), -1).argmax(axis=1)
    neighbour = labels[near[images, column]]
    swapped = np.concatenate([images, images[others.any(axis=1)]])
    claimed = np.concatenate([anyone, neighbour[others.any(axis=1)]])
    false = claimed != labels[swapped]
    return swapped[false], claimed[false]


def find_noise(
    given: Evidence, swapped: Evidence, labels: Ids, centrality: Centrality
) -> NoiseModel:
    """Learns the model and says how likely each label is wrong.

    Args:
        given: the claims that the labels make, image by image: claim i is of image i.
        swapped: false claims.
        labels: (T,) int64.
        centrality: how central images are in the landmarks they are said to show.
    """
    right = np.ones(len(given))
    wrong, rate, beta = np.zeros(len(given)), 0.0, _BELIEVED
    if not len(swapped):  # one landmark only: no label can be exchanged
        return NoiseModel(_named(beta), 0.0, _single(wrong))
    for step in range(_ROUNDS):
        true = _measure(given, labels, right, centrality(given, right))
        false = _measure(swapped, labels, right, centrality(swapped, right))
        scale = np.maximum(np.concatenate([true, false]).std(axis=0), 1e-6)
        # If an image's own label is wrong, the one it got instead may be right.
        doubt = right[swapped.images]
        weight = np.concatenate([right, doubt * right.sum() / max(doubt.sum(), 1e-6)])
        beta = fit_logistic(
            np.concatenate([true, false]) / scale,
            np.repeat([1.0, 0.0], [len(true), len(false)]),
            weight,
            believed=_BELIEVED,
            spread=_SPREAD,
        )
        scores = np.clip(true / scale @ beta[:-1] + beta[-1], -_ODDS, _ODDS)
        rate = noise_rate(scores, false / scale @ beta[:-1] + beta[-1], doubt)
        wrong = (
            np.minimum(rate * np.exp(-scores), 1.0)
            if step == 0
            else 1 / (1 + (1 - rate) / rate * np.exp(scores))
        )
        right = 1 - wrong
    return NoiseModel(_named(beta), rate, _single(wrong))


def noise_rate(given: Doubles, false: Doubles, weight: Doubles) -> float:
    """The share of labels that are wrong, as far as scores can show it; see the module.

    Args:
        given: (n,) scores of the claims that labels make; the higher, the likelier true.
        false: (m,) scores of false claims, m > 0.
        weight: (m,) how far each of these is trusted to be false.
    """
    order = np.argsort(false)
    below = np.cumsum(weight[order]) / max(weight.sum(), 1e-6)
    # The lowest fifth would be a ratio of small numbers.
    shares = np.linspace(0.2, 0.95, 16)
    at = false[order][np.minimum(np.searchsorted(below, shares), len(order) - 1)]
    reached = np.searchsorted(np.sort(given), at, side="right")
    ratios = (reached + 0.5) / len(given) / shares
    return float(np.clip(ratios.min(), 0.005, 0.9))


def _measure(claims: Evidence, labels: Ids, right: Doubles, central: Doubles) -> Doubles:
    """(n, 6) float64, `MEASURES` of claims; neighbours count by how far their labels are trusted.

    What speaks against a claim is negative, so that more is always more likely true.
    """
    own_similarity, own_geometry = _weighed(claims.own, claims.own_surprise, right)
    similarity, geometry = _weighed(claims.near, claims.near_surprise, right)
    named = labels[claims.near.ids]
    rival = (claims.near.ids != PAD) & (named != claims.labels[:, None])
    # The third-best geometry within each rival's landmark: one pair may be a tree in front of both.
    same = named[:, :, None] == named[:, None, :]
    third = np.sort(np.where(same & rival[:, None, :], geometry[:, None, :], 0), axis=2)[:, :, -3]
    return np.stack(
        [
            own_similarity.max(axis=1),
            own_geometry.max(axis=1),
            np.clip(central, 0, _MOST),
            -(similarity * rival).max(axis=1),
            -(geometry * rival).max(axis=1),
            -(third * rival).max(axis=1),
        ],
        axis=1,
    )


def _weighed(ranking: Ranking, surprises: Floats, right: Doubles) -> tuple[Doubles, Doubles]:
    """Contrasts, and logarithms of surprises, of neighbours, times the trust in their labels."""
    trust = np.where(ranking.ids == PAD, 0, right[ranking.ids])
    similarity = np.clip(ranking.scores, 0, _MOST).astype(np.float64)
    return similarity * trust, np.log1p(surprises).astype(np.float64) * trust


def _named(beta: Doubles) -> dict[str, float]:
    return dict(zip(MEASURES, beta[:-1].tolist(), strict=True))


def _single(values: Doubles) -> Floats:
    return np.asarray(values, dtype=np.float32)
