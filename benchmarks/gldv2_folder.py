"""What the stages of the rehearsal leave behind for each other: arrays in a folder."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from steeple.retrieval.leaving_out import without_self
from steeple.retrieval.offline.graph import IndexGraph, Neighbourhoods
from steeple.retrieval.types import Floats, Ids, Ranking, Votes

__all__ = ["Folder", "StoredGraph", "Teller"]

WIDEST, SCORED = 1000, 100  # as wide as diffusion, and as many scores as traversal, asks for
_ROWS = 1 << 13  # images searched for at a time

Filled = npt.NDArray[Any]


@dataclass
class Teller:
    """Says how far work is, every ten seconds."""

    last: float = 0.0

    def __call__(self, what: str, done: int, total: int) -> None:
        """Prints a line, unless the last one is not long ago."""
        now = time.monotonic()
        if done == total or now - self.last > 10:
            self.last = now
            print(f"  {what}: {done:,} of {total:,}", file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Folder:
    """Arrays of one run by name.

    Args:
        path: where they lie.
    """

    path: Path

    def save_ranking(self, name: str, ranking: Ranking) -> None:
        """Keeps a ranking."""
        np.save(self.path / f"{name}-ids.npy", ranking.ids)
        np.save(self.path / f"{name}-scores.npy", ranking.scores)

    def ranking(self, name: str) -> Ranking:
        """A ranking that was kept."""
        ids, scores = (np.load(self.path / f"{name}-{kind}.npy") for kind in ("ids", "scores"))
        return Ranking(ids, scores)

    def save_votes(self, name: str, votes: Votes) -> None:
        """Keeps votes."""
        np.save(self.path / f"{name}-labels.npy", votes.labels)
        np.save(self.path / f"{name}-scores.npy", votes.scores)

    def votes(self, name: str) -> Votes:
        """Votes that were kept."""
        labels, scores = (
            np.load(self.path / f"{name}-{kind}.npy") for kind in ("labels", "scores")
        )
        return Votes(labels, scores)

    def fill(
        self,
        name: str,
        columns: Mapping[str, tuple[tuple[int, ...], npt.DTypeLike]],
        compute: Callable[[Ids], Sequence[Filled]],
    ) -> int:
        """Computes arrays block by block, and goes on where an earlier run stopped.

        Args:
            name: of the arrays.
            columns: the shape and dtype of each array; the first number is that of the rows.
            compute: from the positions of some rows to those rows of each array.

        Returns:
            How many rows were computed now.
        """
        marker = self.marker(name)
        first = int(marker.read_text()) if marker.exists() else 0
        arrays = []
        for column, (shape, kind) in columns.items():
            path, mode = self.path / f"{name}-{column}.npy", "r+" if first else "w+"
            arrays.append(np.lib.format.open_memmap(path, mode=mode, dtype=kind, shape=shape))
        rows, tell = len(arrays[0]), Teller()
        for start in range(first, rows, _ROWS):
            own = np.arange(start, min(start + _ROWS, rows), dtype=np.int64)
            for array, values in zip(arrays, compute(own), strict=True):
                array[start : start + len(own)] = values
                array.flush()
            marker.write_text(f"{start + len(own)}")
            tell(name, start + len(own), rows)
        return rows - first

    def marker(self, name: str) -> Path:
        """The file that says how many rows of arrays are done."""
        return self.path / f"{name}.done"


class StoredGraph(IndexGraph):
    """The index's neighbours from one pass, of which every method takes as many as it asks for."""

    @staticmethod
    def store(folder: Folder, graph: IndexGraph) -> int:
        """Computes them with the search of a graph; how many rows were computed now."""
        width = min(WIDEST, len(graph))
        scored = min(SCORED, width - 1)

        def compute(own: Ids) -> tuple[Filled, Filled]:
            found = without_self(graph.search(graph.index[own], width), own)
            ids = np.concatenate([own[:, None], found.ids], axis=1)
            return ids, found.scores[:, :scored]

        columns = {
            "ids": ((len(graph), width), np.int32),
            "scores": ((len(graph), scored), np.float32),
        }
        return folder.fill("graph", columns, compute)

    def hold(self, folder: Folder) -> StoredGraph:
        """This graph, with what was stored in a folder."""
        self._ids, self._scores = (
            np.load(folder.path / f"graph-{column}.npy", mmap_mode="r")
            for column in ("ids", "scores")
        )
        return self

    def neighbours(self, k: int) -> Ranking:
        """The k nearest index images of every index image, which is not among its own."""
        if k > self._scores.shape[1]:
            return super().neighbours(k)
        return Ranking(self._ids[:, 1 : k + 1], self._scores[:, :k])

    def neighbourhoods(self, size: int, scored: int) -> tuple[Neighbourhoods, Floats]:
        """The same with each image itself first, and the similarities of some."""
        if size > self._ids.shape[1] or scored > self._scores.shape[1]:
            return super().neighbourhoods(size, scored)
        return self._ids[:, :size], self._scores[:, : min(scored, size - 1)]
