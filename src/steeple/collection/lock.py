"""One writer at a time: a lock that the system drops with its process and that names its holder."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from steeple.errors import CollectionError

__all__ = ["writer_lock"]


@contextmanager
def writer_lock(folder: Path, *, wait: float = 0.0) -> Iterator[None]:
    """Holds a collection's write lock.

    Args:
        folder: the collection.
        wait: seconds to wait for another writer to finish.

    Raises:
        CollectionError: if another process is still writing; the message says which.
    """
    lock = FileLock(folder / "writer.lock")
    holder = folder / "writer.json"
    try:
        lock.acquire(timeout=wait)
    except Timeout as error:
        raise CollectionError(
            f"{folder} is being written by {_describe(holder)}; wait until it is done, or stop it"
        ) from error
    try:
        # The lock file itself may not carry the text: a waiting process must not read half of it.
        beside = holder.with_suffix(".new")
        beside.write_text(
            json.dumps(
                {
                    "process": os.getpid(),
                    "host": socket.gethostname(),
                    "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])[:200],
                    "since": datetime.now(UTC).isoformat(timespec="seconds"),
                }
            )
        )
        beside.replace(holder)
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _describe(holder: Path) -> str:
    try:
        known = json.loads(holder.read_text())
    except (OSError, ValueError):  # it is just starting or just ending
        return "another process"
    return (
        f"process {known.get('process')} on {known.get('host')} "
        f"({known.get('command')}, since {known.get('since')})"
    )
