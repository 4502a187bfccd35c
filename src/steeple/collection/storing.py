"""An approximate index onto the disk, whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from steeple.collection.approximate import (
    ABOUT,
    INDEX,
    ROWS,
    TRAINING,
    About,
    find_newest,
    remove_indexes,
)
from steeple.collection.segments import sync_folder
from steeple.retrieval.approximate.index import ApproximateIndex
from steeple.retrieval.types import Ids

__all__ = ["Built", "store_index"]

_BYTES = 1 << 20  # written at a time


@dataclass(frozen=True)
class Built:
    """An approximate index that has been built, to be stored.

    Args:
        index: it.
        rows: (M,) int64, what it holds, ascending.
        about: the fields of `About` that are not known from the rest.
    """

    index: ApproximateIndex
    rows: Ids
    about: dict[str, Any]


def store_index(cache: Path, built: Built, training: Built | None = None) -> Path:
    """Writes an approximate index and puts it in the place of those that are there.

    Args:
        cache: the folder; the caller holds the collection's write lock.
        built: the index.
        training: the one of the training set, if it has one of its own.

    Returns:
        Where it lies.

    Raises:
        OSError: if the disk is full or fails; the old one is still there then.
    """
    newest = find_newest(cache)
    number = 1 + int(newest.name.rpartition("-")[2]) if newest else 1
    place = cache / f"approximate-{number:06d}"
    beside = place.with_suffix(".new")
    cache.mkdir(exist_ok=True)
    try:
        shutil.rmtree(beside, ignore_errors=True)
        _write(beside, built)
        if training is not None:
            _write(beside / TRAINING, training)
            sync_folder(beside)
        beside.rename(place)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)  # a full disk has no room for half a cache
        raise
    sync_folder(cache)
    remove_indexes(cache, keep=place)
    return place


def _write(folder: Path, built: Built) -> None:
    """Writes one index into a new folder, and has it on the disk."""
    import faiss

    index, rows = built.index, built.rows
    written = _Written()
    folder.mkdir()
    with (folder / INDEX).open("wb") as written.file:
        # Written by us, because FAISS would not say that the last bytes found the disk full.
        writer = faiss.PyCallbackIOWriter(written.take, _BYTES)  # type: ignore[attr-defined]
        faiss.write_index(index.index, writer)
        written.file.flush()
        os.fsync(written.file.fileno())
    with (folder / ROWS).open("wb") as file:
        np.save(file, rows)
        file.flush()
        os.fsync(file.fileno())
    about = About(
        factory=index.factory,
        probes=index.effort.probes,
        refine=index.effort.refine,
        tuned_for=index.effort.k,
        images=len(index),
        dimension=int(index.index.d),
        bytes=written.bytes,
        checksum=written.checksum,
        rows_checksum=zlib.crc32(rows.tobytes()),
        **built.about,
    )
    with (folder / ABOUT).open("w", encoding="utf-8") as text:
        json.dump(asdict(about), text)
        text.flush()
        os.fsync(text.fileno())
    sync_folder(folder)


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
