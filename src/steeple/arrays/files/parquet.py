"""Descriptors in Parquet files (extra ``arrays``): a column of lists, or a column per dimension."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from steeple.arrays.files.content import Content, Names, to_names
from steeple.errors import InputError
from steeple.extras import need

__all__ = ["COLUMN", "ID", "ParquetWriter", "open_parquet", "read_columns"]

COLUMN = "descriptor"
"""The column that is written."""

ID = "id"
"""The column of ids."""

_ROWS = 1 << 13


def open_parquet(path: Path, column: str | None) -> Content:
    """Opens the descriptors of a table.

    Args:
        path: the file.
        column: the column of lists; None takes the only one, or, where there is none, all columns
            of real numbers, in their order, one per dimension.

    Returns:
        Its content; the ids are those of the column ``id``, or of the only column of texts.

    Raises:
        InputError: if the file is no Parquet, or it cannot be told what is meant.
        MissingExtraError: if pyarrow is not installed.
    """
    arrow = need("pyarrow", "arrays")
    with _opened(path) as file:
        schema, count = file.schema_arrow, file.metadata.num_rows
        columns = _choose(path, arrow, schema, column)
        first = next(_pieces(path, columns), np.zeros((0, len(columns))))
        ids = _ids(path, arrow, file)
    return Content((count, first.shape[1]), None, lambda: _pieces(path, columns), ids)


def read_columns(path: Path, *wanted: str) -> dict[str, Names | None]:
    """Reads columns of texts or integers.

    Args:
        path: the file.
        wanted: the names of columns.

    Returns:
        Name -> its (n,) values as UTF-8, empty where one is missing; None for a column that the
        table does not have.

    Raises:
        InputError: if the file is no Parquet, or a column holds something else.
        MissingExtraError: if pyarrow is not installed.
    """
    with _opened(path) as file:
        there = [name for name in wanted if name in file.schema_arrow.names]
        table = file.read(there)
    found: dict[str, Names | None] = dict.fromkeys(wanted)
    for name in there:
        column = table.column(name)
        values = ["" if value is None else value for value in column.to_pylist()]
        array = np.asarray(values) if values else np.zeros(0, dtype=np.bytes_)
        found[name] = to_names(array, f"{path}, column {name}")
    return found


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The file; whatever is found to be wrong with it while it is read becomes one clear error."""
    arrow, parquet = need("pyarrow", "arrays"), need("pyarrow.parquet", "arrays")
    try:
        with parquet.ParquetFile(path) as file:
            yield file
    except (arrow.ArrowException, OSError, UnicodeError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise InputError(f"{path}: no readable Parquet file ({reason}); write it again") from error


def _choose(path: Path, arrow: Any, schema: Any, wanted: str | None) -> list[str]:
    """The one column of lists, or the columns of real numbers."""
    types = arrow.types
    lists = [
        field.name
        for field in schema
        if types.is_fixed_size_list(field.type)
        or types.is_list(field.type)
        or types.is_large_list(field.type)
    ]
    if wanted is not None:
        if wanted in lists:
            return [wanted]
        raise InputError(
            f"{path}: no column of lists is called {wanted!r}; "
            f"there is: {', '.join(lists) or 'none'}"
        )
    if len(lists) > 1:
        raise InputError(
            f"{path}: several columns could be meant ({', '.join(lists)}); "
            f"say which: {path}:{lists[0]}"
        )
    numbers = [field.name for field in schema if types.is_floating(field.type)]
    if not lists and not numbers:
        raise InputError(f"{path}: neither a column of lists nor columns of real numbers")
    return lists or numbers


def _pieces(path: Path, columns: list[str]) -> Iterator[npt.NDArray[Any]]:
    """The descriptors from the first row to the last."""
    row, dimension = 0, None
    with _opened(path) as file:
        for batch in file.iter_batches(batch_size=_ROWS, columns=columns):
            if len(columns) > 1 or not hasattr(batch.column(0).type, "value_type"):
                piece = np.stack([column.to_numpy(False) for column in batch.columns], axis=1)
            else:
                piece = _from_lists(path, batch.column(0), row, dimension)
                dimension = piece.shape[1]
            row += len(piece)
            yield piece


def _from_lists(path: Path, lists: Any, row: int, dimension: int | None) -> npt.NDArray[Any]:
    """(n, D) from n lists, which must be there and of one length."""
    lengths = lists.value_lengths().to_numpy(zero_copy_only=False).astype(np.float64)  # NaN: null
    if dimension is None:
        dimension = int(next(iter(lengths[lengths > 0]), 0))
    wrong = np.flatnonzero(lengths != dimension)
    if len(wrong) or not dimension:
        place = int(wrong[0]) if len(wrong) else 0
        found = "nothing" if np.isnan(lengths[place]) else f"{lengths[place]:.0f} numbers"
        raise InputError(
            f"{path}: row {row + place:,} holds {found} where others hold {dimension}; "
            "leave that image out"
        )
    values: npt.NDArray[Any] = lists.flatten().to_numpy(zero_copy_only=False)
    if values.dtype.kind not in "fiu":
        raise InputError(f"{path}: the lists hold {values.dtype}; descriptors are real numbers")
    return values.reshape(-1, dimension)


def _ids(path: Path, arrow: Any, file: Any) -> Names | None:
    """The ids of the rows, if there are any."""
    types = arrow.types
    texts = [
        field.name
        for field in file.schema_arrow
        if types.is_string(field.type) or types.is_large_string(field.type)
    ]
    name = ID if ID in file.schema_arrow.names else texts[0] if len(texts) == 1 else None
    if name is None:
        return None
    column = file.read([name]).column(0)
    if column.null_count:
        raise InputError(f"{path}: the column {name} has {column.null_count:,} rows without an id")
    return to_names(np.asarray(column.to_numpy()), f"{path}, column {name}")


class ParquetWriter:
    """Writes the columns ``id`` and ``descriptor``.

    Args:
        path: the file.
        dimension: numbers per row.
        dtype: float32 or float16.
    """

    def __init__(self, path: Path, dimension: int, dtype: str) -> None:
        self._arrow, parquet = need("pyarrow", "arrays"), need("pyarrow.parquet", "arrays")
        number = self._arrow.float16() if dtype == "float16" else self._arrow.float32()
        self._type, self._dtype = self._arrow.list_(number, dimension), dtype
        self._schema = self._arrow.schema({ID: self._arrow.string(), COLUMN: self._type})
        self._file = parquet.ParquetWriter(path, self._schema)

    def append(self, descriptors: npt.NDArray[np.floating], ids: list[str]) -> None:
        """Writes more rows, (n, D), and their ids."""
        flat = self._arrow.array(descriptors.astype(self._dtype).ravel())
        lists = self._arrow.FixedSizeListArray.from_arrays(flat, descriptors.shape[1])
        self._file.write_table(
            self._arrow.Table.from_arrays(
                [self._arrow.array(ids, self._arrow.string()), lists], schema=self._schema
            )
        )

    def close(self) -> None:
        """Lets go of the file, complete."""
        self._file.close()
