"""Which photos a city has: how many of each landmark, inside or outside, in which split.

Nothing is kept per photo: a landmark's photos follow from its own numbers, whenever they are asked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from steeple.demo.photo import NO_LANDMARK, Photo

STRANGERS = 0.17  # share of photos that show no landmark
INTERIORS = 0.26  # share of a landmark's photos that are taken inside
_PRIVATE = 2 / 3  # share of queries that count for the private score


@dataclass(frozen=True)
class Entry:
    """A photo and its place in the data set.

    Attributes:
        id: 16 hexadecimal characters.
        split: "train", "index" or "test".
        photo: what is on it.
        private: whether a test photo counts for the private score.
    """

    id: str
    split: str
    photo: Photo
    private: bool


@dataclass(frozen=True, eq=False)
class Plan:
    """The whole city in a few numbers.

    Attributes:
        seed: of the city.
        counts: (L,) int64 photos per landmark.
        labelled: (L,) bool, whether the landmark has training photos.
        strangers: how many photos show no landmark.
        training_only: whether every photo is for training, and there is nothing to search.
    """

    seed: int
    counts: NDArray[np.int64]
    labelled: NDArray[np.bool_]
    strangers: int
    training_only: bool = False

    @cached_property
    def _ends(self) -> NDArray[np.int64]:
        return np.cumsum(self.counts)

    @property
    def landmarks(self) -> int:
        """How many landmarks there are."""
        return len(self.counts)

    def landmark_entries(self, landmark: int) -> list[Entry]:
        """All photos of a landmark, train first, then index, then test."""
        count = int(self.counts[landmark])
        first = int(self._ends[landmark]) - count
        train, index = count, 0
        if not self.training_only:
            train, index = _shares(count, labelled=bool(self.labelled[landmark]))
        splits = ["train"] * train + ["index"] * index + ["test"] * (count - train - index)
        rng = np.random.default_rng([self.seed, 51, landmark])
        inside = np.zeros(count, bool)
        inside[rng.permutation(count)[: round(count * INTERIORS)]] = True
        return [
            self._entry(first + place, split, landmark, bool(inside[place]), rng)
            for place, split in enumerate(splits)
        ]

    def stranger_entries(self) -> Iterator[Entry]:
        """All photos without a landmark; they are in the index and among the queries."""
        first = int(self.counts.sum())
        rng = np.random.default_rng([self.seed, 52])
        for place in range(self.strangers):
            split = "index" if place % 2 == 0 else "test"
            yield self._entry(first + place, split, NO_LANDMARK, False, rng)

    def _entry(
        self, number: int, split: str, landmark: int, interior: bool, rng: np.random.Generator
    ) -> Entry:
        return Entry(
            photo_id(self.seed, number),
            split,
            Photo(number, landmark, interior),
            bool(rng.random() < _PRIVATE),
        )


def make_plan(
    photos: int, landmarks: int, seed: int, unlabelled: float, *, training_only: bool = False
) -> Plan:
    """Share out photos.

    Args:
        photos: in all, at least twice as many as landmarks, and more than that by one stranger.
        landmarks: at least 1.
        seed: of the city.
        unlabelled: share of landmarks without training photos, 0..1.
        training_only: every photo shows a landmark and is for training.
    """
    rng = np.random.default_rng([seed, 50])
    strangers = 0
    if not training_only:
        strangers = min(max(1, round(photos * STRANGERS)), photos - 2 * landmarks)
    spare = photos - strangers - 2 * landmarks
    # Uneven on purpose: famous landmarks are photographed ten times as often as others.
    weights = rng.lognormal(0.0, 0.75, landmarks)
    exact = weights / weights.sum() * spare
    counts = np.floor(exact).astype(np.int64)
    missing = spare - int(counts.sum())
    counts[np.argsort(counts - exact, kind="stable")[:missing]] += 1
    labelled = np.ones(landmarks, bool)
    labelled[rng.permutation(landmarks)[: round(landmarks * unlabelled)]] = False
    return Plan(seed, counts + 2, labelled, strangers, training_only)


def _shares(count: int, *, labelled: bool) -> tuple[int, int]:
    """How many of a landmark's photos are for training and how many in the index."""
    test = max(1, round(count * (0.2 if labelled else 0.32)))
    train = min(round(count * 0.38), count - test - 1) if labelled else 0
    return train, count - test - train


def photo_id(seed: int, number: int) -> str:
    """The id of a photo: 16 hexadecimal characters that tell nothing about what it shows."""
    return hashlib.blake2b(f"{seed}/{number}".encode(), digest_size=8).hexdigest()
