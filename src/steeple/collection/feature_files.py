"""Local features on disk: append-only files of records, one per photo, read through memory maps.

The record of a photo with M features is its M keypoints, then its M descriptors:

    x, y, scale    3 x uint16 little-endian each, in 1/32 pixel, so 0 to 2047.97 pixels
    descriptor     one byte a value: uint8 (SIFT) or int8 (learned)

A SIFT feature takes 134 bytes. A record lies at a byte place, in file place // FILE at offset
place % FILE, and never crosses from one file to the next. The rules are those of the descriptors
(`steeple.collection.segments`): a record counts only once the database has committed its place,
what a crashed writer left behind is written over, and nothing is written through a map.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from steeple.collection.segments import write_synced
from steeple.errors import CollectionError, InputError
from steeple.geometry.features import Features
from steeple.retrieval.types import Ids

__all__ = ["FILE", "FeatureFiles", "Record", "StoredFeatures"]

FILE = 1 << 30
"""Bytes a file holds at most: some 8,000 photos of 1000 SIFT features each."""

_KEYPOINT = 6  # bytes
_UNIT = 32  # parts of a pixel
_LARGEST = 65535


@dataclass(frozen=True)
class Record:
    """Where the local features of an image lie.

    Args:
        place: of the first byte, counted over all files.
        count: features.
        checksum: CRC-32 of the record's bytes.
    """

    place: int
    count: int
    checksum: int


class FeatureFiles:
    """The files of local features of one collection. Travels to other processes without its maps.

    Args:
        folder: where the files lie; made when the first is written.
        dtype: of the descriptors, ``uint8`` or ``int8``.
        length: of a descriptor.
    """

    def __init__(self, folder: Path, dtype: str, length: int) -> None:
        self.folder = folder.absolute()
        self.dtype = np.dtype(dtype)
        self.length = length
        self.limit = FILE
        self._maps: dict[int, npt.NDArray[np.uint8]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_maps": {}}

    def size(self, count: int) -> int:
        """Bytes that the record of so many features takes."""
        return count * (_KEYPOINT + self.length)

    def locate(self, place: int) -> tuple[int, int]:
        """The number of the file that a place lies in, and where in it."""
        return divmod(place, self.limit)

    def append(self, start: int, features: Sequence[Features]) -> tuple[list[Record], int]:
        """Writes records from the next free byte on, and has them on the disk.

        Returns:
            A record per image, and the next free byte after them.

        Raises:
            InputError: if there are features of another kind among them.
            OSError: if the disk is full or fails; what was written so far does not count.
        """
        packed = [self._pack(one) for one in features]
        records, end = [], start
        for one, data in zip(features, packed, strict=True):
            if end % self.limit + len(data) > self.limit:
                end += self.limit - end % self.limit
            records.append(Record(end, len(one), zlib.crc32(data)))
            end += len(data)
        pairs = zip(records, packed, strict=True)
        for _, group in groupby(pairs, lambda pair: self.locate(pair[0].place)[0]):
            some = list(group)
            self._write(some[0][0].place, b"".join(data for _, data in some))
        return records, end

    def overwrite(self, place: int, features: Features) -> Record:
        """Writes features over as many that are damaged, and has them on the disk."""
        data = self._pack(features)
        self._write(place, data)
        return Record(place, len(features), zlib.crc32(data))

    def read(self, place: int, count: int) -> Features:
        """The features of a record; the descriptors are a view of the memory map.

        Raises:
            CollectionError: if the file is missing or too short.
        """
        if not count:
            return self.none()
        number, offset = self.locate(place)
        data = self._map(number, offset + self.size(count))[offset : offset + self.size(count)]
        keypoints = data[: count * _KEYPOINT].view("<u2").astype(np.float32) / np.float32(_UNIT)
        descriptors = data[count * _KEYPOINT :].view(self.dtype)
        return Features(keypoints.reshape(count, 3), descriptors.reshape(count, self.length))

    def read_bytes(self, place: int, count: int) -> bytes | None:
        """A record by ordinary reads, because a failing disk kills who reads it through a map.

        None if the file is missing, too short, or cannot be read.
        """
        number, offset = self.locate(place)
        if not count:
            return b""
        try:
            with self.path(number).open("rb") as file:
                file.seek(offset)
                data = file.read(self.size(count))
        except OSError:
            return None
        return data if len(data) == self.size(count) else None

    def none(self) -> Features:
        """What is found in a photo that shows nothing."""
        return Features(
            np.zeros((0, 3), dtype=np.float32), np.zeros((0, self.length), dtype=self.dtype)
        )

    def path(self, number: int) -> Path:
        """The file of a number."""
        return self.folder / f"{number:06d}.bin"

    def _pack(self, features: Features) -> bytes:
        descriptors = features.descriptors
        if descriptors.dtype != self.dtype or descriptors.shape[1] != self.length:
            raise InputError(
                f"local features of {descriptors.shape[1]} {descriptors.dtype} values do not fit "
                f"a collection whose have {self.length} {self.dtype}; build it again"
            )
        keypoints = np.rint(features.keypoints * np.float32(_UNIT)).clip(0, _LARGEST)
        return bytes(keypoints.astype("<u2").tobytes() + descriptors.tobytes())

    def _write(self, place: int, data: bytes) -> None:
        if data:  # of photos without features, there is nothing to write
            number, offset = self.locate(place)
            write_synced(self.path(number), offset, data)

    def _map(self, number: int, size: int) -> npt.NDArray[np.uint8]:
        """The first bytes, or more, of a file."""
        known = self._maps.get(number)
        if known is not None and len(known) >= size:
            return known
        path = self.path(number)
        try:
            there = path.stat().st_size
        except FileNotFoundError:
            there = 0
        if there < size:
            raise CollectionError(
                f"{path} holds {there} bytes of local features of at least {size}; "
                f"run: steeple doctor --collection {self.folder.parent}"
            )
        self._maps[number] = np.memmap(path, dtype=np.uint8, mode="r", shape=(there,)).view(
            np.ndarray
        )
        return self._maps[number]


class StoredFeatures:
    """The local features of some images of a collection, read when they are asked for.

    Can be pickled: what travels is where they lie, 12 bytes an image.

    Args:
        files: the collection's.
        places: (n,) int64, bytes.
        counts: (n,) int32, features.
    """

    def __init__(self, files: FeatureFiles, places: Ids, counts: npt.NDArray[np.int32]) -> None:
        self.files = files
        self.places = places
        self.counts = counts

    def __len__(self) -> int:
        """n, the number of images."""
        return len(self.places)

    def __getitem__(self, image: int) -> Features:
        """The local features of the image at a position.

        Raises:
            CollectionError: if their file is missing or too short.
        """
        return self.files.read(int(self.places[image]), int(self.counts[image]))

    def select(self, images: Ids) -> StoredFeatures:
        """Those of some images only: (m,) positions, whose order becomes the new positions."""
        return StoredFeatures(self.files, self.places[images], self.counts[images])
