"""An approximate index beside the index of a collection as it is now.

What was added since it was built is searched exactly and merged in; what was removed is dropped
from what is found, and more is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from steeple.collection.approximate import StoredIndex
from steeple.collection.segments import Segments
from steeple.retrieval.neighbors import Block, search_blocks
from steeple.retrieval.types import PAD, Floats, Ids, Ranking

__all__ = ["Coverage", "Rows"]

_WIDER = 4  # times as many are asked for before a query is searched exactly
_SPARE = 8  # asked for beside those that removed images are expected to take


class Rows:
    """Stored descriptors by position among some rows; a `retrieval.descriptors.Descriptors`.

    Args:
        segments: where they lie.
        rows: (N,) int64, strictly ascending.
    """

    def __init__(self, segments: Segments, rows: Ids) -> None:
        self.segments = segments
        self.rows = rows

    def __len__(self) -> int:
        """N."""
        return len(self.rows)

    def __getitem__(self, ids: Ids) -> Floats:
        """Ids of any shape to descriptors of that shape + (D,), float32."""
        flat = self.segments.read(self.rows[ids.ravel()])
        return flat.reshape(*ids.shape, flat.shape[1])


@dataclass(frozen=True)
class Coverage:
    """An approximate index beside the index of a collection as it is now.

    Args:
        stored: the approximate index, of M images.
        places: (M,) int64, where they stand in the index now; -1 for those removed.
        fresh: (F,) int64, where those stand that were added since.
        rows: (N,) int64, of the index now.
        segments: the descriptors.
    """

    stored: StoredIndex
    places: Ids
    fresh: Ids
    rows: Ids
    segments: Segments

    @classmethod
    def of(cls, stored: StoredIndex, rows: Ids, segments: Segments) -> Coverage:
        """An approximate index as it answers for the rows of now, (N,) int64, ascending."""
        if np.array_equal(rows, stored.rows):  # as it mostly is, and then it is quick
            everything = np.arange(len(rows), dtype=np.int64)
            return cls(stored, everything, everything[:0], rows, segments)
        places = np.searchsorted(rows, stored.rows)
        there = places < len(rows)
        there[there] = rows[places[there]] == stored.rows[there]
        fresh = np.ones(len(rows), dtype=bool)
        fresh[places[there]] = False
        return cls(stored, np.where(there, places, PAD), np.flatnonzero(fresh), rows, segments)

    def search(self, queries: Floats, k: int) -> Ranking:
        """The k images nearest to each query, as far as the approximate index finds them.

        Args:
            queries: (Q, D) float32.
            k: how many, at least 1.

        Returns:
            Ranking of shape (Q, k) of positions in the index now; scores are exact inner products.

        Raises:
            InputError: if k < 1 or the queries have another dimension.
        """
        found = self._search_covered(queries, k)
        if len(self.fresh):
            found = _merge(found, search_blocks(queries, self._fresh_blocks(), k), k)
        short = (found.ids == PAD).sum(axis=1) > max(0, k - len(self.rows))
        if short.any():  # what was to be found was removed, or the index proposes too few
            blocks = self.segments.blocks(self.rows)
            best = search_blocks(queries[short], blocks, k)
            found.ids[short], found.scores[short] = best.ids, best.scores
        return found

    def _search_covered(self, queries: Floats, k: int) -> Ranking:
        held = len(self.places)
        alive = int((self.places != PAD).sum())
        if alive == held:
            return self._ask(queries, k, k)
        if not alive:
            return _nothing(len(queries), k)
        wide = min(held, -(-k * held // alive) + _SPARE)
        found = self._ask(queries, k, wide)
        short = (found.ids == PAD).sum(axis=1) > max(0, k - alive)
        if short.any():
            more = self._ask(queries[short], k, min(held, _WIDER * wide))
            found.ids[short], found.scores[short] = more.ids, more.scores
        return found

    def _ask(self, queries: Floats, k: int, wide: int) -> Ranking:
        """The first k that are still there of as many as are asked for."""
        exact = Rows(self.segments, self.stored.rows)
        found = self.stored.index.search(queries, wide, exact=exact)
        ids = np.where(found.ids == PAD, PAD, self.places[found.ids])
        gone = ids == PAD
        order = np.argsort(gone, axis=1, kind="stable")[:, :k]
        scores = np.where(gone, np.float32(-np.inf), found.scores)
        return Ranking(
            np.take_along_axis(ids, order, axis=1), np.take_along_axis(scores, order, axis=1)
        )

    def _fresh_blocks(self) -> Iterator[Block]:
        for ids, vectors in self.segments.blocks(self.rows[self.fresh]):
            yield self.fresh[ids], vectors


def _merge(one: Ranking, other: Ranking, k: int) -> Ranking:
    """The best k of two rankings of different images; equal scores by position."""
    ids = np.concatenate([one.ids, other.ids], axis=1)
    scores = np.concatenate([one.scores, other.scores], axis=1)
    order = np.lexsort((ids, -scores), axis=1)
    # Pads score -inf, as does what no query can find; the pads go last.
    order = np.take_along_axis(
        order,
        np.argsort(np.take_along_axis(ids, order, axis=1) == PAD, axis=1, kind="stable"),
        axis=1,
    )[:, :k]
    return Ranking(
        np.take_along_axis(ids, order, axis=1), np.take_along_axis(scores, order, axis=1)
    )


def _nothing(queries: int, k: int) -> Ranking:
    return Ranking(
        np.full((queries, k), PAD, dtype=np.int64),
        np.full((queries, k), -np.inf, dtype=np.float32),
    )
