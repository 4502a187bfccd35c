"""What cleaning knows of a training set: labels, descriptors, local features, all by number."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from steeple.geometry.batch import FeatureSource
from steeple.geometry.features import Features
from steeple.retrieval.neighbors import Block, search_blocks
from steeple.retrieval.types import PAD, Bools, Floats, Ids, Ranking

__all__ = ["TrainingSet", "first_allowed"]


@dataclass(frozen=True)
class TrainingSet:
    """T labelled images, numbered from 0. Nothing is loaded before it is asked for.

    Args:
        labels: (T,) int64, the landmark of each image, 0 or more.
        read: (n,) numbers to (n, D) float32 descriptors.
        blocks: all descriptors in pieces, anew each time; ids are the numbers.
        features: (n,) numbers to the local features of these images, by their place among them.
    """

    labels: Ids
    read: Callable[[Ids], Floats]
    blocks: Callable[[], Iterable[Block]]
    features: Callable[[Ids], FeatureSource]

    @classmethod
    def of_arrays(
        cls, descriptors: Floats, labels: Ids, features: Sequence[Features]
    ) -> TrainingSet:
        """A training set that lies in memory.

        Args:
            descriptors: (T, D) float32.
            labels: (T,) int64.
            features: T of them.
        """
        everything = np.arange(len(labels), dtype=np.int64)
        return cls(
            labels,
            lambda images: descriptors[images],
            lambda: [(everything, descriptors)],
            lambda images: [features[image] for image in images.tolist()],
        )

    def __len__(self) -> int:
        """T, the number of images."""
        return len(self.labels)

    def nearest(self, images: Ids, k: int) -> Ranking:
        """The k other images nearest to each of some images: (n,) numbers to a (n, k) ranking.

        Where there are fewer than k others, it is so much narrower.
        """
        k = min(k, max(1, len(self) - 1))
        found = search_blocks(self.read(images), self.blocks(), k + 1)
        others = (found.ids != PAD) & (found.ids != images[:, None])
        return first_allowed(found, others, k)


def first_allowed(found: Ranking, allowed: Bools, most: int) -> Ranking:
    """The first entries of each row that are allowed.

    Args:
        found: (n, K).
        allowed: (n, K) bool.
        most: entries that are kept of a row.

    Returns:
        (n, most), in the old order, padded with -1 and -inf.
    """
    out = Ranking(
        np.full((len(found), most), PAD, dtype=np.int64),
        np.full((len(found), most), -np.inf, dtype=np.float32),
    )
    places = allowed.cumsum(axis=1) - 1
    rows, columns = np.nonzero(allowed & (places < most))
    out.ids[rows, places[rows, columns]] = found.ids[rows, columns]
    out.scores[rows, places[rows, columns]] = found.scores[rows, columns]
    return out
