"""CSV in: rows with their line numbers, and every malformed file told exactly."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from steeple.datasets.names import Rule, id_fault
from steeple.errors import LabelError

__all__ = ["FILL_IN", "checked_at", "line_error", "read_rows", "unique"]

FILL_IN = "fill it in, or remove the line"
"""The way out where something is empty."""

_Value = TypeVar("_Value")

_SHOWN = 200  # characters of a first line that is not what it should be


def line_error(path: Path, line: int, reason: str, way_out: str) -> LabelError:
    """What is said of a malformed line, counted from 1."""
    return LabelError(f"{path}, line {line}: {reason}; {way_out}")


def read_rows(path: Path, *columns: str) -> Iterator[tuple[int, list[str]]]:
    """Yields the line number (from 1) and the named columns of every row.

    Line by line, so that a bad byte has its line number and a list of any length is no trouble:
    the csv module refuses fields of more than 128 KiB, which the largest landmarks exceed.

    Args:
        path: the CSV file, its columns named in the first line.
        columns: those wanted; others are not read.

    Raises:
        LabelError: the file is missing or malformed; the message has file, line, reason, way out.
    """
    if not path.is_file():
        raise LabelError(f"{path}: no such file; check the path")
    width, wanted = 0, list[int]()
    with path.open("rb") as stream:
        for line, raw in enumerate(stream, start=1):
            fields = _fields(path, line, raw)
            if not fields:
                continue
            if not width:
                header = [field.strip() for field in fields]
                width, wanted = len(fields), _positions(path, line, header, columns)
                continue
            if len(fields) != width:
                raise line_error(
                    path,
                    line,
                    f"{len(fields)} columns where the first line names {width}",
                    "quote a text that holds a comma",
                )
            yield line, [fields[position].strip() for position in wanted]
    if not width:
        raise line_error(path, 1, "the file is empty", f"begin it with {','.join(columns)}")


def unique(
    path: Path, items: Iterable[tuple[int, str, _Value]], rule: Rule = id_fault
) -> dict[str, _Value]:
    """Collects (line, id, value) by id; an id must be there, keep to the rule, and come once.

    Raises:
        LabelError: one does not.
    """
    found: dict[str, _Value] = {}
    for line, name, value in items:
        checked_at(path, line, name, rule)
        if name in found:
            raise line_error(
                path, line, f"the id {name} is there already", "keep one of the two lines"
            )
        found[name] = value
    return found


def checked_at(
    path: Path, line: int, name: str, rule: Rule, *, what: str = "id", way_out: str = "rename it"
) -> str:
    """A name on a line that keeps to the rule.

    Args:
        path: the file.
        line: counted from 1.
        name: what stands there.
        rule: says what is wrong with it.
        what: of what it is the name, for the error.
        way_out: what to do about it.

    Raises:
        LabelError: it is empty, or does not.
    """
    if not name:
        raise line_error(path, line, f"the {what} is empty", FILL_IN)
    if fault := rule(name):
        raise line_error(path, line, f"the {what} {name[:80]!r} {fault}", way_out)
    return name


def _positions(path: Path, line: int, header: list[str], columns: Sequence[str]) -> list[int]:
    for column in columns:
        if column not in header:
            raise line_error(
                path,
                line,
                f"no column {column} among {_shown(header)}",
                f"name the columns {', '.join(columns)} in the first line",
            )
        if header.count(column) > 1:
            raise line_error(
                path,
                line,
                f"{header.count(column)} columns are called {column}",
                "keep that name for one of them",
            )
    return [header.index(column) for column in columns]


def _shown(header: list[str]) -> str:
    text = ", ".join(header)[:_SHOWN]
    return text if text.isprintable() else repr(text)


def _fields(path: Path, line: int, raw: bytes) -> list[str]:
    """Splits one line into fields, perhaps with spaces around them; an empty line has none."""
    try:
        text = raw.decode("utf-8-sig" if line == 1 else "utf-8").strip()
        fields = next(csv.reader([text], strict=True)) if '"' in text else text.split(",")
    except UnicodeDecodeError as error:
        raise line_error(path, line, "not UTF-8 text", "save the file as UTF-8") from error
    except csv.Error as error:
        raise line_error(
            path, line, f"not CSV ({error})", "close every quote on its line"
        ) from error
    return fields if text else []
