"""The nearest training images of every image, as they are kept in the database.

More are kept than vote by similarity, because verification may prefer the ninth to the first.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from steeple.retrieval.types import PAD, Floats, Ids

__all__ = ["VOTERS", "VOTING", "Voters"]

VOTING = 3
"""Training images that vote for an image: k of the paper, section 3.2."""

VOTERS = 10
"""Training images that are kept, and verified where there are local features."""

_VOTER = np.dtype([("row", "<i8"), ("similarity", "<f4"), ("surprise", "<f4")])
_NOBODY = np.array([(PAD, -np.inf, np.nan)] * VOTERS, dtype=_VOTER).tobytes()


@dataclass(frozen=True)
class Voters:
    """Per image its nearest training images, best first; ties by row.

    Args:
        rows: (n, VOTERS) int64, rows of training images; -1 pads.
        scores: (n, VOTERS) float32, their similarities; -inf pads.
        surprises: (n, VOTERS) float32, of their verification, in nats; NaN where there was none.
        known: (n,) bool; False where they were never looked up.
    """

    rows: Ids
    scores: Floats
    surprises: Floats
    known: npt.NDArray[np.bool_]

    @classmethod
    def load(cls, connection: sqlite3.Connection) -> Voters:
        """Reads them in the order of rows."""
        stored = connection.execute("SELECT voters FROM image ORDER BY row")
        known: list[bool] = []

        def texts() -> Iterator[bytes]:
            for (voters,) in stored:
                usable = voters is not None and len(voters) == len(_NOBODY)
                known.append(usable)
                yield voters if usable else _NOBODY

        table = np.frombuffer(b"".join(texts()), dtype=_VOTER).reshape(-1, VOTERS)
        return cls(
            table["row"].astype(np.int64),
            table["similarity"].astype(np.float32),
            table["surprise"].astype(np.float32),
            np.array(known, dtype=bool),
        )

    def forget(self, which: npt.NDArray[np.bool_]) -> None:
        """Clears the voters of some images, in place."""
        self.rows[which] = PAD
        self.scores[which] = -np.inf
        self.surprises[which] = np.nan
        self.known[which] = False

    def merge(self, images: Ids, rows: Ids, scores: Floats) -> npt.NDArray[np.bool_]:
        """Lets more training images join the voters of some images, in place.

        One that already is a voter stays as it is: what lies in a row never changes.

        Args:
            images: (m,) int64, positions of the images.
            rows: (m, w) int64, rows of training images; -1 pads.
            scores: (m, w) float32.

        Returns:
            (m,) bool, whose voters are others now.
        """
        old_rows, old_scores = self.rows[images], self.scores[images]
        again = (rows[:, :, None] == old_rows[:, None, :]).any(axis=2)
        all_rows = np.concatenate([old_rows, np.where(again, PAD, rows)], axis=1)
        all_scores = np.concatenate([old_scores, np.where(again, -np.inf, scores)], axis=1)
        unverified = np.full(rows.shape, np.nan, dtype=np.float32)
        all_surprises = np.concatenate([self.surprises[images], unverified], axis=1)
        order = np.lexsort((all_rows, -all_scores), axis=1)[:, :VOTERS]
        self.rows[images] = np.take_along_axis(all_rows, order, axis=1)
        self.scores[images] = np.take_along_axis(all_scores, order, axis=1)
        self.surprises[images] = np.take_along_axis(all_surprises, order, axis=1)
        self.known[images] = True
        return np.asarray((self.rows[images] != old_rows).any(axis=1))

    def replace(self, images: Ids, rows: Ids, scores: Floats) -> None:
        """Gives some images other voters, in place; pairs verified before stay verified.

        Args:
            images: (m,) int64, positions of the images.
            rows: (m, w) int64, rows of training images; -1 pads.
            scores: (m, w) float32.
        """
        old_rows, old_surprises = self.rows[images], self.surprises[images]
        self.rows[images], self.scores[images], self.surprises[images] = PAD, -np.inf, np.nan
        self.merge(images, rows, scores)
        again = self.rows[images][:, :, None] == old_rows[:, None, :]
        verified = np.take_along_axis(old_surprises, again.argmax(axis=2), axis=1)
        self.surprises[images] = np.where(again.any(axis=2), verified, np.float32(np.nan))

    def unverified(self) -> npt.NDArray[np.bool_]:
        """(n,) bool, which images have a voter that was not verified."""
        return np.asarray(((self.rows != PAD) & np.isnan(self.surprises)).any(axis=1))

    def pack(self, image: int) -> bytes:
        """What the database keeps for one image."""
        voters = np.empty(VOTERS, dtype=_VOTER)
        voters["row"], voters["similarity"] = self.rows[image], self.scores[image]
        voters["surprise"] = self.surprises[image]
        return voters.tobytes()
