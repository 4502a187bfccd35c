"""The training set in files: the rows that have a landmark, and so vote."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from steeple.arrays.files.descriptors import FileDescriptors
from steeple.arrays.files.labels import Labels
from steeple.errors import InputError
from steeple.retrieval.neighbors import Block
from steeple.retrieval.types import UNVOTED, Floats, Ids

__all__ = ["TrainingSet"]


class TrainingSet:
    """The labelled images of a file; ids are positions among them.

    Args:
        descriptors: of all rows of the file.
        labels: of all rows of the file.

    Raises:
        InputError: if there are more or fewer labels than rows.
    """

    def __init__(self, descriptors: FileDescriptors, labels: Labels) -> None:
        if len(labels.numbers) != len(descriptors):
            raise InputError(
                f"{descriptors.name}: {len(labels.numbers):,} labels for {len(descriptors):,} rows"
            )
        self._descriptors = descriptors
        self.rows: Ids = np.flatnonzero(labels.numbers != UNVOTED)
        self.labels: Ids = labels.numbers[self.rows]
        self.landmarks = labels.landmarks

    def __len__(self) -> int:
        """T, the number of images that vote."""
        return len(self.rows)

    @property
    def complete(self) -> bool:
        """Whether all rows of the file vote."""
        return len(self.rows) == len(self._descriptors)

    def __getitem__(self, ids: Ids) -> Floats:
        """Descriptors by position: ids of any shape to that shape + (D,), float32."""
        return self._descriptors[self.rows[ids]]

    def blocks(self, memory: int) -> Iterator[Block]:
        """All of them, piece by piece.

        Args:
            memory: bytes that a piece may take where it cannot be read in place.
        """
        if self.complete:
            yield from self._descriptors.blocks(memory)
            return
        step = self._descriptors.block_rows(memory)
        for start in range(0, len(self), step):
            ids = np.arange(start, min(start + step, len(self)), dtype=np.int64)
            yield ids, self[ids]
