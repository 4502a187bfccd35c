"""Descriptors in HDF5 files (extra ``arrays``).

A dataset that was written in one piece, as h5py does by default, is read in place; one in chunks,
compressed or not, has to be unpacked.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from steeple.arrays.files.content import Content, Names, to_names
from steeple.errors import InputError
from steeple.extras import need

__all__ = ["DATASET", "IDS", "Hdf5Writer", "hdf5_bytes", "open_hdf5"]

DATASET = "descriptors"
"""The dataset that is written."""

IDS = "ids"
"""The dataset of ids, beside that of descriptors."""

_DAMAGE = (OSError, KeyError, RuntimeError, TypeError, UnicodeError)
_ROWS = 1 << 13  # rows of a piece
_CHUNK = 1 << 20  # bytes of a chunk written, of float32: as much as HDF5 holds in memory
_TEXT = 40  # bytes that HDF5 needs for a text besides its own
_BESIDE = 1 << 18  # bytes for headers, trees and blocks that are begun


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

    HDF5 writes when it likes, also while it lets go of a file, and a full disk is then a dead
    process. So the file has all the room it may need before HDF5 is given it, and the room that
    is left goes back when it is closed.

    Args:
        path: the file.
        dimension: numbers per row.
        dtype: float32 or float16.
        ids: of all rows that may come; some may be left out.

    Raises:
        OSError: if it cannot be written; so do the methods.
    """

    def __init__(self, path: Path, dimension: int, dtype: str, ids: Sequence[str]) -> None:
        self._h5py = need("h5py", "arrays")
        with path.open("wb") as file:
            file.write(self._empty(dimension, dtype))
            file.flush()
            os.posix_fallocate(file.fileno(), 0, hdf5_bytes(dimension, dtype, ids))
        with _os_errors():
            self._file = self._h5py.File(path, "r+")
            self._rows = self._file[DATASET]

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

    def _empty(self, dimension: int, dtype: str) -> bytes:
        """A file without rows, made in memory: 2 kB."""
        with self._h5py.File("new", "w", driver="core", backing_store=False) as file:
            file.create_dataset(
                DATASET,
                shape=(0, dimension),
                maxshape=(None, dimension),
                chunks=(_chunk_rows(dimension), dimension),
                dtype=dtype,
            )
            file.flush()
            image: bytes = file.id.get_file_image()
        return image


def hdf5_bytes(dimension: int, dtype: str, ids: Sequence[str]) -> int:
    """How large a file becomes at most that `Hdf5Writer` writes.

    Args:
        dimension: numbers per row.
        dtype: float32 or float16.
        ids: of all rows.
    """
    rows = _chunk_rows(dimension)
    chunks = -(-len(ids) // rows)  # the last one is as large as the others
    numbers = chunks * rows * dimension * np.dtype(dtype).itemsize
    texts = sum(_TEXT + len(name.encode("utf-8", "surrogatepass")) for name in ids)
    # Texts lie in blocks of which a part may stay empty; a chunk has an entry of 40 bytes in a tree
    # whose nodes are half full at least.
    return numbers + 2 * texts + 128 * chunks + _BESIDE


def _chunk_rows(dimension: int) -> int:
    return max(1, _CHUNK // (4 * dimension))


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
