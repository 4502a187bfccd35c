"""Puts a page on the disk whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from steeple.errors import StorageError

__all__ = ["write_whole"]


def write_whole(page: str, out: Path) -> Path:
    """Write a page under a temporary name beside its place and renames it.

    Args:
        page: The text. What UTF-8 cannot hold (parts of undecodable file names) becomes "?".
        out: Where it goes; an older file is replaced.

    Returns:
        ``out``.

    Raises:
        StorageError: The disk is full, or the place does not exist or cannot be written.
    """
    partial = out.parent / f".steeple-{secrets.token_hex(8)}.part"
    try:
        try:
            with partial.open("xb") as file:
                file.write(page.encode("utf-8", errors="replace"))
                file.flush()
                os.fsync(file.fileno())
            partial.replace(out)
        finally:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise StorageError(
            f"{out}: the page cannot be written ({reason}); make room there or choose another place"
        ) from error
    return out
