"""Text on the disk, whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from steeple.errors import InputError, LabelError, StorageError

__all__ = ["target_of", "written_whole"]

_AROUND = 40  # characters shown on each side of one that cannot be written


@contextmanager
def written_whole(path: Path) -> Iterator[TextIO]:
    """A UTF-8 text to write into, which gets its name when the block ends; line ends stay as given.

    Args:
        path: the file; an old one is replaced once the new one is complete, and stays if it fails.
            A symbolic link stays, and what it leads to is written.

    Raises:
        InputError: something else than a file is there, as `target_of` says.
        LabelError: what was to be written is not Unicode text.
        StorageError: it cannot be written.
    """
    target = target_of(path)
    partial = target.parent / f".steeple-{secrets.token_hex(8)}.part"
    try:
        try:
            with partial.open("x", encoding="utf-8", newline="") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            partial.replace(target)
        finally:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
    except UnicodeEncodeError as error:
        some = error.object[max(0, error.start - _AROUND) : error.start + _AROUND]
        raise LabelError(
            f"{path} cannot be written: {some!r} is not Unicode text; rename what it names"
        ) from error
    except OSError as error:
        raise StorageError(
            f"{path} cannot be written: {error.strerror or error}; "
            "make room or choose another place"
        ) from error


def target_of(path: Path) -> Path:
    """The file that is written under a name: where its symbolic links lead, there or not yet.

    A file gets its name by a rename, which would put it in the place of a link, a pipe or a device.

    Raises:
        InputError: something else than a file is there: a folder, a pipe, a device.
        StorageError: links lead in a circle, or into a folder that may not be read.
    """
    try:
        target = path.resolve()
        if path.exists() and not path.is_file():
            raise InputError(
                f"{path} is a folder, a pipe or a device, which no file can replace; give another "
                "name"
            )
    except (OSError, RuntimeError) as error:  # a RuntimeError: links in a circle
        reason = getattr(error, "strerror", None) or "symbolic links lead in a circle"
        raise StorageError(f"{path} cannot be written: {reason}; choose another place") from error
    return target
