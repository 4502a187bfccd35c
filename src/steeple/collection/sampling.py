"""Queries to measure a search by, drawn from the collection itself.

Best are photos that are not among those that are searched, as real queries are: for the index,
images of the training set only; for the training set, images without a landmark. Where there are
too few of them, those that are searched stand in, each left out of its own list; they are a little
easier to find, because the approximate index has seen them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from steeple.collection.columns import Columns
from steeple.collection.segments import Segments
from steeple.retrieval.types import Floats, Ids

__all__ = ["Sample", "draw_sample"]


@dataclass(frozen=True)
class Sample:
    """Queries.

    Args:
        queries: (Q, D) float32.
        own: (Q,) int64, which of the images that are searched they are; None if they are none.
    """

    queries: Floats
    own: Ids | None

    @property
    def origin(self) -> str:
        """What they are, in words."""
        if self.own is None:
            return "training images that are not in the index"
        return "images of the index, each without itself"


def draw_sample(
    segments: Segments, columns: Columns, size: int, *, seed: int, searched: Ids | None = None
) -> Sample:
    """Draws queries.

    Args:
        segments: the descriptors.
        columns: the images.
        size: how many, at most.
        seed: of the draw.
        searched: (n,) int64, where those that are to be searched stand among the columns; None
            stands for the index.
    """
    random = np.random.default_rng(seed)
    searched = columns.index if searched is None else searched
    outside = np.delete(np.arange(len(columns), dtype=np.int64), searched)
    pool = outside if len(outside) >= size else searched
    drawn = np.sort(random.choice(len(pool), min(size, len(pool)), replace=False))
    queries = segments.read(columns.rows[pool[drawn]])
    return Sample(queries, None if pool is outside else drawn)
