"""Exact nearest neighbours by inner product, in blocks.

FAISS multiplies and selects; what is ours is what it does not promise: the index may lie in many
pieces (memory maps, holes), equal scores keep the order of the index, a list depends on nothing but
its query and the index (`nearest`), and work space is bounded.
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
from steeple.retrieval.nearest import improve
from steeple.retrieval.types import PAD, Floats, Ids, Ranking

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
            the search is large. On a GPU, scores differ by rounding, and so may the order of what
            differs by no more.

    Returns:
        Ranking of shape (Q, k), scores descending; equal scores in the order of the index; padded
        with -1 (score -inf) where the index has fewer than k images. A score depends on its query
        and its image alone, to the last bit: equal images score equally, and a query finds the
        same alone or among others, whatever the memory.

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
    # What is read in place costs its ids, and the scores of a query that is compared with all of
    # it; what is converted costs two blocks, this and the next.
    rows = memory // (128 if _in_place(index) else 32 * max(index.shape[1], 1))
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
    for ids, vectors in blocks:
        improve(best, queries, ids, vectors, memory=memory // 4 * 3)  # the rest makes the blocks
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
