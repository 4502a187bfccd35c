"""A shelf on disk: arrays that are computed once, kept in a folder, and mapped from then on.

Each name is a folder of ``.npy`` files. It is computed in a folder beside it, has the disk space it
needs before the first number is written (on a full disk an ordinary write is an error, a map is a
dead process), and gets its name by one rename, so nobody ever sees half of it. Whoever computes
holds a lock, which the system drops with the process: a second process waits and then finds what
the first has made, and what a dead one left behind is cleared away.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from steeple.errors import InputError, SteepleError, StorageError
from steeple.retrieval.offline.shelf import Arrays, Layout, fits

__all__ = ["FolderShelf"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")
_HIDDEN = re.compile(rf"\.({_NAME.pattern})\.(?:new|lock)")
_ZEROS = 1 << 20  # bytes written at a time where the system cannot reserve them
_TRIES = 1000  # to make a folder and a lock in it, while others remove it because it is empty
_log = logging.getLogger(__name__)


class FolderShelf:
    """Keeps arrays by name in a folder; a `retrieval.offline.shelf.Shelf`.

    What is kept is trusted as far as its form goes: names, shapes, dtypes and sizes of the files.
    Anything else is computed anew.

    Args:
        folder: where they lie; made when the first is kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._mapped: dict[str, Arrays] = {}

    def once(self, name: str, layout: Layout, fill: Callable[[Arrays], None]) -> Arrays:
        """The arrays of a name, mapped read-only; computed now if they are not there.

        Args:
            name: letters, digits, dots and hyphens; whatever the arrays depend on is part of it.
            layout: their shapes and dtypes.
            fill: writes them; what it gets holds zeros. Nothing is kept if it fails.

        Raises:
            InputError: if the name cannot be one.
            StorageError: if the disk is full, fails, or may not be written; nothing is left then.
        """
        if not _NAME.fullmatch(name):
            raise InputError(f"{name!r} is no name for a shelf; use letters, digits, dots, hyphens")
        found = self._mapped.get(name)
        if found is None or not fits(found, layout):
            found = _mapped(self.folder / name, layout) or self._make(name, layout, fill)
            self._mapped[name] = found
        return found

    def names(self) -> set[str]:
        """What is kept now, whole or damaged.

        Raises:
            StorageError: if the folder cannot be read.
        """
        return {path.name for path in _listed(self.folder) if _NAME.fullmatch(path.name)}

    def discard(self, unwanted: Callable[[str], bool]) -> None:
        """Removes what is kept under some names, and what dead processes left behind.

        What is being computed right now stays. Whoever has it mapped keeps that until the end.

        Args:
            unwanted: whether a name is to go.

        Raises:
            StorageError: if the folder cannot be read, or something in it not be removed.
        """
        for path in _listed(self.folder):
            hidden = _HIDDEN.fullmatch(path.name)
            if hidden is None and not (_NAME.fullmatch(path.name) and unwanted(path.name)):
                continue
            with _held(self._lock(hidden[1] if hidden else path.name), wait=False) as held:
                if held and path.suffix != ".lock":  # a lock goes when it is let go of
                    with _storage_errors(self.folder):
                        _remove(path)

    def _lock(self, name: str) -> Path:
        return self.folder / f".{name}.lock"

    def _make(self, name: str, layout: Layout, fill: Callable[[Arrays], None]) -> Arrays:
        place = self.folder / name
        beside = self.folder / f".{name}.new"
        self.discard(lambda _: False)
        with _held(self._lock(name), wait=True):
            found = _mapped(place, layout)
            if found is not None:  # whoever held the lock before has made it
                return found
            try:
                with _storage_errors(self.folder):
                    _remove(beside)
                    arrays = _lay_out(beside, layout)
                fill(arrays)
                with _storage_errors(self.folder):
                    _have_on_disk(beside, arrays)
                    _remove(place)  # broken, or of another layout
                    beside.rename(place)
                    _sync(self.folder)
            except BaseException:
                shutil.rmtree(beside, ignore_errors=True)
                raise
            found = _mapped(place, layout)
        if found is None:
            raise StorageError(
                f"{place} was removed while it was written; run the same command again"
            )
        return found


def _mapped(place: Path, layout: Layout) -> Arrays | None:
    """The arrays in a folder; None if they are not exactly those of the layout."""
    try:
        if {path.name for path in place.iterdir()} != {f"{key}.npy" for key in layout}:
            return None
        arrays = {}
        for key, (shape, dtype) in layout.items():
            path, header = place / f"{key}.npy", _header(shape, dtype)
            with path.open("rb") as file:
                # Compared, not read: whatever else may stand there is not looked into.
                if file.read(len(header)) != header:
                    return None
                if os.fstat(file.fileno()).st_size != len(header) + _size(shape, dtype):
                    return None
            arrays[key] = np.memmap(path, dtype, "r", offset=len(header), shape=shape)
    except (OSError, ValueError):  # gone, cut off while it was opened, not for us
        return None
    return arrays


def _listed(folder: Path) -> list[Path]:
    """What is in a folder, in order; nothing where there is none, or no longer one."""
    with _storage_errors(folder):
        try:
            return sorted(folder.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []


def _lay_out(folder: Path, layout: Layout) -> Arrays:
    """Makes the files of a layout, holding zeros and all the space they need, and maps them."""
    folder.mkdir()
    arrays: dict[str, Any] = {}
    for key, (shape, dtype) in layout.items():
        path, header = folder / f"{key}.npy", _header(shape, dtype)
        with path.open("wb") as file:
            file.write(header)
            file.flush()
            _reserve(file.fileno(), len(header), _size(shape, dtype))
        arrays[key] = np.memmap(path, dtype, "r+", offset=len(header), shape=shape)
    return arrays


def _reserve(descriptor: int, offset: int, size: int) -> None:
    """Has the disk hold zeros from a place on, so that no later write finds it full."""
    if not size:
        return
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, offset, size)
        return
    end = offset + size
    while offset < end:
        offset += os.pwrite(descriptor, bytes(min(_ZEROS, end - offset)), offset)


def _have_on_disk(folder: Path, arrays: Arrays) -> None:
    for key, array in arrays.items():
        if isinstance(array, np.memmap):
            array.flush()
        with (folder / f"{key}.npy").open("rb") as file:
            os.fsync(file.fileno())
    _sync(folder)


def _header(shape: tuple[int, ...], dtype: str) -> bytes:
    """What a ``.npy`` file begins with."""
    out = BytesIO()
    described = {
        "descr": np.lib.format.dtype_to_descr(np.dtype(dtype)),
        "fortran_order": False,
        "shape": tuple(shape),
    }
    np.lib.format.write_array_header_1_0(out, described)
    return out.getvalue()


def _size(shape: tuple[int, ...], dtype: str) -> int:
    """Bytes of the numbers."""
    return int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _held(path: Path, *, wait: bool) -> Iterator[bool]:
    """Holds a lock; yields whether it does, which is always so for those who wait.

    As long as it is held, its file keeps the folder from being empty, and so from being removed.
    """
    with _storage_errors(path.parent):
        descriptor = _take(path, wait)
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            path.unlink(missing_ok=True)  # while it is held, so that nobody else's is removed
            os.close(descriptor)


def _take(path: Path, wait: bool) -> int | None:
    while True:
        descriptor = _open(path, make=wait)
        if descriptor is None:
            return None
        try:
            taken = _flock(descriptor, wait=False)
            if wait and not taken:
                name = path.name.removeprefix(".").removesuffix(".lock")
                _log.warning("another process computes %s; waiting for it", path.parent / name)
                taken = _flock(descriptor, wait=True)
            if taken and _is_at(descriptor, path):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        if not taken:
            return None


def _open(path: Path, *, make: bool) -> int | None:
    """Opens a lock; None if its folder is not there and not to be made."""
    tries = 0
    while True:
        try:
            if make:
                path.parent.mkdir(parents=True, exist_ok=True)
            return os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except (FileNotFoundError, FileExistsError):
            # Whoever tidies removes empty folders, also between the steps above; mkdir says that
            # the folder exists if it is gone when mkdir looks again.
            if not make:
                return None
            tries += 1
            if tries == _TRIES:
                raise


def _flock(descriptor: int, *, wait: bool) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether an open file is still the one of that name; who held it before has removed it."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def _storage_errors(folder: Path) -> Iterator[None]:
    """Turns what the disk raises into one clear error."""
    try:
        yield
    except SteepleError:
        raise
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        reason = "the disk is full" if full else error.strerror or str(error)
        raise StorageError(
            f"cannot keep what was computed in {folder}: {reason}; make room, or choose a folder "
            "that can be written, and run the same command again"
        ) from error
