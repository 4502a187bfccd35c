"""Exact nearest neighbours by inner product, in blocks.

FAISS multiplies and selects; what is ours is what it does not promise: the index may lie in many
pieces (memory maps, holes), equal scores keep the order of the index, and work space is bounded.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from steeple.errors import InputError
from steeple.retrieval.types import PAD, Floats, Ids, Ranking
from steeple.threads import threads_for

__all__ = ["MEMORY", "Block", "as_descriptors", "search_blocks", "search_neighbors"]

MEMORY = 1 << 28
"""Bytes of work space a search may use beside its input and its result, unless told otherwise."""

_FAISS_ROW = 4096  # bytes per query of FAISS's matrix product: 1024 index images at a time

Block: TypeAlias = tuple[Ids, Floats]
"""Some images of an index: their ids (n,), strictly ascending, and their descriptors (n, D)."""


def search_neighbors(
    queries: npt.ArrayLike, index: npt.ArrayLike, k: int, *, memory: int = MEMORY
) -> Ranking:
    """The k index images of largest inner product for each query, exactly.

    Args:
        queries: (Q, D) float32 descriptors.
        index: (N, D) float32 descriptors; a memory map is read in place, piece by piece. Other
            real types are converted block by block. A descriptor that holds NaN is never found.
        k: how many images to find, at least 1.
        memory: bytes of work space beside the input and the result.

    Returns:
        Ranking of shape (Q, k), scores descending; equal scores in the order of the index; padded
        with -1 (score -inf) where the index has fewer than k images.

    Raises:
        InputError: if the arrays do not fit together, hold NaN in the queries, or k < 1.
    """
    queries = as_descriptors(queries, "queries")
    if not isinstance(index, np.ndarray):
        index = _to_array(index, "index descriptors")
    if index.ndim != 2 or (index.shape[1] != queries.shape[1] and len(index)):
        raise InputError(
            f"the index has shape {index.shape}; queries of shape {queries.shape} need "
            f"(images, {queries.shape[1]})"
        )
    if index.dtype.kind not in "fiub":
        raise InputError(f"the index holds {index.dtype}; descriptors are real numbers")
    # What is read in place costs its ids; what is converted costs two blocks, this and the next.
    whole = index.dtype == np.float32 and index.flags.c_contiguous
    rows = max(1, memory // (64 if whole else 32 * max(index.shape[1], 1)))
    blocks = (
        (
            np.arange(start, min(start + rows, len(index)), dtype=np.int64),
            np.ascontiguousarray(index[start : start + rows], dtype=np.float32),
        )
        for start in range(0, len(index), rows)
    )
    return search_blocks(queries, blocks, k, memory=memory)


def search_blocks(
    queries: Floats, blocks: Iterable[Block], k: int, *, memory: int = MEMORY
) -> Ranking:
    """The same over an index that arrives in pieces, such as the segments of a collection.

    Args:
        queries: (Q, D) float32 descriptors.
        blocks: pieces of the index; ids ascend within a piece and from piece to piece. Each piece
            is float32, C-contiguous, and read once.
        k: how many images to find, at least 1.
        memory: bytes of work space beside the input and the result.

    Returns:
        Ranking of shape (Q, k) as `search_neighbors` gives it, with the ids of the blocks.

    Raises:
        InputError: if k < 1.
    """
    if k < 1:
        raise InputError(f"k is {k}; at least one image must be asked for")
    best = Ranking(
        np.full((len(queries), k), PAD, dtype=np.int64),
        np.full((len(queries), k), -np.inf, dtype=np.float32),
    )
    # Per query: a row of FAISS's matrix product, and per candidate id and score from FAISS, both
    # again while merging, and the sort. A quarter is left to whoever makes the blocks.
    step = max(1, memory // 4 * 3 // (_FAISS_ROW + 96 * (k + 1)))
    for ids, vectors in blocks:
        if not len(ids):
            continue
        for start in range(0, len(queries), step):
            part = slice(start, start + step)
            found = _search_one(queries[part], vectors, k, memory)
            named = np.where(found.ids == PAD, PAD, ids[found.ids])
            _merge(best, part, named, found.scores)
    return best


def as_descriptors(array: npt.ArrayLike, name: str) -> Floats:
    """Checks an array of descriptors from outside and makes it C-contiguous float32.

    Args:
        array: (n, D), any real type.
        name: what to call it in the error.

    Returns:
        (n, D) float32, the same memory where nothing had to change.

    Raises:
        InputError: if it is not two-dimensional or holds NaN or infinity.
    """
    out = _to_array(array, name)
    if np.ndim(array) != 2 or not out.shape[1]:
        raise InputError(f"{name} have shape {np.shape(array)}; expected (images, dimension)")
    # The extremes show NaN and infinity without a mask as large as a quarter of the array.
    if not (np.isfinite(out.max(initial=0)) and np.isfinite(out.min(initial=0))):
        row = next(row for row, values in enumerate(out) if not np.isfinite(values).all())
        raise InputError(f"{name} hold NaN or infinity, first in row {row}; embed that image again")
    return out


def _to_array(array: npt.ArrayLike, name: str) -> Floats:
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows becomes infinity
            return np.ascontiguousarray(array, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} are no array of real numbers ({error})") from error


def _search_one(queries: Floats, vectors: Floats, k: int, memory: int) -> Ranking:
    """Searches one contiguous piece; ids are positions in the piece."""
    import faiss

    # One more than asked shows whether a tie crosses the end of the list; FAISS would then keep
    # an arbitrary one of the equals.
    width = min(k + 1, len(vectors))
    with threads_for(queries.size * len(vectors)):
        scores, ids = faiss.knn(queries, vectors, width, metric=faiss.METRIC_INNER_PRODUCT)
    scores[ids == PAD] = -np.inf  # where only images with NaN were left
    order = np.lexsort((ids, -scores), axis=1)
    ids = np.take_along_axis(ids, order, axis=1)
    scores = np.take_along_axis(scores, order, axis=1)
    if width > k:
        tied = np.flatnonzero(scores[:, k - 1] == scores[:, k])
        ids, scores = ids[:, :k], scores[:, :k]
        rows = max(1, memory // (32 * len(vectors)))
        for start in range(0, len(tied), rows):
            some = tied[start : start + rows]
            ids[some], scores[some] = _select_all(queries[some], vectors, k)
    return Ranking(ids, scores)


def _select_all(queries: Floats, vectors: Floats, k: int) -> tuple[Ids, Floats]:
    """Computes every score and looks at all that reach the k-th: slow, and right about ties."""
    with np.errstate(invalid="ignore"):
        all_scores = queries @ vectors.T
    all_scores[np.isnan(all_scores)] = -np.inf
    ids = np.empty((len(queries), k), dtype=np.int64)
    scores = np.empty((len(queries), k), dtype=np.float32)
    for row, values in enumerate(all_scores):
        least = np.partition(values, len(values) - k)[len(values) - k]
        reach = np.flatnonzero(values >= least)
        ids[row] = reach[np.argsort(-values[reach], kind="stable")[:k]]
        scores[row] = values[ids[row]]
    ids[scores == -np.inf] = PAD
    return ids, scores


def _merge(best: Ranking, part: slice, ids: Ids, scores: Floats) -> None:
    """Merges a later piece into the best so far, in place; at equal scores the earlier stays."""
    k = best.ids.shape[1]
    all_ids = np.concatenate([best.ids[part], ids], axis=1)
    all_scores = np.concatenate([best.scores[part], scores], axis=1)
    # Pads score -inf, so they end up last; a stable sort keeps earlier pieces first.
    order = np.argsort(-all_scores, axis=1, kind="stable")[:, :k]
    best.ids[part] = np.take_along_axis(all_ids, order, axis=1)
    best.scores[part] = np.take_along_axis(all_scores, order, axis=1)
