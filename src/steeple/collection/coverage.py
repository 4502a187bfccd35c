"""An approximate index beside the index of a collection as it is now.

What was added since it was built is searched exactly and merged in; what was removed is dropped
from what is found, and more is asked for. A query for which the index finds too few is searched
exactly, and so is every query once the index has named an image that it does not hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from steeple.collection.approximate import StoredIndex
from steeple.collection.segments import Segments
from steeple.errors import CollectionError
from steeple.retrieval.neighbors import Block, empty_ranking, search_blocks
from steeple.retrieval.types import PAD, Bools, Floats, Ids, Ranking

__all__ = ["Coverage", "Rows"]

_WIDER = 4  # times as many are asked for before a query is searched exactly
_SPARE = 8  # asked for beside those that removed images are expected to take


class _StrayError(CollectionError):
    """An index that was read whole names an image that it does not hold."""


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
        """Ids of any shape to descriptors of that shape + (D,), float32.

        Raises:
            CollectionError: if there is no such image, as only a damaged index says.
        """
        self.check(ids, 0)
        flat = self.segments.read(self.rows[ids.ravel()])
        return flat.reshape(*ids.shape, flat.shape[1])

    def check(self, ids: Ids, least: int) -> None:
        """Refuses ids below the least, or beyond the images there are.

        Raises:
            CollectionError: if there is one.
        """
        low, high = int(ids.min(initial=0)), int(ids.max(initial=PAD))
        if low < least or high >= len(self):
            places = self.segments.folder.parent
            raise _StrayError(
                f"the approximate index of {places} names image {low if low < least else high}, "
                f"and it holds {len(self)}; build it again: steeple index {places}"
            )


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
        if not self.stored.trusted:
            return self._search_exactly(queries, k)
        try:
            found, few = self._search_covered(queries, k)
        except _StrayError as error:
            self.stored.distrust(str(error))
            return self._search_exactly(queries, k)
        if len(self.fresh):
            found = _merge(found, search_blocks(queries, self._fresh_blocks(), k), k)
        if few.any():
            best = self._search_exactly(queries[few], k)
            found.ids[few], found.scores[few] = best.ids, best.scores
        return found

    @cached_property
    def _alive(self) -> int:
        """How many of the images that the index holds are still there."""
        return int((self.places != PAD).sum())

    def _search_exactly(self, queries: Floats, k: int) -> Ranking:
        return search_blocks(queries, self.segments.blocks(self.rows), k)

    def _search_covered(self, queries: Floats, k: int) -> tuple[Ranking, Bools]:
        """What the index finds of those that are still there, and for whom that is too little.

        Returns:
            Ranking of shape (Q, k), and (Q,) bool, whether it has fewer than there are, up to k.
        """
        held, alive = len(self.places), self._alive
        if not alive:
            return empty_ranking(len(queries), k), np.zeros(len(queries), dtype=bool)
        wide = k if alive == held else min(held, -(-k * held // alive) + _SPARE)
        found = self._ask(queries, k, wide)
        few = _count(found) < min(k, alive)
        if few.any() and alive < held and wide < held:
            more = self._ask(queries[few], k, min(held, _WIDER * wide))
            found.ids[few], found.scores[few] = more.ids, more.scores
            few = _count(found) < min(k, alive)
        return found, few

    def _ask(self, queries: Floats, k: int, wide: int) -> Ranking:
        """The first k that are still there of as many as are asked for; (Q, k), padded.

        Raises:
            _StrayError: if the index names an image that it does not hold.
        """
        exact = Rows(self.segments, self.stored.rows)
        found = self.stored.index.search(queries, wide, exact=exact)
        exact.check(found.ids, PAD)
        ids = np.where(found.ids == PAD, PAD, self.places[found.ids])
        gone = ids == PAD
        order = np.argsort(gone, axis=1, kind="stable")[:, :k]
        scores = np.where(gone, np.float32(-np.inf), found.scores)
        out = empty_ranking(len(queries), k)
        width = order.shape[1]
        out.ids[:, :width] = np.take_along_axis(ids, order, axis=1)
        out.scores[:, :width] = np.take_along_axis(scores, order, axis=1)
        return out

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


def _count(ranking: Ranking) -> Ids:
    """(Q,) int64, how many images each query has found."""
    return np.asarray((ranking.ids != PAD).sum(axis=1), dtype=np.int64)
