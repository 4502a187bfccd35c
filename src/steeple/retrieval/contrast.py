"""How far a vote stands out, on a scale that means the same for every image.

The score of a vote is a mean of inner products, and inner products do not compare between images:
a photo the descriptor was learned from, a photo it never saw and a blurred photo live on different
scales. So the similarities are measured against what is ordinary for the image itself, its
similarities to a fixed random cohort of photos. Speaker verification calls this test normalisation
(Auckenthaler et al., "Score normalization for text-independent speaker verification systems",
Digital Signal Processing 2000); median and median deviation instead of mean and standard deviation
keep cohort photos of the same landmark from counting as ordinary.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from steeple.retrieval.types import PAD, Floats, Ids, Ranking, Votes
from steeple.threads import threads_for

__all__ = ["COHORT", "Background", "measure_background", "vote_contrast", "vote_similarity"]

COHORT = 512
"""Photos of a cohort: the median deviation of so many is known to about 5 %."""

_LEAST, _MOST = 0.05, 100.0
_NORMAL = 1.4826  # median deviations in a standard deviation of a normal distribution
_BLOCK = 1 << 14


@dataclass(frozen=True)
class Background:
    """What similarity is ordinary for each of n images.

    Args:
        medians: (n,) float32, the median similarity to the cohort.
        spreads: (n,) float32, its median absolute deviation, times 1.4826.
    """

    medians: Floats
    spreads: Floats


def measure_background(descriptors: Floats, cohort: Floats) -> Background:
    """Measures what is ordinary for some images.

    Args:
        descriptors: (n, D) float32.
        cohort: (m, D) float32; with m = 0 both values are 0.
    """
    medians = np.zeros(len(descriptors), dtype=np.float32)
    spreads = np.zeros(len(descriptors), dtype=np.float32)
    if len(cohort):
        for start in range(0, len(descriptors), _BLOCK):
            part = slice(start, start + _BLOCK)
            with threads_for(descriptors[part].size * len(cohort)):
                similarity = descriptors[part] @ cohort.T
            medians[part] = np.median(similarity, axis=1)
            deviation = np.abs(similarity - medians[part, None])
            spreads[part] = _NORMAL * np.median(deviation, axis=1)
    return Background(medians, spreads)


def vote_contrast(
    neighbours: Ranking, labels: Ids, votes: Votes, background: Background, k: int
) -> Floats:
    """The vote, counted in standard deviations above what is ordinary for the image.

    (1/k) * sum over the voters of the winning landmark of (similarity - median) / spread.

    Args:
        neighbours: (n, K) positions in the training set, the first k of which voted; -1 pads.
        labels: (T,) int64, the landmark of each training image.
        votes: n votes counted from these neighbours.
        background: of the same n images.
        k: neighbours that vote.

    Returns:
        (n,) float32 within 0.05..100; 0 where nobody voted.
    """
    ids = neighbours.ids[:, :k]
    if not len(labels) or not ids.shape[1]:
        return np.zeros(len(neighbours), dtype=np.float32)
    cast = ((ids != PAD) & (labels[ids] == votes.labels[:, None])).sum(axis=1)
    above = votes.scores - background.medians * cast / k
    contrast = above / np.maximum(background.spreads, 1e-6)
    out = np.where(cast > 0, np.clip(contrast, _LEAST, _MOST), 0)
    return np.asarray(out, dtype=np.float32)


def vote_similarity(neighbours: Ranking, labels: Ids, votes: Votes, k: int) -> Floats:
    """The similarity of the nearest neighbour that cast the vote.

    Args:
        neighbours: (n, K) positions in the training set; -1 pads.
        labels: (T,) int64, the landmark of each training image.
        votes: n votes counted from the first k of these neighbours.
        k: neighbours that voted.

    Returns:
        (n,) float32; -inf where nobody voted.
    """
    ids, scores = neighbours.ids[:, :k], neighbours.scores[:, :k]
    if not len(labels) or not ids.shape[1]:
        return np.full(len(neighbours), -np.inf, dtype=np.float32)
    cast = (ids != PAD) & (labels[ids] == votes.labels[:, None])
    best = np.where(cast, scores, -np.inf).max(axis=1)
    return np.asarray(best, dtype=np.float32)
