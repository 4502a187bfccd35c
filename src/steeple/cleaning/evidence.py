"""What is known of whether images show the landmarks they are said to show: similarity, geometry.

For a claim, an image and a landmark, that is the image's nearest neighbours of this landmark, and
its nearest neighbours of any, each with the surprise of its verification.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from steeple.cleaning.candidates import has_label
from steeple.cleaning.training import TrainingSet, first_allowed
from steeple.geometry.batch import verify_pairs
from steeple.geometry.verification import Verifier
from steeple.retrieval.contrast import Background, measure_background
from steeple.retrieval.types import PAD, Floats, Ids, Ranking

__all__ = ["NEAR", "OWN", "Evidence", "Gatherer"]

NEAR = 10
"""Neighbours of any landmark that are verified."""

OWN = 5
"""Neighbours of the claimed landmark that are verified."""


@dataclass(frozen=True)
class Evidence:
    """The evidence for n claims.

    Args:
        images: (n,) int64, numbers of images.
        labels: (n,) int64, the landmarks they are said to show.
        near: (n, NEAR) nearest images; scores are contrasts: similarities in spreads above what is
            ordinary for the image.
        near_surprise: (n, NEAR) float32, nats.
        own: (n, OWN) nearest images of the claimed landmark, with contrasts.
        own_surprise: (n, OWN) float32, nats.
        background: of the n images.
    """

    images: Ids
    labels: Ids
    near: Ranking
    near_surprise: Floats
    own: Ranking
    own_surprise: Floats
    background: Background

    def __len__(self) -> int:
        """n, the number of claims."""
        return len(self.images)

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Its arrays by name."""
        return {
            "images": self.images,
            "labels": self.labels,
            "near": self.near.ids,
            "near_contrast": self.near.scores,
            "near_surprise": self.near_surprise,
            "own": self.own.ids,
            "own_contrast": self.own.scores,
            "own_surprise": self.own_surprise,
            "medians": self.background.medians,
            "spreads": self.background.spreads,
        }

    @classmethod
    def from_arrays(cls, parts: Sequence[dict[str, npt.NDArray[Any]]]) -> Evidence:
        """The evidence of several parts, each as `to_arrays` gave it."""
        joined = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
        return cls(
            joined["images"],
            joined["labels"],
            Ranking(joined["near"], joined["near_contrast"]),
            joined["near_surprise"],
            Ranking(joined["own"], joined["own_contrast"]),
            joined["own_surprise"],
            Background(joined["medians"], joined["spreads"]),
        )


@dataclass(frozen=True)
class Gatherer:
    """Gathers evidence.

    Args:
        training: the images.
        neighbours: how many nearest images are looked at for those of the claimed landmark.
        cohort: (m, D) float32, descriptors that say what similarity is ordinary.
        verifier: how pairs are verified.
        workers: processes; None takes one per core.
    """

    training: TrainingSet
    neighbours: int
    cohort: Floats
    verifier: Verifier
    workers: int | None = None

    def __call__(
        self, images: Ids, labels: Ids, progress: Callable[[int, int], None] | None = None
    ) -> Evidence:
        """Gathers the evidence for claims.

        Args:
            images: (n,) int64.
            labels: (n,) int64, the landmark each is said to show.
            progress: called with pairs done and pairs in all.
        """
        named, rows = np.unique(images, return_inverse=True)
        background = measure_background(self.training.read(named), self.cohort)
        background = Background(background.medians[rows], background.spreads[rows])
        wide = self.training.nearest(named, self.neighbours)
        wide = Ranking(wide.ids[rows], wide.scores[rows])
        near = first_allowed(wide, wide.ids != PAD, NEAR)
        own = first_allowed(wide, has_label(self.training, wide, labels), OWN)
        others = np.concatenate([near.ids, own.ids], axis=1)
        surprises = self._verify(images, others, progress)
        return Evidence(
            images,
            labels,
            _contrasts(near, background),
            surprises[:, :NEAR],
            _contrasts(own, background),
            surprises[:, NEAR:],
            background,
        )

    def _verify(
        self, images: Ids, others: Ids, progress: Callable[[int, int], None] | None
    ) -> Floats:
        """(n,) images with (n, m) others to (n, m) float32 surprises; 0 for pads."""
        first = np.broadcast_to(images[:, None], others.shape)
        real = others != PAD
        pairs = np.stack([first[real], others[real]], axis=1)
        pairs.sort(axis=1)  # in this order whoever asks, and once only
        pairs, places = np.unique(pairs, axis=0, return_inverse=True)
        named, numbers = np.unique(pairs, return_inverse=True)
        found = verify_pairs(
            numbers.reshape(pairs.shape).astype(np.int64),
            self.training.features(named),
            self.verifier,
            workers=self.workers,
            progress=progress,
        )
        out = np.zeros(others.shape, dtype=np.float32)
        out[real] = found.surprises[places.ravel()]
        return out


def _contrasts(ranking: Ranking, background: Background) -> Ranking:
    above = ranking.scores - background.medians[:, None]
    contrasts = above / np.maximum(background.spreads, 1e-6)[:, None]
    return Ranking(ranking.ids, np.where(ranking.ids == PAD, 0, contrasts))
