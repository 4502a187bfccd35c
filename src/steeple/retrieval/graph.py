"""The neighbours that index images have among themselves: what offline re-rankers start from."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from steeple.errors import InputError
from steeple.retrieval.descriptors import Descriptors, Search
from steeple.retrieval.leaving_out import without_self
from steeple.retrieval.shelf import Arrays, MemoryShelf, Shelf
from steeple.retrieval.types import PAD, Ranking

__all__ = ["IndexGraph", "Told"]

Told: TypeAlias = Callable[[str, int, int], None]
"""Called with what is computed, how many images of it are done, and how many there are."""

_BLOCK = 1 << 13  # images searched for at a time: 16 MB of descriptors at 512 dimensions


def _nobody(what: str, done: int, total: int) -> None:
    pass


class IndexGraph:
    """The nearest index images of every index image, and what re-rankers derive from them.

    Everything is computed when it is first asked for, and kept.

    Args:
        index: (N, D) float32 descriptors of the index.
        search: finds neighbours in it, exactly or not.
        shelf: where what was computed is kept; None keeps it in memory.
        told: hears how far long work is.
    """

    def __init__(
        self,
        index: Descriptors,
        search: Search,
        *,
        shelf: Shelf | None = None,
        told: Told = _nobody,
    ) -> None:
        self.index = index
        self.search = search
        self.shelf: Shelf = MemoryShelf() if shelf is None else shelf
        self.told = told

    def __len__(self) -> int:
        """N, the number of index images."""
        return len(self.index)

    def neighbours(self, k: int) -> Ranking:
        """The k nearest index images of every index image, which is not among its own.

        Args:
            k: how many, at least 1.

        Returns:
            Ranking of shape (N, k), scores descending, padded with -1 (score -inf).

        Raises:
            InputError: if k < 1.
        """
        if k < 1:
            raise InputError(f"k is {k}; at least one neighbour must be asked for")

        def fill(arrays: Arrays) -> None:
            for start in range(0, len(self), _BLOCK):
                own = np.arange(start, min(start + _BLOCK, len(self)), dtype=np.int64)
                found = without_self(self.search(self.index[own], k + 1), own)
                arrays["ids"][own], arrays["scores"][own] = found.ids, found.scores
                self.told("graph", int(own[-1]) + 1, len(self))

        shape = (len(self), k)
        kept = self.shelf.once(
            f"neighbours-{k}", {"ids": (shape, "int64"), "scores": (shape, "float32")}, fill
        )
        return Ranking(kept["ids"], kept["scores"])
