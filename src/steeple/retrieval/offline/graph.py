"""The neighbours that index images have among themselves: what offline re-rankers start from."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from steeple.errors import InputError
from steeple.retrieval.descriptors import Descriptors, Search
from steeple.retrieval.leaving_out import without_self
from steeple.retrieval.offline.shelf import Arrays, MemoryShelf, Shelf
from steeple.retrieval.types import Floats, Ranking

__all__ = ["IndexGraph", "Neighbourhoods", "Told", "nobody"]

Neighbourhoods: TypeAlias = npt.NDArray[np.int32]
"""(n, size) positions in the index, each row's own image first; -1 pads."""

Told: TypeAlias = Callable[[str, int, int], None]
"""Called with what is computed, how many images of it are done, and how many there are."""

_WIDTH = 100  # neighbours and similarities kept for whoever asks for fewer, who then share a search
_NEIGHBOURHOODS = re.compile(r"neighbourhoods-(\d+)-(\d+)")  # how wide they are, how many scored
_BLOCK = 1 << 13  # images searched for at a time: 16 MB of descriptors at 512 dimensions


def nobody(what: str, done: int, total: int) -> None:
    """What is told where nobody wants to hear it."""


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
        told: Told = nobody,
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

        width = max(k, _WIDTH)

        def fill(arrays: Arrays) -> None:
            for start in range(0, len(self), _BLOCK):
                own = np.arange(start, min(start + _BLOCK, len(self)), dtype=np.int64)
                found = without_self(self.search(self.index[own], width + 1), own)
                arrays["ids"][own], arrays["scores"][own] = found.ids, found.scores
                self.told("graph", int(own[-1]) + 1, len(self))

        shape = (len(self), width)
        layout = {"ids": (shape, "int64"), "scores": (shape, "float32")}
        kept = self.shelf.once(f"neighbours-{width}", layout, fill)
        return Ranking(kept["ids"][:, :k], kept["scores"][:, :k])

    def neighbourhoods(self, size: int, scored: int) -> tuple[Neighbourhoods, Floats]:
        """The nearest index images of every index image, itself first: `neighbours`, for wide ones.

        A thousand neighbours of each of 761,757 images take 3 GB here; as a ranking they would take
        9 GB, most of it for scores that nobody asks for. Where wider ones are kept, these are cut
        from them; nothing wider than asked is computed. An approximate search of more finds the
        nearest of them at least as well.

        Args:
            size: how many, with the image itself, at least 1; as many as there are, if fewer.
            scored: of how many the similarity is kept, the image itself not counted.

        Returns:
            (N, size) int32 positions, -1 pads; (N, scored) float32, the similarity to those in
            columns 1 to scored, -inf for pads. Both may be memory maps.

        Raises:
            InputError: if size < 1.
        """
        if size < 1:
            raise InputError(f"a neighbourhood of {size} images holds not even its own")
        size = min(size, max(len(self), 1))
        scored = min(scored, size - 1)
        width, similar = self._enough(size, scored)

        def fill(arrays: Arrays) -> None:
            for start in range(0, len(self), _BLOCK):
                own = np.arange(start, min(start + _BLOCK, len(self)), dtype=np.int64)
                found = without_self(self.search(self.index[own], width), own)
                arrays["ids"][own, 0], arrays["ids"][own, 1:] = own, found.ids
                arrays["scores"][own] = found.scores[:, :similar]
                self.told("neighbourhoods", int(own[-1]) + 1, len(self))

        layout = {"ids": ((len(self), width), "int32"), "scores": ((len(self), similar), "float32")}
        kept = self.shelf.once(f"neighbourhoods-{width}-{similar}", layout, fill)
        return kept["ids"][:, :size], kept["scores"][:, :scored]

    def _enough(self, size: int, scored: int) -> tuple[int, int]:
        """How wide the narrowest neighbourhoods are that hold these, and how many scores they have.

        Those that are kept; if none of them is wide enough, those that are to be computed.
        """
        named = (_NEIGHBOURHOODS.fullmatch(name) for name in self.shelf.names())
        kept = [(int(match[1]), int(match[2])) for match in named if match]
        enough = [one for one in kept if one[0] >= size and one[1] >= scored]
        return min(enough, default=(size, min(max(scored, _WIDTH), size - 1)))
