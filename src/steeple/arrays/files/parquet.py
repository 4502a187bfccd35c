"""Descriptors in Parquet files (extra ``arrays``): a column of lists, or a column per dimension."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from steeple.arrays.files.content import Columns, Content, Names, to_names
from steeple.errors import InputError
from steeple.extras import need

__all__ = ["COLUMN", "ID", "ParquetWriter", "column_kinds", "open_parquet", "read_columns"]

COLUMN = "descriptor"
"""The column that is written."""

ID = "id"
"""The column of ids."""

_ROWS = 1 << 13
_NUMBERED = re.compile(r"(.*?)([0-9]{1,9})")


def open_parquet(path: Path, column: str | None, like: Columns | None = None) -> Content:
    """Opens the descriptors of a table.

    Args:
        path: the file.
        column: the column of lists; None takes the only one, or, where there is none, all columns
            of real numbers, one per dimension.
        like: the columns of another file, whose descriptors these are compared with: they are
            taken by their names, in that order, whatever their order here. Without, those that are
            numbered (d0, d1, ...) go by their numbers, and others stay in their order.

    Returns:
        Its content; the ids are those of the column ``id``, or of the only column of texts.

    Raises:
        InputError: if the file is no Parquet, it cannot be told what is meant, or it has other
            columns of real numbers than the other file.
        MissingExtraError: if pyarrow is not installed.
    """
    arrow = need("pyarrow", "arrays")
    with _opened(path) as file:
        schema, count = file.schema_arrow, file.metadata.num_rows
        _check_names(path, schema.names)
        names, single = _choose(path, arrow, schema, column)
        columns = None if single else Columns(_ordered(path, names, like), str(path))
        wanted = columns.names if columns else names
        first = next(_pieces(path, wanted, single), np.zeros((0, len(wanted))))
        ids = _ids(path, arrow, file)
    shape = (count, first.shape[1])
    return Content(shape, None, lambda: _pieces(path, wanted, single), ids, columns)


def column_kinds(path: Path) -> dict[str, str]:
    """The columns of a table: name -> ``texts``, ``integers``, or ``others``.

    Raises:
        InputError: if the file is no Parquet, or two columns have one name.
        MissingExtraError: if pyarrow is not installed.
    """
    types = need("pyarrow", "arrays").types
    with _opened(path) as file:
        _check_names(path, file.schema_arrow.names)
        return {
            field.name: "texts"
            if _is_text(types, field.type)
            else "integers"
            if types.is_integer(field.type)
            else "others"
            for field in file.schema_arrow
        }


def read_columns(path: Path, *wanted: str) -> dict[str, Names]:
    """Reads columns of texts or integers.

    Args:
        path: the file.
        wanted: the names of columns, all of which are there.

    Returns:
        Name -> its (n,) values as UTF-8, empty where one is missing.

    Raises:
        InputError: if the file is no Parquet, or a column holds something else.
        MissingExtraError: if pyarrow is not installed.
    """
    with _opened(path) as file:
        table = file.read(list(wanted))
    found: dict[str, Names] = {}
    for name in wanted:
        values = ["" if value is None else value for value in table.column(name).to_pylist()]
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


def _check_names(path: Path, names: Sequence[str]) -> None:
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        raise InputError(f"{path}: several columns are called {twice}; rename all but one")


def _choose(
    path: Path, arrow: Any, schema: Any, wanted: str | None
) -> tuple[tuple[str, ...], bool]:
    """The one column of lists, or the columns of real numbers; and whether it is lists."""
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
            return (wanted,), True
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
    return tuple(lists or numbers), bool(lists)


def _ordered(path: Path, names: tuple[str, ...], like: Columns | None) -> tuple[str, ...]:
    """Columns in the order in which they are read."""
    if like is None:
        numbered = [_NUMBERED.fullmatch(name) for name in names]
        places = {int(found[2]): found[0] for found in numbered if found}
        if len(places) == len(names) and len({found[1] for found in numbered if found}) == 1:
            return tuple(places[place] for place in sorted(places))
        return names
    here, there = [n for n in names if n not in like.names], set(like.names) - set(names)
    if here or there:
        only = [f"only here: {here[0]}"] if here else []
        only += [f"only there: {min(there)}"] if there else []
        raise InputError(
            f"{path}: its columns of real numbers are not those of {like.file} "
            f"({'; '.join(only)}); give both the same, one per dimension"
        )
    return like.names


def _pieces(path: Path, columns: Sequence[str], single: bool) -> Iterator[npt.NDArray[Any]]:
    """The descriptors from the first row to the last."""
    row, dimension = 0, None
    with _opened(path) as file:
        for batch in file.iter_batches(batch_size=_ROWS, columns=list(columns)):
            if single:
                piece = _from_lists(path, batch.column(0), row, dimension)
                dimension = piece.shape[1]
            else:  # by name: a batch has its columns in the order of the file
                piece = np.stack([batch.column(name).to_numpy(False) for name in columns], axis=1)
            row += len(piece)
            yield piece


def _from_lists(path: Path, lists: Any, row: int, dimension: int | None) -> npt.NDArray[Any]:
    """(n, D) from n lists, which must be there and of one length."""
    lengths = lists.value_lengths().to_numpy(zero_copy_only=False).astype(np.float64)  # NaN: null
    if dimension is None:
        sizes, counts = np.unique(lengths[lengths > 0], return_counts=True)
        dimension = int(sizes[counts.argmax()]) if len(sizes) else 0
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
    texts = [field.name for field in file.schema_arrow if _is_text(arrow.types, field.type)]
    name = ID if ID in file.schema_arrow.names else texts[0] if len(texts) == 1 else None
    if name is None:
        return None
    column = file.read([name]).column(0)
    if column.null_count:
        raise InputError(f"{path}: the column {name} has {column.null_count:,} rows without an id")
    return to_names(np.asarray(column.to_numpy()), f"{path}, column {name}")


def _is_text(types: Any, kind: Any) -> bool:
    return bool(types.is_string(kind) or types.is_large_string(kind))


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
