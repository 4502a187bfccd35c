"""How hard an approximate index looks: the one knob that every kind of FAISS index has."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Effort", "Knob", "innermost", "least_effort"]


_REFINES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
_STEP = 2**0.5  # from one number of probes to the next
# Measured on codes of 64 to 2,048 bytes: 0.14 ns a byte, and what a code costs by itself.
_PER_CODE = 64  # bytes that could have been read instead
_SCATTERED = 2  # bytes read here and there cost as much as so many read in a row
_NO_MORE = 0.001  # less recall than this is no gain


@dataclass(frozen=True)
class Effort:
    """How much of an index a search looks at, and how much of what it finds is looked at again.

    Args:
        probes: lists visited (IVF: nprobe), or images kept in view while walking (HNSW: efSearch).
        refine: candidates per image asked for; their exact scores decide which are kept.
    """

    probes: int = 32
    refine: int = 4


class Knob:
    """What `Effort.probes` turns in one FAISS index, whatever that is wrapped in.

    Args:
        index: a FAISS index.
    """

    def __init__(self, index: Any) -> None:
        self._whole = index  # which owns what is inside
        self._at = innermost(index)
        self.name = "nprobe" if hasattr(self._at, "nprobe") else ""
        if hasattr(self._at, "hnsw"):
            self.name = "efSearch"

    @property
    def most(self) -> int:
        """The most probes that make a difference; 0 where none do."""
        if self.name == "nprobe":
            return int(self._at.nlist)
        return int(self._at.ntotal) if self.name else 0

    def steps(self, k: int) -> list[int]:
        """Probes worth trying for k images, each 1.4 times the last, up to all there are."""
        least = {"": 0, "nprobe": 1, "efSearch": k}[self.name]
        steps = [min(least, self.most)]
        while steps[-1] < self.most:
            steps.append(min(math.ceil(_STEP * steps[-1]), self.most))
        return steps

    def turn(self, probes: int) -> None:
        """Sets the probes of the searches to come."""
        if self.name == "nprobe":
            self._at.nprobe = min(max(probes, 1), max(self.most, 1))
            _look_harder(self._at.quantizer, self._at.nprobe)
        elif self.name == "efSearch":
            self._at.hnsw.efSearch = max(probes, 1)

    def cost(self, effort: Effort, k: int, dimension: int) -> float:
        """Bytes that a search for k images reads, about: of codes, and of what is refined."""
        inner = self._at
        if hasattr(inner, "hnsw"):
            import faiss

            inner = faiss.downcast_index(inner.storage)
        code = int(getattr(inner, "code_size", 4 * dimension))
        refined = min(k * effort.refine, self._at.ntotal) * 4 * dimension
        return float(self._visited(effort.probes) * (code + _PER_CODE) + _SCATTERED * refined)

    def _visited(self, probes: int) -> float:
        """How many images a search compares with, about."""
        if self.name == "nprobe":
            return float(min(probes, self.most) * self._at.ntotal / max(self.most, 1))
        if self.name == "efSearch":  # each image kept in view brings its links, half of them seen
            return float(min(probes * self._at.hnsw.nb_neighbors(0) / 2, self._at.ntotal))
        return float(self._at.ntotal)


def least_effort(
    knob: Knob, k: int, dimension: int, *, measure: Callable[[Effort], float], wanted: float
) -> tuple[Effort, float]:
    """The cheapest effort that reaches a recall, or the one that comes closest.

    Every number of probes is tried with more and more to refine, until the recall is reached, or
    refining more gains nothing, or it costs more than the best so far.

    Args:
        knob: of the index.
        k: images asked for.
        dimension: of the descriptors.
        measure: the recall of an effort.
        wanted: the recall, between 0 and 1.

    Returns:
        The effort and its recall.
    """
    best, reached, cheapest = Effort(), -1.0, float("inf")
    for probes in knob.steps(k):
        before = -1.0
        for refine in _REFINES:
            effort = Effort(probes, refine)
            cost = knob.cost(effort, k, dimension)
            if cost >= cheapest:
                break
            value = measure(effort)
            if value >= wanted:
                best, reached, cheapest = effort, value, cost
                break
            if value > reached and cheapest == float("inf"):
                best, reached = effort, value
            if value - before < _NO_MORE:
                break
            before = value
    return best, reached


def _look_harder(quantizer: Any, lists: int) -> None:
    """Lists that are found by walking a graph of their centres are to be found reliably."""
    import faiss

    quantizer = faiss.downcast_index(quantizer)
    if hasattr(quantizer, "hnsw"):
        quantizer.hnsw.efSearch = max(64, 2 * lists)


def innermost(index: Any) -> Any:
    """The index that does the work, without what transforms, renames or refines around it."""
    import faiss

    index = faiss.downcast_index(index)
    for wrapped in ("index", "base_index"):
        inner = getattr(index, wrapped, None)
        if isinstance(inner, faiss.Index):
            return innermost(inner)
    return index
