"""Exact neighbours on a GPU, through PyTorch: the same search, and the same order of equals.

Pieces of the index are copied to the GPU while the piece before is searched. Products are full
float32; the shortened factors that PyTorch calls TF32 would mix up close images.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from steeple.errors import InputError, MachineError
from steeple.extras import need
from steeple.retrieval.types import PAD, Floats, Ids, Ranking

if TYPE_CHECKING:
    from steeple.retrieval.neighbors import Block

__all__ = ["DEVICES", "TORCH_CPU", "choose_device", "improve_with_torch"]

DEVICES = ("auto", "cpu", "cuda")
"""Where neighbours may be searched."""

TORCH_CPU = "torch-cpu"
"""The code for GPUs on the processor: no faster than FAISS, but it can be tested everywhere."""

_LARGE = 1e12  # multiply-adds, some 10 s on two cores; less is not worth starting a GPU for
_GPU_SHARE = 2  # of the GPU's free memory, one half; others may want some

_Tensor: TypeAlias = Any
_Uploaded: TypeAlias = tuple[_Tensor, _Tensor, Any]


def choose_device(device: str, work: float) -> str:
    """Where a search runs.

    Args:
        device: "cpu", "cuda", or "auto": a GPU if the work is large and PyTorch has one.
        work: multiply-adds.

    Returns:
        "cpu" for FAISS, or where PyTorch is to search.

    Raises:
        InputError: if the name is unknown.
        MissingExtraError: if a GPU is asked for without PyTorch.
        MachineError: if a GPU is asked for and PyTorch sees none.
    """
    if device in ("cpu", TORCH_CPU):
        return device
    if device not in DEVICES:
        raise InputError(f"there is no device {device!r}; choose one of {', '.join(DEVICES)}")
    if device == "auto" and (work < _LARGE or importlib.util.find_spec("torch") is None):
        return "cpu"
    if need("torch", "torch").cuda.is_available():
        return "cuda"
    if device == "cuda":
        raise MachineError("PyTorch sees no GPU on this machine; use the device cpu")
    return "cpu"


def improve_with_torch(
    best: Ranking, queries: Floats, blocks: Iterable[Block], *, memory: int, device: str
) -> None:
    """Merges the images of largest inner product into the best so far, in place.

    Ids and the order of equals are those of `search_blocks`, scores up to rounding.

    Args:
        best: (Q, k), pads at first.
        queries: (Q, D) float32 descriptors.
        blocks: pieces of the index; ids ascend.
        memory: bytes of work space on the host; on the GPU, half of what is free is used.
        device: "cuda", or `TORCH_CPU`.
    """
    if not len(queries):
        return
    searcher = _Searcher(best.ids.shape[1], "cpu" if device == TORCH_CPU else device, memory)
    rows = searcher.rows(queries.shape[1])
    with searcher.full_precision(), ThreadPoolExecutor(1) as copying:
        # The next piece is taken here and copied over there, while the GPU has this one.
        waiting = None
        for ids, vectors in _cut(blocks, rows):
            coming = copying.submit(searcher.upload, ids, vectors)
            if waiting is not None:
                searcher.improve(best, queries, waiting.result())
            waiting = coming
        if waiting is not None:
            searcher.improve(best, queries, waiting.result())


class _Searcher:
    """One search on one device."""

    def __init__(self, k: int, device: str, memory: int) -> None:
        self._torch: Any = need("torch", "torch")
        self._k = k
        self._device = device
        self._memory = memory
        self._room = memory
        self._stream: Any = None
        if device != "cpu":
            self._room = self._torch.cuda.mem_get_info()[0] // _GPU_SHARE
            self._stream = self._torch.cuda.Stream()

    def rows(self, dimension: int) -> int:
        """Index images a piece: two of them lie on the GPU, and two on the host."""
        return int(max(1, min(self._room // 8, self._memory // 4) // (4 * dimension)))

    @contextmanager
    def full_precision(self) -> Iterator[None]:
        """No TF32, and nothing kept for gradients; what the caller had set comes back."""
        torch = self._torch
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("highest")
        try:
            with torch.inference_mode():
                yield
        finally:
            torch.set_float32_matmul_precision(before)

    def upload(self, ids: Ids, vectors: Floats) -> _Uploaded:
        """Starts copying a piece; the event says when it has arrived."""
        if self._stream is None:
            return self._copy(ids), self._copy(vectors), None
        with self._torch.cuda.stream(self._stream):
            return self._copy(ids), self._copy(vectors), self._stream.record_event()

    def improve(self, best: Ranking, queries: Floats, piece: _Uploaded) -> None:
        """Searches a piece and merges what it finds into the best so far, in place."""
        ids, vectors, arrived = piece
        if arrived is not None:
            current = self._torch.cuda.current_stream()
            current.wait_event(arrived)
            for tensor in (ids, vectors):
                tensor.record_stream(current)
        # Per query its scores, twice over while the best are selected, and its candidates.
        step = int(max(1, self._room // 4 // (8 * len(ids) + 48 * (self._k + 1))))
        for start in range(0, len(queries), step):
            part = slice(start, start + step)
            positions, scores = self._select(self._copy(queries[part]) @ vectors.T)
            named = ids[positions].masked_fill_(scores == -np.inf, PAD)
            self._merge(best, part, named, scores)

    def _select(self, scores: _Tensor) -> tuple[_Tensor, _Tensor]:
        """The k best positions of each row and their scores; of equals the first."""
        torch, k = self._torch, self._k
        scores.nan_to_num_(nan=-np.inf, posinf=np.inf, neginf=-np.inf)
        width = min(k + 1, scores.shape[1])
        values, positions = scores.topk(width, dim=1)
        # topk returns equals in any order, and any of them where the list ends.
        positions, order = positions.sort(dim=1)
        values, order = values.gather(1, order).sort(dim=1, descending=True, stable=True)
        positions = positions.gather(1, order)
        if width <= k:
            return positions, values
        tied = torch.nonzero(values[:, k - 1] == values[:, k])[:, 0]
        values, positions = values[:, :k].contiguous(), positions[:, :k].contiguous()
        rows = int(max(1, self._room // 4 // (32 * scores.shape[1])))
        for some in tied.split(rows) if len(tied) else ():
            ordered, places = scores[some].sort(dim=1, descending=True, stable=True)
            values[some], positions[some] = ordered[:, :k], places[:, :k]
        return positions, values

    def _merge(self, best: Ranking, part: slice, ids: _Tensor, scores: _Tensor) -> None:
        torch = self._torch
        all_ids = torch.cat([self._copy(best.ids[part]), ids], dim=1)
        all_scores = torch.cat([self._copy(best.scores[part]), scores], dim=1)
        values, order = all_scores.sort(dim=1, descending=True, stable=True)
        best.ids[part] = all_ids.gather(1, order[:, : self._k]).cpu().numpy()
        best.scores[part] = values[:, : self._k].cpu().numpy()

    def _copy(self, array: Any) -> _Tensor:
        """An array on the device; by way of memory that the GPU reads by itself."""
        torch = self._torch
        kind = torch.int64 if array.dtype == np.int64 else torch.float32
        here = torch.empty(array.shape, dtype=kind, pin_memory=self._stream is not None)
        here.numpy()[...] = array  # not from_numpy: what is mapped is read-only
        return here.to(self._device, non_blocking=True)


def _cut(blocks: Iterable[Block], rows: int) -> Iterator[Block]:
    for ids, vectors in blocks:
        for start in range(0, len(ids), rows):
            yield ids[start : start + rows], vectors[start : start + rows]
