"""Descriptors in NumPy's own format, ``.npy``: read in place, written row by row."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tokenize import TokenError
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from steeple.arrays.files.content import Content
from steeple.errors import InputError

__all__ = ["NpyWriter", "map_npy", "open_npy"]


def open_npy(path: Path) -> Content:
    """Opens an array of descriptors.

    Raises:
        InputError: if it is no array of numbers.
    """
    array = map_npy(path)
    if array.ndim != 2:
        raise InputError(
            f"{path}: an array of shape {array.shape}; descriptors are (images, dimension)"
        )

    def pieces() -> Iterator[npt.NDArray[Any]]:
        yield array

    return Content((len(array), array.shape[1]), array, pieces)


def map_npy(path: Path) -> npt.NDArray[Any]:
    """Maps any array into memory, read-only.

    Raises:
        InputError: if the file holds Python objects, or is no array, or is cut short.
    """
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except (ValueError, TypeError, EOFError, OverflowError, TokenError) as error:
        if "object" in str(error):
            raise InputError(
                f"{path}: holds pickled Python objects, which could run anything; save numbers: "
                "np.save(path, np.stack(list_of_arrays))"
            ) from error
        reason = str(error).rstrip(".").partition("\n")[0]
        raise InputError(
            f"{path}: no readable .npy file ({reason}); write it again with np.save"
        ) from error


class NpyWriter:
    """Writes an array of which the number of rows is known at the end.

    By ordinary writes: on a full disk they are an error, where a memory map is a dead process.

    Args:
        file: open for writing, empty.
        dimension: numbers per row.
        dtype: float32 or float16.
    """

    def __init__(self, file: BinaryIO, dimension: int, dtype: str) -> None:
        self._file, self._dimension, self._dtype = file, dimension, np.dtype(dtype)
        self._rows = 0
        self._write_header()

    def append(self, descriptors: npt.NDArray[np.floating]) -> None:
        """Writes more rows, (n, D)."""
        self._file.write(np.ascontiguousarray(descriptors, dtype=self._dtype).data)
        self._rows += len(descriptors)

    def finish(self) -> None:
        """Writes down how many rows there are."""
        self._file.seek(0)
        self._write_header()  # as long as before: NumPy leaves room for the number of rows

    def _write_header(self) -> None:
        np.lib.format.write_array_header_1_0(
            self._file,
            {
                "descr": np.lib.format.dtype_to_descr(self._dtype),
                "fortran_order": False,
                "shape": (self._rows, self._dimension),
            },
        )
