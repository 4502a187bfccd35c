"""How likely two images show the same landmark: their descriptors and their geometry together.

Both speak of the same thing in different units. Similarity is measured in spreads above what is
ordinary for the image (`steeple.retrieval.contrast`), geometry in nats of surprise
(`steeple.geometry.verification`); a logistic model weighs one against the other:

    ln P / (1 - P) = a * sqrt(contrast) + b * min(surprise, 50) + c

where the root keeps its sign. Root and bound are there because both measures have long tails: two
photos of one advertisement may agree in hundreds of nats, and a straight line through such pairs
fits none of the others. (The paper bounds inliers at 70 for the same reason.) The weights are
learned from pairs of the training set, whose labels say which show the same landmark.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from steeple.retrieval.contrast import Background
from steeple.retrieval.logistic import fit_logistic
from steeple.retrieval.types import Bools, Floats

__all__ = ["PairModel", "fit_pair_model", "pair_contrast"]

ENOUGH = 50.0
"""Nats beyond which more say nothing more."""

_SPREAD = np.array([1.0, 0.1, 2.0])  # how firmly the prior is believed


@dataclass(frozen=True)
class PairModel:
    """ln odds = per_root * sqrt(contrast) + per_nat * min(surprise, 50) + intercept.

    The values it starts from: an ordinary pair shows the same landmark once in three hundred times;
    one that is four spreads and twenty nats above that is a coin toss. A nat is worth less than
    one, because the features of a photo are not independent of each other: windows come in rows.

    Args:
        per_root: log-odds of the root of a spread of similarity.
        per_nat: log-odds of a nat of surprise.
        intercept: log-odds of an ordinary, unverified pair.
        sampled: pairs it was learned from.
    """

    per_root: float = 2.0
    per_nat: float = 0.1
    intercept: float = -5.8
    sampled: int = 0

    def odds(self, contrasts: Floats, surprises: Floats) -> Floats:
        """Log-odds that pairs show the same landmark.

        Args:
            contrasts: any shape, float32, spreads above the ordinary; see `pair_contrast`.
            surprises: the same shape, nats; NaN where a pair was not verified, which counts as 0.
        """
        root, nats = _measures(contrasts, surprises)
        odds = self.per_root * root + self.per_nat * nats + self.intercept
        return np.asarray(odds, dtype=np.float32)


def pair_contrast(similarities: Floats, background: Background) -> Floats:
    """Similarities in spreads above what is ordinary for each of n images.

    Args:
        similarities: (n, K) float32; -inf pads.
        background: of the n images.

    Returns:
        (n, K) float32 within -100..100.
    """
    above = similarities - background.medians[:, None]
    spreads = np.maximum(background.spreads, 1e-6)[:, None]
    return np.asarray(np.clip(above / spreads, -100, 100), dtype=np.float32)


def fit_pair_model(contrasts: Floats, surprises: Floats, same: Bools) -> PairModel:
    """Learns the weights from labelled pairs; few pairs move the prior a little only.

    Args:
        contrasts: (n,) float32.
        surprises: (n,) float32.
        same: (n,) bool, which pairs show the same landmark.
    """
    prior = PairModel()
    per_root, per_nat, intercept = fit_logistic(
        np.stack(_measures(contrasts, surprises), axis=1).astype(np.float64),
        same.astype(np.float64),
        np.ones(len(same)),
        believed=np.array([prior.per_root, prior.per_nat, prior.intercept]),
        spread=_SPREAD,
    )
    return PairModel(float(per_root), float(per_nat), float(intercept), len(same))


def _measures(contrasts: Floats, surprises: Floats) -> tuple[Floats, Floats]:
    """The root of contrasts, with their sign, and bounded surprises; NaN counts as 0."""
    root = np.sign(contrasts) * np.sqrt(np.abs(contrasts))
    return root, np.minimum(np.nan_to_num(surprises, nan=0.0), ENOUGH)
