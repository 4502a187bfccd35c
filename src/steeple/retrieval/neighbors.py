"""Exact nearest neighbours by inner product, in blocks.

FAISS multiplies and selects; what is ours is what it does not promise: the index may lie in many
pieces (memory maps, holes), equal scores keep the order of the index, and work space is bounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from steeple.errors import InputError
from steeple.retrieval.descriptors import Descriptors
from steeple.retrieval.gpu import choose_device, improve_with_torch
from steeple.retrieval.types import PAD, Floats, Ids, Ranking
from steeple.threads import threads_for

__all__ = [
    "MEMORY",
    "Block",
    "as_descriptors",
    "blocks_of",
    "empty_ranking",
    "search_blocks",
    "search_neighbors",
]

MEMORY = 1 << 28
"""Bytes of work space a search may use beside its input and its result, unless told otherwise."""

_PIECE = 1 << 29  # bytes of an index that is read in place, at a time
_TOGETHER = 4096  # index images that FAISS multiplies at a time; its own 1024 waits more

Block: TypeAlias = tuple[Ids, Floats]
"""Some images of an index: their ids (n,), strictly ascending, and their descriptors (n, D)."""


def search_neighbors(
    queries: npt.ArrayLike,
    index: npt.ArrayLike,
    k: int,
    *,
    memory: int = MEMORY,
    device: str = "cpu",
) -> Ranking:
    """The k index images of largest inner product for each query, exactly.

    Args:
        queries: (Q, D) float32 descriptors.
        index: (N, D) float32 descriptors. Of both, a memory map is read in place, piece by piece,
            and other real types are converted block by block. An index descriptor that holds NaN
            is never found.
        k: how many images to find, at least 1.
        memory: bytes of work space beside the input and the result.
        device: "cpu"; "cuda" for a GPU that PyTorch sees; or "auto", which takes such a GPU where
            the search is large. On a GPU, scores differ by rounding.

    Returns:
        Ranking of shape (Q, k), scores descending; equal scores in the order of the index; padded
        with -1 (score -inf) where the index has fewer than k images.

    Raises:
        InputError: if the arrays do not fit together, hold NaN in the queries, or k < 1.
        MachineError: if a GPU is asked for and there is none.
    """
    if not isinstance(queries, np.ndarray) or queries.ndim != 2 or not queries.size:
        queries = as_descriptors(queries, "queries")
    if not isinstance(index, np.ndarray):
        index = _to_array(index, "index descriptors")
    _check_index(index, queries)
    device = choose_device(device, float(queries.size) * len(index))
    # What is read in place costs its ids; what is converted costs two blocks, this and the next.
    rows = memory // (64 if _in_place(index) else 32 * max(index.shape[1], 1))
    # A piece is searched by all queries while it is in memory, even if the index does not fit.
    rows = max(1, min(rows, _PIECE // (4 * max(index.shape[1], 1))))
    step = len(queries) if _in_place(queries) else max(1, memory // 4 // (4 * queries.shape[1]))

    def search(start: int) -> Ranking:
        some = as_descriptors(queries[start : start + step], "queries", first=start)
        return search_blocks(some, blocks_of(index, rows), k, memory=memory, device=device)

    if len(queries) <= step:
        return search(0)
    out = empty_ranking(len(queries), k)
    for start in range(0, len(queries), step):
        found = search(start)
        out.ids[start : start + step], out.scores[start : start + step] = found.ids, found.scores
    return out


def blocks_of(descriptors: Descriptors, rows: int) -> Iterator[Block]:
    """Descriptors in pieces, as `search_blocks` takes them.

    Args:
        descriptors: (N, D); an array of any real type is sliced, everything else is asked.
        rows: images a piece, at least 1.
    """
    for start in range(0, len(descriptors), rows):
        ids = np.arange(start, min(start + rows, len(descriptors)), dtype=np.int64)
        if isinstance(descriptors, np.ndarray):
            vectors = descriptors[start : start + rows]
        else:
            vectors = descriptors[ids]
        yield ids, np.ascontiguousarray(vectors, dtype=np.float32)


def search_blocks(
    queries: Floats,
    blocks: Iterable[Block],
    k: int,
    *,
    memory: int = MEMORY,
    device: str = "cpu",
) -> Ranking:
    """The same over an index that arrives in pieces, such as the segments of a collection.

    Args:
        queries: (Q, D) float32 descriptors.
        blocks: pieces of the index; ids ascend within a piece and from piece to piece. Each piece
            is float32, C-contiguous, and read once.
        k: how many images to find, at least 1.
        memory: bytes of work space beside the input and the result.
        device: where to search; "auto" goes by the size of the first piece.

    Returns:
        Ranking of shape (Q, k) as `search_neighbors` gives it, with the ids of the blocks.

    Raises:
        InputError: if k < 1.
        MachineError: if a GPU is asked for and there is none.
    """
    best = empty_ranking(len(queries), k)
    pieces = iter(blocks)
    first = list(islice(pieces, 1)) if device == "auto" else []
    device = choose_device(device, float(queries.size) * sum(len(ids) for ids, _ in first))
    blocks = chain(first, pieces)
    if device != "cpu":
        improve_with_torch(best, queries, blocks, memory=memory, device=device)
        return best
    # Per query: a row of FAISS's matrix product, and per candidate id and score from FAISS, both
    # again while merging, and the sort. A quarter is left to whoever makes the blocks.
    step = max(1, memory // 4 * 3 // (4 * _TOGETHER + 96 * (k + 1)))
    for ids, vectors in blocks:
        if not len(ids):
            continue
        for start in range(0, len(queries), step):
            part = slice(start, start + step)
            found = _search_one(queries[part], vectors, k, memory)
            named = np.where(found.ids == PAD, PAD, ids[found.ids])
            _merge(best, part, named, found.scores)
    return best


def empty_ranking(queries: int, k: int) -> Ranking:
    """A ranking to be filled: pads of score -inf.

    Args:
        queries: how many.
        k: images for each, at least 1.

    Raises:
        InputError: if k < 1.
    """
    if k < 1:
        raise InputError(f"k is {k}; at least one image must be asked for")
    return Ranking(
        np.full((queries, k), PAD, dtype=np.int64),
        np.full((queries, k), -np.inf, dtype=np.float32),
    )


def as_descriptors(array: npt.ArrayLike, name: str, *, first: int = 0) -> Floats:
    """Checks an array of descriptors from outside and makes it C-contiguous float32.

    Args:
        array: (n, D), any real type.
        name: what to call it in the error.
        first: the row that the error counts from.

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
        row = next(row for row, values in enumerate(out, first) if not np.isfinite(values).all())
        raise InputError(f"{name} hold NaN or infinity, first in row {row}; embed that image again")
    return out


def _in_place(array: npt.NDArray[Any]) -> bool:
    return array.dtype == np.float32 and array.flags.c_contiguous


def _check_index(index: npt.NDArray[Any], queries: npt.NDArray[Any]) -> None:
    if index.ndim != 2 or (index.shape[1] != queries.shape[1] and len(index)):
        raise InputError(
            f"the index has shape {index.shape}; queries of shape {queries.shape} need "
            f"(images, {queries.shape[1]})"
        )
    if index.dtype.kind not in "fiub":
        raise InputError(f"the index holds {index.dtype}; descriptors are real numbers")


def _to_array(array: npt.ArrayLike, name: str) -> Floats:
    try:
        if np.iscomplexobj(array):
            raise TypeError("but of complex ones")
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
    usual = faiss.cvar.distance_compute_blas_database_bs
    faiss.cvar.distance_compute_blas_database_bs = _TOGETHER
    try:
        with threads_for(queries.size * len(vectors)):
            scores, ids = faiss.knn(queries, vectors, width, metric=faiss.METRIC_INNER_PRODUCT)
    finally:
        faiss.cvar.distance_compute_blas_database_bs = usual
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
