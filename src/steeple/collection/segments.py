"""Descriptors on disk: append-only files of float32 rows, read through memory maps.

Row r lies in file r // ROWS at place r % ROWS. A row counts only once the database has committed
it, so whatever a crashed writer left behind the last committed row is simply written over. Rows
are written with ordinary writes, because a full disk then is an error and not a dead process.
"""

from __future__ import annotations

import os
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from steeple.errors import CollectionError
from steeple.retrieval.neighbors import Block
from steeple.retrieval.types import Floats, Ids

__all__ = [
    "ROWS",
    "Segments",
    "checksum",
    "copy_tree",
    "sync_folder",
    "sync_tree",
    "write_synced",
]

ROWS = 1 << 16
"""Rows a file holds: 128 MiB at 512 dimensions."""

_COPIED = 8192  # rows copied at a time: 16 MiB at 512 dimensions, which memory is reused for
_RUN = 4096  # rows: a shorter run of neighbours on disk is copied together with others


def checksum(vector: Floats) -> int:
    """CRC-32 of a descriptor's bytes, little-endian as on disk."""
    return zlib.crc32(np.ascontiguousarray(vector, dtype="<f4").tobytes())


def sync_folder(folder: Path) -> None:
    """Has the names in a folder on the disk, so that a new file outlives a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Has a folder on the disk, with everything that is in it."""
    for path in folder.rglob("*"):
        if path.is_dir():
            sync_folder(path)
        else:
            with path.open("rb") as file:
                os.fsync(file.fileno())
    sync_folder(folder)


def copy_tree(origin: Path, to: Path, *, without: Path) -> None:
    """Copies a folder, with everything that is in it, and has the copy on the disk.

    Args:
        origin: the folder.
        to: its copy; its parent is there.
        without: a folder, resolved, that is left out: the copy itself may lie in what is copied.

    Raises:
        OSError: the first that comes up; `shutil.copytree` would go on and make a list of them.
    """
    to.mkdir()
    for path in sorted(origin.iterdir()):
        if path.resolve() == without:
            continue
        if path.is_dir():
            copy_tree(path, to / path.name, without=without)
        else:
            shutil.copyfile(path, to / path.name)
    sync_tree(to)


def write_synced(path: Path, offset: int, data: bytes) -> None:
    """Writes into a file, makes it and its folder if need be, and has all on the disk.

    Raises:
        OSError: if the disk is full or fails; some of the data may be written then.
    """
    path.parent.mkdir(exist_ok=True)
    new = not path.exists()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        left = memoryview(data)
        while left:
            written = os.pwrite(descriptor, left, offset)
            left, offset = left[written:], offset + written
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if new:
        sync_folder(path.parent)


class Segments:
    """The descriptor files of one collection.

    Args:
        folder: where the files lie; made when the first is written.
        dimension: length of a descriptor.
    """

    def __init__(self, folder: Path, dimension: int) -> None:
        self.folder = folder
        self.dimension = dimension
        self._maps: dict[int, Floats] = {}

    def write(self, row: int, vectors: Floats) -> None:
        """Writes vectors (n, D) from a row on and has them on the disk before it returns.

        Raises:
            OSError: if the disk is full or fails; rows written so far do not count.
        """
        while len(vectors):
            number, place = divmod(row, ROWS)
            part = vectors[: ROWS - place]
            data = np.ascontiguousarray(part, dtype="<f4").tobytes()
            write_synced(self.path(number), place * self.dimension * 4, data)
            row, vectors = row + len(part), vectors[len(part) :]

    def read(self, rows: Ids) -> Floats:
        """Copies descriptors: (n,) rows to (n, D) float32.

        Raises:
            CollectionError: if a file is missing or too short.
        """
        if (np.diff(rows) < 0).any():
            order = np.argsort(rows)
            out = np.empty((len(rows), self.dimension), dtype=np.float32)
            out[order] = self.read(rows[order])
            return out
        out = np.empty((len(rows), self.dimension), dtype=np.float32)
        numbers, starts = np.unique(rows // ROWS, return_index=True)
        ends = np.append(starts, len(rows))[1:]
        for number, start, end in zip(numbers, starts, ends, strict=True):
            places = rows[start:end] % ROWS
            vectors = self._map(int(number), int(places[-1]) + 1)
            # Told to clip, which never happens, NumPy copies without a detour.
            np.take(vectors, places, axis=0, out=out[start:end], mode="clip")
        return out

    def blocks(self, rows: Ids) -> Iterator[Block]:
        """The descriptors of some rows as blocks to search, in order.

        Long runs of consecutive rows are views of the memory map; what lies scattered between
        them is copied, some thousand rows at a time.

        Args:
            rows: (n,) int64, strictly ascending.

        Yields:
            Positions in `rows` and their descriptors.

        Raises:
            CollectionError: if a file is missing or too short.
        """
        if not len(rows):
            return
        ends = np.flatnonzero((np.diff(rows) != 1) | (rows[1:] % ROWS == 0)) + 1
        starts = np.concatenate([[0], ends])
        ends = np.concatenate([ends, [len(rows)]])
        long = ends - starts >= _RUN
        # Boundaries between what is viewed and what is copied: at each long run's start and end.
        cuts = np.unique(np.concatenate([starts[long], ends[long], [0, len(rows)]]))
        viewed = set(starts[long].tolist())
        for start, end in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True):
            if start in viewed:
                number, place = divmod(int(rows[start]), ROWS)
                vectors = self._map(number, place + end - start)[place : place + end - start]
                yield np.arange(start, end, dtype=np.int64), vectors
                continue
            for low in range(start, end, _COPIED):
                part = np.arange(low, min(low + _COPIED, end), dtype=np.int64)
                yield part, self.read(rows[part])

    def _map(self, number: int, rows: int) -> Floats:
        """The first rows, or more, of a file."""
        known = self._maps.get(number)
        if known is not None and len(known) >= rows:
            return known
        path = self.path(number)
        try:
            there = path.stat().st_size // (4 * self.dimension)
        except FileNotFoundError:
            there = 0
        if there < rows:
            raise CollectionError(
                f"{path} holds {there} descriptors of at least {rows}; "
                f"run: steeple doctor --collection {self.folder.parent}"
            )
        self._maps[number] = np.memmap(
            path, dtype="<f4", mode="r", shape=(there, self.dimension)
        ).view(np.ndarray)
        return self._maps[number]

    def path(self, number: int) -> Path:
        """The file of a number."""
        return self.folder / f"{number:06d}.f32"
