"""Descriptors in a file, as the rest of steeple reads them: float32, a piece at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from steeple.errors import InputError
from steeple.retrieval.neighbors import Block
from steeple.retrieval.types import Floats, Ids

__all__ = ["FileDescriptors"]

_LONGEST = 1 << 17  # rows of a block at most, so that progress is seen: 256 MB at 512 dimensions
_CHECKED = 1 << 13  # rows checked at a time: 16 MB at 512 dimensions, which caches nearly hold
_TOLERANCE = 0.01  # of a length; rounding to float16 changes one by 0.0005 at most
_SHORTEST = 1e-12


class FileDescriptors:
    """The descriptors of one file: (N, D), sliceable without loading.

    What lies in the file as float32 is read in place; other types are converted, and divided by
    their length if asked, as they are read.

    Args:
        array: (N, D) float16, float32 or float64; usually a memory map.
        name: what to call it in errors.
        normalize: divide each descriptor by its length.

    Raises:
        InputError: if it is not two-dimensional, empty, or of another type.
    """

    def __init__(self, array: npt.NDArray[Any], name: str, *, normalize: bool = False) -> None:
        if array.ndim != 2:
            raise InputError(
                f"{name}: an array of shape {array.shape}; descriptors are (images, dimension)"
            )
        if array.dtype.kind != "f" or array.dtype.itemsize > 8:
            raise InputError(
                f"{name}: holds {array.dtype}; descriptors are float32, float16 or float64, "
                "so convert them"
            )
        if not array.size:
            raise InputError(f"{name}: no descriptors, its shape is {array.shape}; check the file")
        self.array, self.name, self.normalize = array, name, normalize
        self.zeros = 0  # descriptors of length 0 that `check` has met
        self._in_place = array.dtype == np.float32 and array.flags.c_contiguous and not normalize

    def __len__(self) -> int:
        """N, the number of images."""
        return len(self.array)

    @property
    def dimension(self) -> int:
        """D, the length of a descriptor in numbers."""
        return int(self.array.shape[1])

    def __getitem__(self, ids: Ids) -> Floats:
        """Descriptors by position: ids of any shape to that shape + (D,), float32."""
        if _in_a_row(ids):  # a slice of a memory map is no copy
            return self.rows(int(ids[0]), int(ids[-1]) + 1)
        return self._finish(self.array[ids])

    def rows(self, start: int, stop: int) -> Floats:
        """Some descriptors that follow each other: (stop - start, D) float32, C-contiguous."""
        return self._finish(self.array[start:stop])

    def blocks(self, memory: int) -> Iterator[Block]:
        """All of them, piece by piece.

        Args:
            memory: bytes that a piece may take where it cannot be read in place.
        """
        step = self.block_rows(memory)
        for start in range(0, len(self), step):
            stop = min(start + step, len(self))
            yield np.arange(start, stop, dtype=np.int64), self.rows(start, stop)

    def block_rows(self, memory: int) -> int:
        """How many rows a piece of `blocks` has."""
        # What is converted is there twice, this piece and the next.
        each = 64 if self._in_place else 16 * self.dimension
        return int(np.clip(memory // each, 1, _LONGEST))

    def check(self) -> Iterator[int]:
        """Looks at every descriptor once, and counts those that are all zeros.

        Yields:
            How many have been looked at.

        Raises:
            InputError: if one holds NaN or infinity, or, unless they are normalised as they are
                read, has another length than 1. Zeros are allowed: they resemble nothing.
        """
        self.zeros = 0
        for start in range(0, len(self), _CHECKED):
            stop = min(start + _CHECKED, len(self))
            with np.errstate(over="ignore", invalid="ignore"):  # what overflows becomes infinity
                part = np.ascontiguousarray(self.array[start:stop], dtype=np.float32)
                lengths = np.sqrt(np.einsum("nd,nd->n", part, part))
            if not np.isfinite(lengths).all():
                row = start + int(np.flatnonzero(~np.isfinite(lengths))[0])
                raise InputError(
                    f"{self.name}: row {row:,} holds NaN, infinity or numbers beyond float32; "
                    "embed that image again, or leave it out"
                )
            wrong = (np.abs(lengths - 1) > _TOLERANCE) & (lengths > _SHORTEST)
            if wrong.any() and not self.normalize:
                row = int(np.flatnonzero(wrong)[0])
                raise InputError(
                    f"{self.name}: row {start + row:,} has length {lengths[row]:.4g}, and "
                    "similarity is an inner product of descriptors of length 1; --normalize "
                    "divides each by its length"
                )
            self.zeros += int((lengths <= _SHORTEST).sum())
            yield stop

    def _finish(self, part: npt.NDArray[Any]) -> Floats:
        out = np.ascontiguousarray(part, dtype=np.float32)
        if self.normalize:
            lengths = np.sqrt(np.einsum("...d,...d->...", out, out))
            out = out / np.maximum(lengths, np.float32(_SHORTEST))[..., None]
        return out


def _in_a_row(ids: Ids) -> bool:
    """Whether positions follow each other."""
    return ids.ndim == 1 and len(ids) > 0 and bool((np.diff(ids) == 1).all())
