"""Descriptors out: written as they come, and there under their name only when complete."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from steeple.arrays.files.hdf5 import Hdf5Writer
from steeple.arrays.files.npy import NpyWriter
from steeple.arrays.files.parquet import ParquetWriter
from steeple.errors import SteepleError, StorageError
from steeple.retrieval.types import Floats

__all__ = ["Format", "Rows", "writing"]


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


@contextmanager
def writing(path: Path, form: Format, dimension: int, dtype: str) -> Iterator[Rows]:
    """Writes an array, and for .npy a text of ids beside it, ``photos.txt`` for ``photos.npy``.

    What is written gets its name when the block ends; if it fails, nothing is left.

    Args:
        path: the file.
        form: its format.
        dimension: D.
        dtype: float32 or float16.

    Raises:
        MissingExtraError: if a library for the format is not installed.
        StorageError: if it cannot be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        rows = _WRITERS[form](beside, dimension, dtype)
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
    def __init__(self, path: Path, dimension: int, dtype: str) -> None:
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
    def __init__(self, path: Path, dimension: int, dtype: str) -> None:
        self._rows = Hdf5Writer(path, dimension, dtype)
        self.ids: list[str] = []

    def append(self, ids: list[str], descriptors: Floats) -> None:
        self._rows.append(descriptors)
        self.ids += ids

    def finish(self) -> None:
        self._rows.finish(self.ids)

    def close(self) -> None:
        self._rows.close()


class _Parquet:
    def __init__(self, path: Path, dimension: int, dtype: str) -> None:
        self._rows = ParquetWriter(path, dimension, dtype)
        self.ids: list[str] = []

    def append(self, ids: list[str], descriptors: Floats) -> None:
        self._rows.append(descriptors, ids)

    def finish(self) -> None:
        """The file is complete when it is closed."""

    def close(self) -> None:
        self._rows.close()


_WRITERS: Mapping[Format, Callable[[Path, int, str], _Writer]] = {
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
