"""Where what is computed once for an index is kept, so that every query finds it there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Arrays", "Layout", "MemoryShelf", "Shelf", "fits", "spell"]

Arrays: TypeAlias = Mapping[str, npt.NDArray[Any]]
"""Arrays by name, of one thing that was computed."""

Layout: TypeAlias = Mapping[str, tuple[tuple[int, ...], str]]
"""The shape and the dtype of each of them, before they are computed."""


def spell(number: float) -> str:
    """A number as part of a name: all its digits, so that no two numbers share a name."""
    return repr(float(number)).replace("+", "")


def fits(arrays: Arrays, layout: Layout) -> bool:
    """Whether arrays are those of a layout: the same names, shapes and dtypes, and no more."""
    return {key: (array.shape, array.dtype) for key, array in arrays.items()} == {
        key: (tuple(shape), np.dtype(dtype)) for key, (shape, dtype) in layout.items()
    }


class Shelf(Protocol):
    """Keeps arrays by name: in memory, or in a folder of files that are mapped."""

    def once(self, name: str, layout: Layout, fill: Callable[[Arrays], None]) -> Arrays:
        """The arrays of a name; computed now if they are not there.

        Args:
            name: letters, digits, dots and hyphens; whatever the arrays depend on, beside the index
                itself, is part of it.
            layout: their shapes and dtypes.
            fill: writes them; what it gets holds zeros. Nothing is kept if it fails.
        """

    def names(self) -> set[str]:
        """What is kept now; others may add to it and take from it at any time."""


class MemoryShelf:
    """A shelf as long as its owner lives."""

    def __init__(self) -> None:
        self._kept: dict[str, Arrays] = {}

    def once(self, name: str, layout: Layout, fill: Callable[[Arrays], None]) -> Arrays:
        """The arrays of a name; computed now if they are not there, or of another layout.

        Args:
            name: of the arrays.
            layout: their shapes and dtypes.
            fill: writes them; what it gets holds zeros.
        """
        found = self._kept.get(name)
        if found is None or not fits(found, layout):
            found = {key: np.zeros(shape, dtype) for key, (shape, dtype) in layout.items()}
            fill(found)
            self._kept[name] = found
        return found

    def names(self) -> set[str]:
        """What is kept."""
        return set(self._kept)
