"""What every file format gives: an array that is mapped, or one in pieces, to be unpacked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from steeple.errors import InputError

__all__ = ["Columns", "Content", "Names", "to_names"]

Names: TypeAlias = npt.NDArray[np.bytes_]
"""Ids or landmarks, UTF-8: (n,) fixed-width bytes, because a million strings take 60 MB more."""


@dataclass(frozen=True)
class Columns:
    """The columns of a table that has one for each dimension.

    Args:
        names: (D,) in the order in which they are read.
        file: whose they are, for errors.
    """

    names: tuple[str, ...]
    file: str


@dataclass(frozen=True)
class Content:
    """The descriptors of a file.

    Args:
        shape: (N, D).
        array: the descriptors where they can be read in place; None where they cannot.
        pieces: reads them from the first row to the last, float arrays of shape (n, D).
        ids: (N,) the ids that the file holds itself; None if it holds none.
        columns: those that the numbers of a descriptor lie in; None where they are in one.
    """

    shape: tuple[int, int]
    array: npt.NDArray[Any] | None
    pieces: Callable[[], Iterator[npt.NDArray[Any]]]
    ids: Names | None = None
    columns: Columns | None = None


def to_names(values: npt.NDArray[Any], name: str) -> Names:
    """Numbers or texts as UTF-8.

    Args:
        values: (n,) integers, texts or bytes.
        name: what to call them in the error.

    Raises:
        InputError: if they are something else, or no UTF-8.
    """
    if values.ndim != 1:
        raise InputError(f"{name}: an array of shape {values.shape}; expected one entry per image")
    if values.dtype.kind in "iu":
        return values.astype(np.bytes_)
    if values.dtype.kind not in "SU" and not all(isinstance(v, str | bytes) for v in values):
        raise InputError(f"{name}: holds {values.dtype}; ids and landmarks are texts or integers")
    coded: list[bytes] = []
    try:
        for value in values.tolist():
            text = value.decode() if isinstance(value, bytes) else value
            coded.append(text.encode())
    except UnicodeError as error:
        raise InputError(
            f"{name}: entry {len(coded) + 1:,} is not UTF-8 text; write the texts as UTF-8"
        ) from error
    return np.array(coded, dtype=np.bytes_)
