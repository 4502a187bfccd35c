"""What a search needs to know of every image, as columns of one array.

Reading a million rows out of SQLite takes seconds, mapping a file takes none. So the writer leaves
the columns beside the database, under the generation they belong to; a reader that finds none of
its generation reads the rows instead.
"""

from __future__ import annotations

import os
import sqlite3
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from steeple.retrieval.contrast import Background
from steeple.retrieval.types import UNVOTED, Ids, Votes

__all__ = ["INDEX", "TRAINING", "Columns"]

TRAINING = 1
INDEX = 2

_DTYPE = np.dtype(
    [
        ("row", "<i8"),
        ("place", "<i8"),
        ("count", "<i4"),
        ("landmark", "<i4"),
        ("vote", "<i4"),
        ("score", "<f4"),
        ("ordinary", "<f4"),
        ("spread", "<f4"),
        ("contrast", "<f4"),
        ("belief", "<i4"),
        ("strength", "<f4"),
        ("role", "u1"),
        ("counted", "u1"),
    ]
)
_QUERY = """
SELECT row, ifnull(place, -1), ifnull(features, 0), ifnull(landmark, -1), ifnull(vote, -1),
       ifnull(score, 0), ifnull(ordinary, 'nan'), ifnull(spread, 'nan'), ifnull(contrast, 0),
       ifnull(belief, -1), ifnull(strength, 0), role, counted
FROM image ORDER BY row
"""


class Columns:
    """The columns of one generation of a collection, rows ascending.

    Args:
        table: (n,) structured array, in memory or a memory map.
        generation: the generation of the collection that it shows.
    """

    def __init__(self, table: npt.NDArray[np.void], generation: int) -> None:
        self.generation = generation
        self._table = table

    @classmethod
    def load(cls, connection: sqlite3.Connection, folder: Path, generation: int) -> Columns:
        """Maps the columns of a generation, or reads the rows where none lie that can be used."""
        try:
            table = np.load(_path(folder, generation), mmap_mode="r")
        except (OSError, ValueError, EOFError):  # none, or cut off, or something else altogether
            return cls.read(connection, generation)
        usable = table.dtype == _DTYPE and table.ndim == 1
        return cls(table, generation) if usable else cls.read(connection, generation)

    @classmethod
    def read(cls, connection: sqlite3.Connection, generation: int) -> Columns:
        """Reads the columns from the rows of the database."""
        return cls(np.fromiter(connection.execute(_QUERY), dtype=_DTYPE), generation)

    def save(self, folder: Path) -> None:
        """Leaves the columns for readers to map and removes those of older generations."""
        folder.mkdir(exist_ok=True)
        path = _path(folder, self.generation)
        beside = path.with_suffix(".new")
        try:
            with beside.open("wb") as file:
                np.save(file, np.ascontiguousarray(self._table))
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        except OSError:
            beside.unlink(missing_ok=True)  # a full disk has no room for half a cache
            raise
        for old in folder.glob("columns-*"):
            if old != path:
                old.unlink(missing_ok=True)

    def equals_file(self, path: Path) -> bool:
        """Whether a file that `save` has written shows the same."""
        try:
            table = np.load(path)
        except (OSError, ValueError, EOFError):
            return False
        # As bytes, because what was not measured yet is NaN and equals nothing.
        return bool(table.dtype == _DTYPE) and table.tobytes() == self._table.tobytes()

    def __len__(self) -> int:
        """The number of images."""
        return len(self._table)

    @cached_property
    def rows(self) -> Ids:
        """(n,) int64, ascending."""
        return np.ascontiguousarray(self._table["row"])

    @cached_property
    def places(self) -> Ids:
        """(n,) int64, the byte places of the images' local features; -1 where none are kept."""
        return np.ascontiguousarray(self._table["place"])

    @cached_property
    def counts(self) -> npt.NDArray[np.int32]:
        """(n,) int32, how many local features each image has."""
        return np.ascontiguousarray(self._table["count"])

    @cached_property
    def roles(self) -> npt.NDArray[np.uint8]:
        """(n,) uint8: 1 training, 2 index, 3 both."""
        return np.ascontiguousarray(self._table["role"])

    @cached_property
    def landmarks(self) -> Ids:
        """(n,) int64, the numbers of the given landmarks; -1 where none is given."""
        return self._table["landmark"].astype(np.int64)

    @cached_property
    def counted(self) -> npt.NDArray[np.bool_]:
        """(n,) bool, whether the image's own vote has reached the others."""
        return self._table["counted"].astype(bool)

    @cached_property
    def votes(self) -> Votes:
        """The votes of all n images."""
        return Votes(self._table["vote"].astype(np.int64), self._table["score"])

    @cached_property
    def background(self) -> Background:
        """What is ordinary for each of the n images; NaN where it was not measured yet."""
        return Background(
            np.ascontiguousarray(self._table["ordinary"], dtype=np.float32),
            np.ascontiguousarray(self._table["spread"], dtype=np.float32),
        )

    @cached_property
    def contrasts(self) -> npt.NDArray[np.float32]:
        """(n,) float32, the contrasts of the votes."""
        return np.ascontiguousarray(self._table["contrast"], dtype=np.float32)

    @cached_property
    def verified(self) -> Votes:
        """The verified votes of all n images; the scores are their strengths."""
        return Votes(
            self._table["belief"].astype(np.int64), np.ascontiguousarray(self._table["strength"])
        )

    @cached_property
    def training(self) -> Ids:
        """(T,) int64, where the images that vote stand among the columns."""
        votes = (self.roles & TRAINING).astype(bool) & (self.landmarks != UNVOTED)
        return np.flatnonzero(votes)

    @cached_property
    def index(self) -> Ids:
        """(N,) int64, where the images that can be found stand among the columns."""
        return np.flatnonzero(self.roles & INDEX)


def _path(folder: Path, generation: int) -> Path:
    return folder / f"columns-{generation}.npy"
