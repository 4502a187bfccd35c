"""CSV out: whole or not at all, and nothing that could not be read back."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from steeple.datasets.names import Rule
from steeple.datasets.whole import written_whole
from steeple.errors import LabelError

__all__ = ["checked", "checked_text", "write_rows"]


def write_rows(path: Path | str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Writes a CSV file of UTF-8 text, line ends as in Unix.

    Args:
        path: the file; an old one is replaced once the new one is complete.
        header: the names of the columns.
        rows: their values; consumed as they are written.

    Raises:
        LabelError: if a value is not Unicode text.
        StorageError: if it cannot be written.
    """
    with written_whole(Path(path)) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def checked(name: str, rule: Rule) -> str:
    """An id or a landmark that the file can say, and that its reader takes.

    Raises:
        LabelError: if it is none.
    """
    if fault := rule(name):
        raise LabelError(f"the id {name[:80]!r} {fault}; such files cannot say it: rename it")
    return name


def checked_text(text: str) -> str:
    """A text that comes back as it was: on one line, without spaces around it.

    Raises:
        LabelError: if it would not.
    """
    if not text or text != text.strip() or not {"\n", "\r"}.isdisjoint(text):
        raise LabelError(
            f"the text {text!r} is empty, has spaces around it or a line break; correct it"
        )
    return text
