"""Descriptors in HDF5 files (extra ``arrays``).

A dataset that was written in one piece, as h5py does by default, is read in place; one in chunks,
compressed or not, has to be unpacked.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from steeple.arrays.files.content import Content, Names, to_names
from steeple.errors import InputError
from steeple.extras import need

__all__ = ["DATASET", "IDS", "Hdf5Writer", "open_hdf5"]

DATASET = "descriptors"
"""The dataset that is written."""

IDS = "ids"
"""The dataset of ids, beside that of descriptors."""

_DAMAGE = (OSError, KeyError, RuntimeError, TypeError, UnicodeError)
_ROWS = 1 << 13  # rows of a piece, and of a chunk written


def open_hdf5(path: Path, dataset: str | None) -> Content:
    """Opens a dataset of descriptors.

    Args:
        path: the file.
        dataset: its name; None takes the only two-dimensional one of real numbers.

    Raises:
        InputError: if the file is no HDF5, or has no such dataset, or several.
        MissingExtraError: if h5py is not installed.
    """
    h5py = need("h5py", "arrays")
    try:
        with h5py.File(path, "r") as file:
            name = _choose(path, _tables(h5py, file), dataset)
            found = file[name]
            array = _mapped(path, found)
            shape = (int(found.shape[0]), int(found.shape[1]))
            ids = _ids(found, f"{path}:{IDS}")
    except _DAMAGE as error:
        raise _unreadable(path, error) from error

    def pieces() -> Iterator[npt.NDArray[Any]]:
        try:
            with h5py.File(path, "r") as file:
                for start in range(0, shape[0], _ROWS):
                    yield file[name][start : start + _ROWS]
        except _DAMAGE as error:
            raise _unreadable(path, error) from error

    return Content(shape, array, pieces, ids)


def _unreadable(path: Path, error: Exception) -> InputError:
    reason = str(error).partition("\n")[0].rstrip(".")
    return InputError(f"{path}: no readable HDF5 file ({reason}); write it again")


def _tables(h5py: Any, file: Any) -> list[str]:
    """The names of all two-dimensional datasets of real numbers."""
    found: list[str] = []

    def visit(name: str, thing: Any) -> None:
        if isinstance(thing, h5py.Dataset) and thing.ndim == 2 and thing.dtype.kind == "f":
            found.append(name)

    file.visititems(visit)
    return found


def _choose(path: Path, tables: list[str], wanted: str | None) -> str:
    if wanted is not None:
        if wanted.strip("/") in tables:
            return wanted.strip("/")
        raise InputError(
            f"{path}: no two-dimensional dataset of real numbers is called {wanted!r}; "
            f"there is: {', '.join(tables) or 'none'}"
        )
    if len(tables) == 1:
        return tables[0]
    if not tables:
        raise InputError(f"{path}: no two-dimensional dataset of real numbers; check the file")
    raise InputError(
        f"{path}: several datasets could be meant ({', '.join(tables)}); "
        f"say which: {path}:{tables[0]}"
    )


def _mapped(path: Path, found: Any) -> npt.NDArray[Any] | None:
    """The dataset as a memory map of the file, where it lies there in one piece."""
    offset = found.id.get_offset()
    if offset is None or found.chunks is not None or found.external or not found.size:
        return None
    array = np.memmap(path, dtype=found.dtype, mode="r", offset=offset, shape=found.shape)
    # What HDF5 does between file and memory besides is not for us to know: compare.
    same = all(np.array_equal(array[row], found[row], equal_nan=True) for row in (0, -1))
    return array if same else None


def _ids(found: Any, name: str) -> Names | None:
    beside = found.parent.get(IDS)
    if beside is None or beside.ndim != 1:
        return None
    return to_names(np.asarray(beside[()]), name)


class Hdf5Writer:
    """Writes the datasets ``descriptors`` and ``ids``.

    Args:
        path: the file.
        dimension: numbers per row.
        dtype: float32 or float16.

    Raises:
        OSError: if it cannot be written; so do the methods.
    """

    def __init__(self, path: Path, dimension: int, dtype: str) -> None:
        self._h5py = need("h5py", "arrays")
        with _os_errors():
            self._file = self._h5py.File(path, "w")
            self._rows = self._file.create_dataset(
                DATASET,
                shape=(0, dimension),
                maxshape=(None, dimension),
                chunks=(max(1, (1 << 20) // (4 * dimension)), dimension),
                dtype=dtype,
            )

    def append(self, descriptors: npt.NDArray[np.floating]) -> None:
        """Writes more rows, (n, D)."""
        start = len(self._rows)
        with _os_errors():
            self._rows.resize(start + len(descriptors), axis=0)
            self._rows[start:] = descriptors

    def finish(self, ids: list[str]) -> None:
        """Writes the ids."""
        with _os_errors():
            self._file.create_dataset(IDS, data=ids, dtype=self._h5py.string_dtype())

    def close(self) -> None:
        """Lets go of the file."""
        with _os_errors():
            self._file.close()


@contextmanager
def _os_errors() -> Iterator[None]:
    """Says as the system would what HDF5 says in its own way, such as that the disk is full."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        number = re.search(r"errno = (\d+)", str(error))
        if number is None:
            raise OSError(str(error).partition("\n")[0]) from error
        raise OSError(int(number[1]), os.strerror(int(number[1]))) from error
