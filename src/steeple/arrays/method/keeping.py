"""Where intermediate results lie: shelves by what they were computed from."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from steeple.errors import StorageError
from steeple.retrieval.offline.shelf import MemoryShelf, Shelf

__all__ = ["Keep", "work_folder"]

_PREFIX = ".steeple-"
_LOCK = "lock"


class Keep:
    """A shelf for every combination of files; in a folder, or in memory.

    Args:
        folder: where shelves lie; None keeps everything in memory.
        create: makes a shelf of a folder.
    """

    def __init__(
        self, folder: Path | None = None, create: Callable[[Path], Shelf] | None = None
    ) -> None:
        self.folder = folder
        self._create = create
        self._shelves: dict[str, Shelf] = {}

    def shelf(self, key: str) -> Shelf:
        """The shelf of some files.

        Args:
            key: letters, digits and hyphens: the fingerprints of the files.
        """
        if key not in self._shelves:
            if self.folder is None or self._create is None:
                self._shelves[key] = MemoryShelf()
            else:
                self._shelves[key] = self._create(self.folder / key)
        return self._shelves[key]


@contextmanager
def work_folder(place: Path) -> Iterator[Path]:
    """A folder that is removed in the end, and with it those that killed processes left there.

    Args:
        place: the folder it lies in.

    Raises:
        StorageError: if no folder can be made there.
    """
    _clear(place)
    try:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
        descriptor = _hold(folder)
    except OSError as error:
        raise StorageError(
            f"{place}: no folder can be made there ({error.strerror}); give --keep DIR"
        ) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def _hold(folder: Path) -> int:
    """Locks a folder until its process ends; the lock has no name before it is held."""
    new = folder / f"{_LOCK}.new"
    descriptor = os.open(new, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    new.rename(folder / _LOCK)
    return descriptor


def _clear(place: Path) -> None:
    for lock in place.glob(f"{_PREFIX}*/{_LOCK}"):
        with suppress(OSError):  # it is held, or another's
            descriptor = os.open(lock, os.O_RDWR)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(lock.parent)
            finally:
                os.close(descriptor)
