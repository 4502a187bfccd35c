"""Images verified against those of a collection, each pair once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from steeple.collection.feature_files import StoredFeatures
from steeple.geometry.batch import Verified
from steeple.geometry.features import Features
from steeple.geometry.lists import verify_lists
from steeple.retrieval.types import PAD, Ids

__all__ = ["IndexVerifier", "ListVerifier"]


class ListVerifier:
    """Verifies some images against lists of stored ones and remembers what it found.

    Search, recognition and explanation ask for many of the same pairs.

    Args:
        images: the local features of n images; None for one that could not be read, which has
            nothing in common with any.
        source: those of the collection.
        workers: processes; None takes one per core. A few pairs are verified in this process.
        progress: called with images done and images in all.
    """

    def __init__(
        self,
        images: Sequence[Features | None],
        source: StoredFeatures,
        *,
        workers: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self._images = images
        self._source = source
        self._workers = workers
        self._progress = progress
        self._known: list[dict[int, tuple[int, float]]] = [{} for _ in images]

    def __call__(self, positions: Ids) -> Verified:
        """Verifies each image against its own list.

        Args:
            positions: (n, K) int64, positions in the source; -1 pads.

        Returns:
            (n, K) inliers and surprises; 0 and NaN where there is a pad.
        """
        self._look_up(positions)
        return self.seen(positions)

    def seen(self, positions: Ids) -> Verified:
        """The same for pairs verified before; 0 and NaN for others."""
        inliers = np.zeros(positions.shape, dtype=np.int32)
        surprises = np.full(positions.shape, np.nan, dtype=np.float32)
        for row, known in enumerate(self._known):
            for column, position in enumerate(positions[row].tolist()):
                if position in known:
                    inliers[row, column], surprises[row, column] = known[position]
        return Verified(inliers, surprises)

    def _look_up(self, positions: Ids) -> None:
        wanted: list[Ids] = []
        for row, known, image in zip(positions.tolist(), self._known, self._images, strict=True):
            new = [one for one in dict.fromkeys(row) if one != PAD and one not in known]
            if image is None:
                known.update(dict.fromkeys(new, (0, 0.0)))
            wanted.append(np.array([] if image is None else new, dtype=np.int64))
        asking = [number for number, others in enumerate(wanted) if len(others)]
        if not asking:
            return
        # Only where these lie travels to the workers, not where everything lies.
        there = np.unique(np.concatenate([wanted[number] for number in asking]))
        lists = (
            (image, np.searchsorted(there, others))
            for image, others in zip(self._images, wanted, strict=True)
            if image is not None and len(others)
        )
        progress = self._progress
        verified = verify_lists(
            lists,
            self._source.select(there),
            workers=self._workers,
            progress=None if progress is None else lambda done: progress(done, len(asking)),
        )
        for number, found in zip(asking, verified, strict=True):
            self._known[number].update(
                zip(
                    wanted[number].tolist(),
                    zip(found.inliers.tolist(), found.surprises.tolist(), strict=True),
                    strict=True,
                )
            )


@dataclass(frozen=True)
class IndexVerifier:
    """A `ListVerifier` for those who count images by their number in the index.

    Args:
        verifier: verifies by position in the collection.
        images: (N,) int64, the positions of the index images.
    """

    verifier: ListVerifier
    images: Ids

    def __call__(self, ids: Ids) -> Verified:
        """(Q, n) index images, -1 pads, to (Q, n) inliers and surprises."""
        return self.verifier(self.positions(ids))

    def seen(self, ids: Ids) -> Verified:
        """The same for pairs verified before; 0 and NaN for others."""
        return self.verifier.seen(self.positions(ids))

    def positions(self, ids: Ids) -> Ids:
        """Positions in the collection; pads stay pads."""
        if not len(self.images):
            return np.full(ids.shape, PAD, dtype=np.int64)
        return np.where(ids == PAD, PAD, self.images[ids])
