"""CSV out: whole or not at all, and nothing that could not be read back."""

from __future__ import annotations

import csv
import os
import secrets
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from steeple.errors import LabelError, StorageError

__all__ = ["checked_id", "checked_text", "checked_word", "write_rows"]


def write_rows(path: Path | str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Writes a CSV file of UTF-8 text, line ends as in Unix.

    Args:
        path: the file; an old one is replaced once the new one is complete.
        header: the names of the columns.
        rows: their values; consumed as they are written.

    Raises:
        StorageError: if it cannot be written.
    """
    path = Path(path)
    partial = path.parent / f".steeple-{secrets.token_hex(8)}.part"
    try:
        try:
            with partial.open("x", encoding="utf-8", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(header)
                writer.writerows(rows)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(
            f"{path} cannot be written: {error.strerror or error}; "
            "make room or choose another place"
        ) from error


def checked_word(word: str) -> str:
    """An id or a landmark that can stand between spaces.

    Raises:
        LabelError: if it cannot.
    """
    if not word or word.split() != [word]:
        raise LabelError(f"the id {word!r} is empty or holds a space; such files cannot say it")
    return word


def checked_id(name: str) -> str:
    """An id that tables may have: a word, not a path, and not what says "no image" there.

    Raises:
        LabelError: if it cannot be one.
    """
    if "/" in name or name == "None":
        raise LabelError(f"the id {name!r} is a path or means nothing there; rename the image")
    return checked_word(name)


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
