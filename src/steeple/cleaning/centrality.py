"""How near images lie to the middle of the landmarks they are said to show."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from steeple.cleaning.evidence import Evidence
from steeple.cleaning.training import TrainingSet
from steeple.retrieval.types import Floats

__all__ = ["centrality"]

Doubles: TypeAlias = npt.NDArray[np.float64]

_BATCH = 8192  # claims looked at together: 16 MiB of descriptors
_LEAST = 0.3  # images, weighed by trust; a centre of less is none


def centrality(training: TrainingSet, claims: Evidence, right: Doubles) -> Doubles:
    """The similarity of images to the mean of the other images of the landmark, as contrasts.

    Args:
        training: the images. Its sums take 4 * C * D bytes: 400 MB for 203,094 landmarks.
        claims: n of them.
        right: (T,) how far each label is trusted: its weight in the mean.

    Returns:
        (n,) float64, spreads above what is ordinary for the image; 0 where there is no mean.
    """
    sums, weights = _sums(training, right)
    out = np.zeros(len(claims))
    for start in range(0, len(claims), _BATCH):
        part = slice(start, start + _BATCH)
        images, labels = claims.images[part], claims.labels[part]
        vectors = training.read(images)
        itself = np.where(training.labels[images] == labels, right[images], 0)
        centres = sums[labels] - itself[:, None].astype(np.float32) * vectors
        lengths = np.maximum(np.linalg.norm(centres, axis=1), 1e-6)
        similarity = (vectors * centres).sum(axis=1) / lengths
        above = similarity - claims.background.medians[part]
        contrast = above / np.maximum(claims.background.spreads[part], 1e-6)
        out[part] = np.where(weights[labels] - itself > _LEAST, contrast, 0)
    return out


def _sums(training: TrainingSet, right: Doubles) -> tuple[Floats, Doubles]:
    """(C, D) sums of descriptors by landmark, each by its weight, and (C,) sums of weights."""
    landmarks = int(training.labels.max()) + 1
    sums: Floats | None = None
    for ids, vectors in training.blocks():
        if sums is None:
            sums = np.zeros((landmarks, vectors.shape[1]), dtype=np.float32)
        for start in range(0, len(ids), _BATCH):
            some = ids[start : start + _BATCH]
            order = np.argsort(training.labels[some], kind="stable")
            named, starts = np.unique(training.labels[some][order], return_index=True)
            weighed = vectors[start : start + _BATCH] * right[some].astype(np.float32)[:, None]
            sums[named] += np.add.reduceat(weighed[order], starts, axis=0)
    assert sums is not None, "a training set has images"
    weights = np.bincount(training.labels, weights=right, minlength=landmarks)
    return sums, weights.astype(np.float64)
