"""The approximate index of a collection on disk: a cache beside the truth.

It lies in ``cache/approximate-NNNNNN``, made beside and renamed, so it is there whole or not at
all; it goes by another name before its files do. It holds the rows that the index had when it was
built. Where the training set is large and another one, that has an index of its own in it. Without
it, or if it is damaged, everything is searched exactly.

What FAISS is given to read has been compared with its checksum: nothing else shows that a page of
codes was lost, and FAISS would name wrong images, or images that are not there. That reads the file
once for each process that searches, which costs what loading it costs: a second a gigabyte.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
import zlib
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from steeple.errors import InputError
from steeple.retrieval.approximate.effort import Effort
from steeple.retrieval.approximate.index import ApproximateIndex
from steeple.retrieval.types import Ids

__all__ = [
    "ABOUT",
    "INDEX",
    "ROWS",
    "TRAINING",
    "About",
    "CurrentIndex",
    "StoredIndex",
    "Voters",
    "find_newest",
    "remove_indexes",
]

_NAME = re.compile(r"approximate-(\d{6})")
ABOUT, INDEX, ROWS, TRAINING = "about.json", "index.faiss", "rows.npy", "training"
"""What lies in the folder of an index; the last is the folder of the training set's own."""

_BYTES = 1 << 20  # read at a time
_log = logging.getLogger(__name__)

Voters = Literal["exact", "shared", "own"]
"""How the nearest training images of a query are found: exactly, by the index of the images that
can be found, because these are the same, or by an index of their own."""


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
        voters: how voters are found where this is searched.
        tuned_for: how many images a query asked for when the effort was chosen.
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
    voters: Voters = "exact"
    tuned_for: int = 100


class StoredIndex:
    """An approximate index that has been opened.

    Args:
        folder: where it lies.
        about: what is known of it.
        index: it; None reads it from the folder when it is first needed.
        rows: (M,) int64, the rows of the images it holds, ascending.
        training: the one that the training set has of its own, if it has one.

    Attributes:
        trusted: False once it has named an image that it does not hold.
    """

    def __init__(
        self,
        folder: Path,
        about: About,
        index: ApproximateIndex | None,
        rows: Ids,
        training: StoredIndex | None = None,
    ) -> None:
        self.folder = folder
        self.about = about
        self.rows = rows
        self.trusted = True
        self._given = index
        self._training = training

    @classmethod
    def open(cls, folder: Path) -> StoredIndex:
        """Opens an index: what is known of it, and its rows. `load` reads the rest.

        Raises:
            FileNotFoundError: if it is not there.
            InputError: if its files are not what was stored, as far as this shows it.
        """
        try:
            about = About(**json.loads((folder / ABOUT).read_text(encoding="utf-8")))
            path = folder / INDEX
            if path.stat().st_size != about.bytes:
                raise ValueError(f"{path.name} has another size")
            rows = np.load(folder / ROWS, allow_pickle=False)
            if rows.dtype != np.int64 or zlib.crc32(rows.tobytes()) != about.rows_checksum:
                raise ValueError(f"{ROWS} does not match its checksum")
            if len(rows) != about.images:
                raise ValueError(f"{ROWS} is of something else")
        except FileNotFoundError:
            raise
        except (OSError, ValueError, TypeError, EOFError) as error:
            raise InputError(f"{folder} is damaged ({error})") from error
        training = cls.open(folder / TRAINING) if about.voters == "own" else None
        return cls(folder, about, None, rows, training)

    @cached_property
    def index(self) -> ApproximateIndex:
        """The FAISS index, compared with its checksum and read when it is first needed.

        Raises:
            FileNotFoundError: if it is not there.
            InputError: if it is not what was stored.
        """
        return _read(self.folder, self.about) if self._given is None else self._given

    @property
    def voters(self) -> StoredIndex | None:
        """What finds the nearest training images; None finds them exactly."""
        return self if self.about.voters == "shared" else self._training

    def load(self) -> StoredIndex:
        """The same with everything read; whoever has it keeps it, even if its files go.

        Raises what `index` raises.
        """
        for part in (self, self._training):
            if part is not None:
                _ = part.index
        return self

    def damage(self) -> str | None:
        """What of the index is not what was stored, read anew; None if nothing is.

        Raises:
            OSError: if a file of it cannot be read.
        """
        try:
            StoredIndex.open(self.folder).load()
        except InputError as error:
            return str(error).removeprefix(str(self.folder)).lstrip(" /")
        return None

    def distrust(self, reason: str) -> None:
        """Has nobody search it any more, and says so once.

        Args:
            reason: what it did, and the way out.
        """
        if self.trusted:
            self.trusted = False
            _log.warning("%s; until then everything is searched exactly", reason)

    def changed(self, rows: Ids) -> int:
        """How many images came or went since it was built.

        Args:
            rows: (N,) int64, those of the index now, ascending.
        """
        return len(np.setxor1d(rows, self.rows, assume_unique=True))

    def gone(self, rows: Ids) -> int:
        """How many of the images it holds are not there any more; rows as for `changed`."""
        return len(np.setdiff1d(self.rows, rows, assume_unique=True))


def _read(folder: Path, about: About) -> ApproximateIndex:
    """Reads the FAISS index of a folder; its codes stay on disk where FAISS can map them.

    Raises:
        FileNotFoundError: if it is not there.
        InputError: if it is not what was stored.
    """
    import faiss

    path = folder / INDEX
    try:
        if _checksum(path) != about.checksum:
            raise InputError(f"{folder} is damaged ({INDEX} does not match its checksum)")
        # Which kinds can be mapped differs by version; both flags fall back to reading.
        mapped = getattr(faiss, "IO_FLAG_MMAP_IFC", faiss.IO_FLAG_MMAP)
        index = faiss.read_index(str(path), mapped)
    except FileNotFoundError:
        raise
    except RuntimeError as error:  # whose text is about FAISS's source
        raise InputError(f"{folder} is damaged (FAISS cannot read {INDEX})") from error
    except OSError as error:
        raise InputError(f"{folder} is damaged ({error})") from error
    if (index.ntotal, index.d) != (about.images, about.dimension):
        raise InputError(f"{folder} is damaged ({INDEX} is of something else)")
    return ApproximateIndex(
        index, about.factory, Effort(about.probes, about.refine, about.tuned_for)
    )


def _checksum(path: Path) -> int:
    value = 0
    with path.open("rb") as file:
        while data := file.read(_BYTES):
            value = zlib.crc32(data, value)
    return value


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
                self._open = StoredIndex.open(newest[0]).load()
            except FileNotFoundError:  # a writer has just put another in its place
                newest = _look(self.folder / "cache")
                if newest == self._seen:
                    _warn(self.folder, "a file of it is missing")
            except InputError as error:
                _warn(self.folder, str(error))
        return self._open


def _warn(collection: Path, reason: str) -> None:
    _log.warning(
        "the approximate index cannot be used: %s; everything is searched exactly until: "
        "steeple doctor --collection %s --repair",
        reason,
        collection,
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


def remove_indexes(cache: Path, *, keep: Path | None = None) -> None:
    """Removes approximate indexes, and what a killed process left of one.

    Each is renamed first, to a name that no reader opens: half a one would look damaged.

    Raises:
        OSError: if one cannot be removed.
    """
    for path in cache.glob("approximate-*.old"):
        shutil.rmtree(path)
    for path in cache.glob("approximate-*"):
        if path != keep:
            shutil.rmtree(path.rename(path.with_suffix(".old")))
