"""Whether the disk has room for what is to come."""

from __future__ import annotations

import shutil
from pathlib import Path

from steeple.errors import StorageError

__all__ = ["check_space"]

_MB, _GB = 1e6, 1e9


def check_space(out: Path, what: str, needed: int, way_out: str) -> None:
    """Sees to it that a disk has room.

    Args:
        out: a folder on it, which need not exist.
        what: whatever needs it, and the word needs.
        needed: bytes.
        way_out: what can be done besides making room.

    Raises:
        StorageError: it has not.
    """
    place = out.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if needed > free:
        raise StorageError(
            f"{out}: {what} {_text(needed)} of disk and {_text(free)} are free; make room, "
            f"{way_out}"
        )


def _text(size: int) -> str:
    return f"{size / _GB:,.1f} GB" if size >= _GB else f"{size / _MB:,.1f} MB"
