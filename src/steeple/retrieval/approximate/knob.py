"""The one knob that every kind of FAISS index has, turned for each search by itself."""

from __future__ import annotations

import math
from threading import Lock
from typing import Any

import numpy as np

from steeple.retrieval.products import load_faiss
from steeple.retrieval.types import Floats, Ids

__all__ = ["Knob", "innermost"]

_STEP = 2**0.5  # from one number of probes to the next
# Measured on codes of 64 to 2,048 bytes: 0.14 ns a byte, and what a code costs by itself.
_PER_CODE = 64  # bytes that could have been read instead
_SCATTERED = 2  # bytes read here and there cost as much as so many read in a row


class Knob:
    """What probes turn in one FAISS index, whatever that is wrapped in.

    Probes go with each search as its parameters, so that searches of several threads do not turn
    each other's. The few kinds of index that take none are turned themselves, one search at a time.

    Args:
        index: a FAISS index.
    """

    def __init__(self, index: Any) -> None:
        self._whole = index  # which owns what is inside
        self._at = innermost(index)
        self.name = "nprobe" if hasattr(self._at, "nprobe") else ""
        if hasattr(self._at, "hnsw"):
            self.name = "efSearch"
        self._turning = None if _takes_parameters(self._at) else Lock()

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

    def search(self, queries: Floats, candidates: int, probes: int) -> Ids:
        """What the index proposes.

        Args:
            queries: (Q, D) float32.
            candidates: images for each.
            probes: how hard to look; at least 1 and at most all are made.

        Returns:
            (Q, candidates) positions; -1 pads.
        """
        probes = min(max(probes, 1), max(self.most, 1))
        if self._turning is None:
            parameters = self.parameters(probes)
            _, ids = self._whole.search(queries, candidates, params=parameters)
        else:
            with self._turning:
                self._turn(probes)
                _, ids = self._whole.search(queries, candidates)
        return np.asarray(ids, dtype=np.int64)

    def parameters(self, probes: int) -> Any:
        """FAISS's parameters of one search; None for an index that has nothing to turn.

        Args:
            probes: at least 1, at most all there are.
        """
        return _parameters(self._whole, probes) if self.name else None

    def cost(self, probes: int, candidates: int, dimension: int) -> float:
        """Bytes that a search reads, about: of codes, and of what is refined."""
        inner = self._at
        if hasattr(inner, "hnsw"):
            inner = load_faiss().downcast_index(inner.storage)
        code = int(getattr(inner, "code_size", 4 * dimension))
        refined = min(candidates, self._at.ntotal) * 4 * dimension
        return float(self._visited(probes) * (code + _PER_CODE) + _SCATTERED * refined)

    def _visited(self, probes: int) -> float:
        """How many images a search compares with, about."""
        if self.name == "nprobe":
            return float(min(probes, self.most) * self._at.ntotal / max(self.most, 1))
        if self.name == "efSearch":  # each image kept in view brings its links, half of them seen
            return float(min(probes * self._at.hnsw.nb_neighbors(0) / 2, self._at.ntotal))
        return float(self._at.ntotal)

    def _turn(self, probes: int) -> None:
        if self.name == "efSearch":
            self._at.hnsw.efSearch = probes
        else:
            self._at.nprobe = probes
            quantizer = load_faiss().downcast_index(self._at.quantizer)
            if hasattr(quantizer, "hnsw"):
                quantizer.hnsw.efSearch = _width(probes)


def innermost(index: Any) -> Any:
    """The index that does the work, without what transforms, renames or refines around it."""
    faiss = load_faiss()
    index = faiss.downcast_index(index)
    for wrapped in ("index", "base_index"):
        inner = getattr(index, wrapped, None)
        if isinstance(inner, faiss.Index):
            return innermost(inner)
    return index


def _takes_parameters(index: Any) -> bool:
    """Whether FAISS lets an index be searched with parameters; two kinds refuse them."""
    faiss = load_faiss()
    if hasattr(index, "hnsw"):  # IndexHNSW2Level, which Python sees as any other graph
        return not isinstance(faiss.downcast_index(index.storage), faiss.Index2Layer)
    return not isinstance(index, faiss.IndexIVFAdditiveQuantizerFastScan)


def _parameters(index: Any, probes: int) -> Any:
    faiss = load_faiss()
    index = faiss.downcast_index(index)
    if isinstance(index, faiss.IndexPreTransform):
        return faiss.SearchParametersPreTransform(index_params=_parameters(index.index, probes))
    if isinstance(index, faiss.IndexRefine):
        return faiss.IndexRefineSearchParameters(
            k_factor=index.k_factor, base_index_params=_parameters(index.base_index, probes)
        )
    if hasattr(index, "hnsw"):
        return faiss.SearchParametersHNSW(efSearch=probes)
    if hasattr(faiss.downcast_index(index.quantizer), "hnsw"):
        walking = faiss.SearchParametersHNSW(efSearch=_width(probes))
        return faiss.SearchParametersIVF(nprobe=probes, quantizer_params=walking)
    return faiss.SearchParametersIVF(nprobe=probes)


def _width(lists: int) -> int:
    """Lists that are found by walking a graph of their centres are to be found reliably."""
    return max(64, 2 * lists)
