"""The approximate index of a collection on disk: a cache beside the truth.

It lies in ``cache/approximate-NNNNNN``, made beside and renamed, so it is there whole or not at
all. It holds the rows that the index had when it was built. Without it, or if it is damaged,
everything is searched exactly.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import zlib
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from steeple.collection.segments import sync_folder
from steeple.errors import InputError
from steeple.retrieval.approximate.effort import Effort
from steeple.retrieval.approximate.index import ApproximateIndex
from steeple.retrieval.types import Ids

__all__ = [
    "About",
    "CurrentIndex",
    "StoredIndex",
    "find_newest",
    "remove_indexes",
    "store_index",
]

_NAME = re.compile(r"approximate-(\d{6})")
_ABOUT, _INDEX, _ROWS = "about.json", "index.faiss", "rows.npy"
_BYTES = 1 << 20  # written at a time
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class About:
    """What is stored of an approximate index beside it.

    Args:
        kind: what was asked for: ``auto``, or the factory name.
        factory: FAISS's name of what was built.
        probes: of the effort searches make.
        refine: of it.
        images: how many it holds.
        dimension: of their descriptors.
        recall: recall@100 measured when it was built; None where nothing could be.
        seconds: how long building took.
        bytes: size of the FAISS index.
        checksum: CRC-32 of it.
        rows_checksum: CRC-32 of the rows.
    """

    kind: str
    factory: str
    probes: int
    refine: int
    images: int
    dimension: int
    recall: float | None
    seconds: float
    bytes: int
    checksum: int
    rows_checksum: int


class StoredIndex:
    """An approximate index that has been opened.

    Args:
        folder: where it lies.
        about: what is known of it.
        index: it.
        rows: (M,) int64, the rows of the images it holds, ascending.
    """

    def __init__(self, folder: Path, about: About, index: ApproximateIndex, rows: Ids) -> None:
        self.folder = folder
        self.about = about
        self.index = index
        self.rows = rows

    @classmethod
    def open(cls, folder: Path) -> StoredIndex:
        """Opens an index; its codes stay on disk where FAISS can map them.

        Raises:
            FileNotFoundError: if it is not there.
            InputError: if its files are not what was stored, as far as their form shows it.
        """
        import faiss

        try:
            about = About(**json.loads((folder / _ABOUT).read_text(encoding="utf-8")))
            path = folder / _INDEX
            if path.stat().st_size != about.bytes:
                raise ValueError(f"{path.name} has another size")
            rows = np.load(folder / _ROWS, allow_pickle=False)
            if rows.dtype != np.int64 or zlib.crc32(rows.tobytes()) != about.rows_checksum:
                raise ValueError(f"{_ROWS} does not match its checksum")
            # Which kinds can be mapped differs by version; both flags fall back to reading.
            mapped = getattr(faiss, "IO_FLAG_MMAP_IFC", faiss.IO_FLAG_MMAP)
            index = faiss.read_index(str(path), mapped)
            if (index.ntotal, index.d) != (about.images, about.dimension):
                raise ValueError(f"{path.name} is of something else")
            effort = Effort(about.probes, about.refine)
            return cls(folder, about, ApproximateIndex(index, about.factory, effort), rows)
        except FileNotFoundError:
            raise
        except RuntimeError as error:  # whose text is about FAISS's source
            raise InputError(f"{folder} is damaged (FAISS cannot read {_INDEX})") from error
        except (OSError, ValueError, TypeError, EOFError) as error:
            raise InputError(f"{folder} is damaged ({error})") from error

    def damage(self) -> str | None:
        """What of the index is not what was stored, by its checksum; None if nothing is."""
        value = 0
        with (self.folder / _INDEX).open("rb") as file:
            while data := file.read(_BYTES):
                value = zlib.crc32(data, value)
        return None if value == self.about.checksum else "does not match its checksum"

    def changed(self, rows: Ids) -> int:
        """How many images came or went since it was built.

        Args:
            rows: (N,) int64, those of the index now, ascending.
        """
        return len(np.setxor1d(rows, self.rows, assume_unique=True))


class CurrentIndex:
    """The newest approximate index of a collection, whichever that is at the moment.

    Args:
        folder: the collection.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._seen: tuple[Path, int, int] | None = None
        self._open: StoredIndex | None = None

    def get(self) -> StoredIndex | None:
        """The index; None where there is none, or it is damaged, which is logged once."""
        newest = _look(self.folder / "cache")
        while newest != self._seen:
            self._seen, self._open = newest, None
            if newest is None:
                break
            try:
                self._open = StoredIndex.open(newest[0])
            except FileNotFoundError:  # a writer has just put another in its place
                newest = _look(self.folder / "cache")
                if newest == self._seen:
                    self._warn("a file of it is missing")
            except InputError as error:
                self._warn(str(error))
        return self._open

    def _warn(self, reason: str) -> None:
        _log.warning(
            "the approximate index cannot be used: %s; everything is searched exactly until: "
            "steeple doctor --collection %s --repair",
            reason,
            self.folder,
        )


def find_newest(cache: Path) -> Path | None:
    """Where the newest approximate index of a cache lies, if there is one."""
    try:
        return max((path for path in cache.iterdir() if _NAME.fullmatch(path.name)), default=None)
    except FileNotFoundError:
        return None


def _look(cache: Path) -> tuple[Path, int, int] | None:
    """The newest, and what tells it from another of its name: somebody may delete all of them."""
    while (newest := find_newest(cache)) is not None:
        with suppress(FileNotFoundError):  # a writer has just put another in its place
            found = newest.stat()
            return newest, found.st_ino, found.st_mtime_ns
    return None


def store_index(cache: Path, index: ApproximateIndex, rows: Ids, about: dict[str, Any]) -> Path:
    """Writes an approximate index and puts it in the place of those that are there.

    Args:
        cache: the folder; the caller holds the collection's write lock.
        index: what was built.
        rows: (M,) int64, what it holds.
        about: the fields of `About` that are not known from the rest.

    Returns:
        Where it lies.

    Raises:
        OSError: if the disk is full or fails; the old one is still there then.
    """
    import faiss

    newest = find_newest(cache)
    number = 1 + int(newest.name.rpartition("-")[2]) if newest else 1
    place = cache / f"approximate-{number:06d}"
    beside = place.with_suffix(".new")
    written = _Written()
    cache.mkdir(exist_ok=True)
    try:
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir()
        with (beside / _INDEX).open("wb") as written.file:
            # Written by us, because FAISS would not say that the last bytes found the disk full.
            writer = faiss.PyCallbackIOWriter(written.take, _BYTES)  # type: ignore[attr-defined]
            faiss.write_index(index.index, writer)
            written.file.flush()
            os.fsync(written.file.fileno())
        with (beside / _ROWS).open("wb") as file:
            np.save(file, rows)
            file.flush()
            os.fsync(file.fileno())
        full = About(
            factory=index.factory,
            probes=index.effort.probes,
            refine=index.effort.refine,
            images=len(index),
            dimension=int(index.index.d),
            bytes=written.bytes,
            checksum=written.checksum,
            rows_checksum=zlib.crc32(rows.tobytes()),
            **about,
        )
        with (beside / _ABOUT).open("w", encoding="utf-8") as text:
            json.dump(asdict(full), text)
            text.flush()
            os.fsync(text.fileno())
        sync_folder(beside)
        beside.rename(place)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)  # a full disk has no room for half a cache
        raise
    sync_folder(cache)
    remove_indexes(cache, keep=place)
    return place


def remove_indexes(cache: Path, *, keep: Path | None = None) -> None:
    """Removes approximate indexes, and what a killed process left of one.

    Raises:
        OSError: if one cannot be removed.
    """
    for path in cache.glob("approximate-*"):
        if path != keep:
            shutil.rmtree(path)


class _Written:
    """A file that FAISS writes through us."""

    def __init__(self) -> None:
        self.file: Any = None
        self.bytes = 0
        self.checksum = 0

    def take(self, data: bytes) -> None:
        self.file.write(data)
        self.bytes += len(data)
        self.checksum = zlib.crc32(data, self.checksum)
