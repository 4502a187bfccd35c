"""Descriptors out: written as they come, and there under their name only when complete."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import numpy as np

from steeple.arrays.files.hdf5 import Hdf5Writer, hdf5_bytes
from steeple.arrays.files.npy import NpyWriter
from steeple.arrays.files.parquet import ParquetWriter
from steeple.errors import SteepleError, StorageError
from steeple.extras import need
from steeple.retrieval.types import Floats

__all__ = ["Format", "Rows", "bytes_of", "need_libraries", "writing"]


class Format(StrEnum):
    """The formats that descriptors are written in."""

    NPY = "npy"
    H5 = "h5"
    PARQUET = "parquet"


class Rows(Protocol):
    """An array that is being written."""

    def append(self, ids: list[str], descriptors: Floats) -> None:
        """Writes more rows: n ids, and (n, D) float32."""


class _Writer(Rows, Protocol):
    ids: list[str]

    def finish(self) -> None: ...

    def close(self) -> None: ...


def need_libraries(form: Format) -> None:
    """Sees to it that a format can be written.

    Raises:
        MissingExtraError: if a library for it is not installed.
    """
    for module in _LIBRARIES[form]:
        need(module, "arrays")


def bytes_of(form: Format, dimension: int, dtype: str, ids: Sequence[str]) -> int:
    """How much room an array takes, its ids included.

    Args:
        form: its format.
        dimension: D.
        dtype: float32 or float16.
        ids: of its rows.
    """
    if form is Format.H5:
        return hdf5_bytes(dimension, dtype, ids)
    texts = sum(len(name.encode("utf-8", "surrogatepass")) + 1 for name in ids)
    return len(ids) * dimension * np.dtype(dtype).itemsize + texts


@contextmanager
def writing(
    path: Path, form: Format, dimension: int, dtype: str, ids: Sequence[str]
) -> Iterator[Rows]:
    """Writes an array, and for .npy a text of ids beside it, ``photos.txt`` for ``photos.npy``.

    What is written gets its name when the block ends; if it fails, nothing is left.

    Args:
        path: the file.
        form: its format.
        dimension: D.
        dtype: float32 or float16.
        ids: of all rows that may come; some may be left out.

    Raises:
        MissingExtraError: if a library for the format is not installed.
        StorageError: if it cannot be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        rows = _WRITERS[form](beside, dimension, dtype, ids)
        try:
            yield rows
            rows.finish()
        finally:
            rows.close()
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        if form is Format.NPY:  # the others hold their ids themselves
            _write_ids(path.with_suffix(".txt"), rows.ids)
        beside.replace(path)
    except OSError as error:
        if isinstance(error, SteepleError):
            raise
        reason = error.strerror or str(error)
        raise StorageError(f"{path}: cannot be written ({reason}); make room") from error
    finally:
        beside.unlink(missing_ok=True)


class _Npy:
    def __init__(self, path: Path, dimension: int, dtype: str, _: Sequence[str]) -> None:
        self._file = path.open("wb")
        self._rows = NpyWriter(self._file, dimension, dtype)
        self.ids: list[str] = []

    def append(self, ids: list[str], descriptors: Floats) -> None:
        self._rows.append(descriptors)
        self.ids += ids

    def finish(self) -> None:
        self._rows.finish()

    def close(self) -> None:
        self._file.close()


class _Hdf5:
    def __init__(self, path: Path, dimension: int, dtype: str, ids: Sequence[str]) -> None:
        self._rows = Hdf5Writer(path, dimension, dtype, ids)
        self.ids: list[str] = []

    def append(self, ids: list[str], descriptors: Floats) -> None:
        self._rows.append(descriptors)
        self.ids += ids

    def finish(self) -> None:
        self._rows.finish(self.ids)

    def close(self) -> None:
        self._rows.close()


class _Parquet:
    def __init__(self, path: Path, dimension: int, dtype: str, _: Sequence[str]) -> None:
        self._rows = ParquetWriter(path, dimension, dtype)
        self.ids: list[str] = []

    def append(self, ids: list[str], descriptors: Floats) -> None:
        self._rows.append(descriptors, ids)

    def finish(self) -> None:
        """The file is complete when it is closed."""

    def close(self) -> None:
        self._rows.close()


_LIBRARIES: Mapping[Format, Sequence[str]] = {
    Format.NPY: (),
    Format.H5: ("h5py",),
    Format.PARQUET: ("pyarrow", "pyarrow.parquet"),
}

_WRITERS: Mapping[Format, Callable[[Path, int, str, Sequence[str]], _Writer]] = {
    Format.NPY: _Npy,
    Format.H5: _Hdf5,
    Format.PARQUET: _Parquet,
}


def _write_ids(path: Path, ids: list[str]) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with beside.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(f"{name}\n" for name in ids)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
