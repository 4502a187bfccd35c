"""An index as re-rankers see it: descriptors by position, and a function that searches them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

from steeple.retrieval.types import Floats, Ids, Ranking

__all__ = ["Descriptors", "Search"]

Search: TypeAlias = Callable[[Floats, int], Ranking]
"""The neighbours function: (Q, D) float32 descriptors and k to a Ranking over the index."""


class Descriptors(Protocol):
    """The descriptors of an index, wherever they lie."""

    def __len__(self) -> int:
        """N, the number of images."""

    def __getitem__(self, ids: Ids, /) -> Floats:
        """Descriptors by position: ids of any shape to that shape + (D,), float32."""
