"""Searching in a file of descriptors: exactly, in blocks, or by an approximate index."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from steeple.retrieval.approximate.index import ApproximateIndex
from steeple.retrieval.neighbors import Block, search_blocks
from steeple.retrieval.types import PAD, Floats, Ids, Ranking

__all__ = ["Searched", "Searcher"]


class Searched(Protocol):
    """Images that can be searched."""

    def __len__(self) -> int:
        """How many."""

    def __getitem__(self, ids: Ids, /) -> Floats:
        """Descriptors by position: ids of any shape to that shape + (D,), float32."""

    def blocks(self, memory: int) -> Iterator[Block]:
        """All of them, piece by piece, each of at most so many bytes."""


@dataclass(frozen=True)
class Searcher:
    """Finds the nearest of some images.

    Args:
        images: those that are searched.
        memory: bytes of work space.
        device: what multiplies: ``cpu``, ``cuda``, or ``auto``.
        approximate: proposes candidates; None searches exactly.
        key: changes with the approximate index; part of the name of what is found and kept. Empty
            where everything is searched exactly.
    """

    images: Searched
    memory: int
    device: str = "cpu"
    approximate: ApproximateIndex | None = None
    key: str = ""

    def __call__(
        self, queries: Floats, k: int, told: Callable[[float], None] | None = None
    ) -> Ranking:
        """The k images nearest to each query.

        Where an approximate index proposes fewer than k for a query, though there are as many, that
        query is searched exactly.

        Args:
            queries: (Q, D) float32.
            k: how many.
            told: hears what share of the images has been compared.

        Returns:
            Ranking of shape (Q, k); equal scores in the order of the images; -1 pads.
        """
        if self.approximate is not None:
            found = self.approximate.search(queries, k, exact=self.images, memory=self.memory)
            short = (found.ids == PAD).sum(axis=1) > max(0, k - len(self.images))
            if short.any():
                best = self._exactly(queries[short], k, None)
                found.ids[short], found.scores[short] = best.ids, best.scores
            if told:
                told(1.0)
            return found
        return self._exactly(queries, k, told)

    def _exactly(self, queries: Floats, k: int, told: Callable[[float], None] | None) -> Ranking:
        # Half of the budget is for pieces that have to be converted, half for the search.
        blocks = self._counted(told)
        return search_blocks(queries, blocks, k, memory=self.memory // 2, device=self.device)

    def _counted(self, told: Callable[[float], None] | None) -> Iterator[Block]:
        for ids, vectors in self.images.blocks(self.memory // 2):
            yield ids, vectors
            if told:
                told((int(ids[-1]) + 1) / len(self.images))
