"""Where a collection keeps what offline re-rankers compute for its index.

In ``cache/graph-KEY``, a shelf. The key stands for the rows of the index and for how neighbours
are searched, so a change of labels throws nothing away that depends on descriptors only; what
depends on labels has a name that begins with ``label-``.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from steeple.collection.approximate import StoredIndex
from steeple.errors import StorageError
from steeple.retrieval.offline.shelf import Arrays, Layout, MemoryShelf, Shelf
from steeple.retrieval.types import Ids
from steeple.shelves import FolderShelf

__all__ = ["GraphShelf", "graph_key", "graph_shelf", "remove_graphs"]

_LABELS = "label-"  # what names of arrays begin with that depend on labels
_log = logging.getLogger(__name__)


class GraphShelf:
    """The shelf of an index; what it is called is found out when it is first needed.

    Args:
        cache: the folder of the collection's caches, there or not.
        rows: (N,) int64, of the index.
        index: the approximate index it is searched with; None if exactly.
    """

    def __init__(self, cache: Path, rows: Ids, index: StoredIndex | None) -> None:
        self._cache = cache
        self._rows = rows
        self._index = index

    @cached_property
    def _shelf(self) -> Shelf:
        return graph_shelf(self._cache, graph_key(self._rows, self._index))

    def once(self, name: str, layout: Layout, fill: Callable[[Arrays], None]) -> Arrays:
        """The arrays of a name; computed now if they are not there; see `Shelf`."""
        return self._shelf.once(name, layout, fill)


def graph_key(rows: Ids, index: StoredIndex | None) -> str:
    """What neighbours depend on: which descriptors are searched, by what, and how hard.

    Args:
        rows: (N,) int64, of the index; a row is never used twice.
        index: the approximate index they are searched with; None if exactly.
    """
    digest = hashlib.blake2b(rows.tobytes(), digest_size=8)
    if index is not None:
        about = index.about
        digest.update(repr((about.checksum, about.probes, about.refine)).encode())
    return digest.hexdigest()


def graph_shelf(cache: Path, key: str) -> Shelf:
    """The shelf of a key; where nothing can be written, what it lacks is kept in memory.

    Args:
        cache: the folder of the collection's caches, there or not.
        key: as `graph_key` gives it.
    """
    folder = FolderShelf(cache / f"graph-{key}")
    there = next(path for path in (folder.folder, cache, cache.parent) if path.exists())
    return folder if os.access(there, os.W_OK) else _Unwritable(folder)


def remove_graphs(cache: Path, *, keep: Collection[str], labels: bool) -> None:
    """Removes what was computed for other states of the index.

    What another process computes right now stays until the next time.

    Args:
        cache: the folder of the collection's caches.
        keep: keys to keep.
        labels: whether what depends on labels goes from those too.

    Raises:
        StorageError: if something cannot be removed.
    """
    for folder in cache.glob("graph-*"):
        kept = folder.name.removeprefix("graph-") in keep
        unwanted = _depends_on_labels if kept and labels else _nothing if kept else _everything
        FolderShelf(folder).discard(unwanted)
        if not kept:
            with suppress(OSError):  # where somebody computes right now, it is not empty
                folder.rmdir()


def _nothing(_: str) -> bool:
    return False


def _everything(_: str) -> bool:
    return True


def _depends_on_labels(name: str) -> bool:
    return name.startswith(_LABELS)


class _Unwritable:
    """Finds what a folder keeps that may not be written, and keeps the rest in memory."""

    def __init__(self, folder: FolderShelf) -> None:
        self._folder = folder
        self._memory = MemoryShelf()

    def once(self, name: str, layout: Layout, fill: Callable[[Arrays], None]) -> Arrays:
        """The arrays of a name; computed now if they are not there."""

        def told(arrays: Arrays) -> None:
            _log.warning(
                "%s may not be written: what is computed for %s is gone when this command ends",
                self._folder.folder.parent,
                name,
            )
            fill(arrays)

        try:
            return self._folder.once(name, layout, fill)
        except StorageError:
            return self._memory.once(name, layout, told)
