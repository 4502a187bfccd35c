"""Inner products of single pairs, to the last bit, and how far a matrix product is from them.

A matrix product rounds a row by where it stands: edges of its blocks are multiplied by other code,
and few rows by other code than many. So it may propose, and what is compared in the end is computed
pair by pair. Two equal descriptors then have equal scores, whatever stands beside them.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from steeple.retrieval.types import Floats, Ids

__all__ = ["TOGETHER", "inner_products", "load_faiss", "longest", "margins"]

TOGETHER = 4096
"""Index images that FAISS multiplies at a time; its own 1024 waits more."""

_TINY = float(np.finfo(np.float32).tiny)
_UNIT = 2.0**-24  # what float32 is off by when it rounds, relatively


@lru_cache(maxsize=1)
def load_faiss() -> Any:
    """FAISS, with as many index images multiplied at a time as suits long indexes.

    That number belongs to the process, not to a search: it is set once, so that threads that
    search at the same time never find it, or leave it, otherwise.
    """
    import faiss

    faiss.cvar.distance_compute_blas_database_bs = TOGETHER
    return faiss


def inner_products(queries: Floats, vectors: Floats, ids: Ids) -> Floats:
    """The inner product of each query with some vectors, each computed for itself.

    Args:
        queries: (Q, D) float32, C-contiguous.
        vectors: (N, D) float32, C-contiguous; read where it lies, a memory map too.
        ids: (Q, n) rows of the vectors, each of 0 to N - 1.

    Returns:
        (Q, n) float32. A value depends on its two vectors alone, not on what else is asked for.
    """
    faiss = load_faiss()
    ids = np.ascontiguousarray(ids)
    scores = np.empty(ids.shape, dtype=np.float32)
    faiss.fvec_inner_products_by_idx(
        faiss.swig_ptr(scores),
        faiss.swig_ptr(queries),
        faiss.swig_ptr(vectors),
        faiss.swig_ptr(ids),
        queries.shape[1],
        *ids.shape,
    )
    return scores


def longest(vectors: Floats) -> float:
    """An upper bound of the lengths of some vectors, which takes one look at them.

    Args:
        vectors: (N, D) float32, C-contiguous. Left out are those that hold NaN or infinity, whose
            products come out the same however they are added, and any longer than 1e19.
    """
    faiss = load_faiss()
    squares = np.empty(len(vectors), dtype=np.float32)
    dimension = vectors.shape[1]
    faiss.fvec_norms_L2sqr(
        faiss.swig_ptr(squares), faiss.swig_ptr(vectors), dimension, len(vectors)
    )
    most = float(squares[np.isfinite(squares)].max(initial=0.0))
    return math.sqrt((most + dimension * _TINY) * (1 + 2 * dimension * _UNIT))


def margins(queries: Floats, length: float) -> npt.NDArray[np.float64]:
    """How far two computations of one inner product can be apart, whatever they add first.

    A sum of D products in float32 is off by at most g * |q| * |x|, where g = D * u / (1 - D * u)
    and u = 2^-24 (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1). Two such
    sums are apart by twice that: 6e-5 for descriptors of 512 dimensions and length 1. What falls
    below the least normal number may be lost on top of it, once a product.

    Args:
        queries: (Q, D) float32.
        length: at least that of every vector they are multiplied with.

    Returns:
        (Q,) float64.
    """
    dimension = queries.shape[1]
    error = dimension * _UNIT / (1 - dimension * _UNIT)
    lengths = np.sqrt(np.einsum("qd,qd->q", queries, queries, dtype=np.float64))
    return np.asarray(2 * (error * length * lengths + dimension * _TINY), dtype=np.float64)
