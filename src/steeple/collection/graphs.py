"""Where a collection keeps what offline re-rankers compute for its index.

In ``cache/graph-KEY``, a shelf. The key stands for the rows of the index, for how often descriptors
were rewritten, and for how neighbours are searched, so a change of labels throws nothing away that
depends on descriptors only; what depends on labels has a name that begins with ``label-``.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from sqlite3 import Connection

from steeple.collection.approximate import StoredIndex
from steeple.collection.coverage import Rows
from steeple.collection.schema import get_setting, put_setting
from steeple.collection.segments import Segments
from steeple.errors import StorageError
from steeple.progress import Progress
from steeple.retrieval.descriptors import Search
from steeple.retrieval.offline.search import RULE, OwnSearch
from steeple.retrieval.offline.shelf import Arrays, Layout, MemoryShelf, Shelf
from steeple.retrieval.types import Floats, Ids, Ranking
from steeple.shelves import FolderShelf

__all__ = [
    "GraphShelf",
    "count_repair",
    "graph_key",
    "graph_search",
    "graph_shelf",
    "remove_graphs",
    "repairs",
]

_REPAIRS = "repairs"  # the setting
_LABELS = "label-"  # what names of arrays begin with that depend on labels
_log = logging.getLogger(__name__)


class GraphShelf:
    """The shelf of an index; what it is called is found out when it is first needed.

    Args:
        cache: the folder of the collection's caches, there or not.
        rows: (N,) int64, of the index.
        index: the approximate index it is searched with; None if exactly.
        repaired: how often descriptors were rewritten.
    """

    def __init__(self, cache: Path, rows: Ids, index: StoredIndex | None, repaired: int) -> None:
        self._cache = cache
        self._rows = rows
        self._index = index
        self._repaired = repaired

    @cached_property
    def _shelf(self) -> Shelf:
        return graph_shelf(self._cache, graph_key(self._rows, self._index, self._repaired))

    def once(self, name: str, layout: Layout, fill: Callable[[Arrays], None]) -> Arrays:
        """The arrays of a name; computed now if they are not there; see `Shelf`."""
        return self._shelf.once(name, layout, fill)

    def names(self) -> set[str]:
        """What is kept."""
        return self._shelf.names()


def repairs(connection: Connection) -> int:
    """How often descriptors of a collection were rewritten under the rows they had."""
    return int(get_setting(connection, _REPAIRS) or 0)


def count_repair(connection: Connection) -> None:
    """Notes that descriptors have been rewritten: from now on whatever is computed has another key.

    Who computes right now may have read the old ones, and keeps what comes of it under the old key.

    Args:
        connection: of the collection; in a transaction, after the descriptors are on the disk.
    """
    put_setting(connection, _REPAIRS, repairs(connection) + 1)


def graph_key(rows: Ids, index: StoredIndex | None, repaired: int) -> str:
    """What neighbours depend on: which descriptors are searched, by what, and how hard.

    Args:
        rows: (N,) int64, of the index; a row gets another descriptor by a repair only.
        index: the approximate index they are searched with; None if exactly. How hard it looks
            follows from it by `RULE`.
        repaired: as `repairs` counts them.
    """
    digest = hashlib.blake2b(rows.tobytes(), digest_size=8)
    digest.update(repr(repaired).encode())
    if index is not None:
        digest.update(repr((index.about.checksum, RULE)).encode())
    return digest.hexdigest()


def graph_search(
    search: Search, index: StoredIndex | None, segments: Segments, told: Progress
) -> Search:
    """What finds the neighbours of index images: with an effort for each width, see `OwnSearch`.

    An index that is not trusted any more is not asked; then all is searched exactly.

    Args:
        search: what finds those of queries.
        index: the approximate index it uses; None if it searches exactly.
        segments: the descriptors.
        told: hears when an effort is looked for.
    """
    if index is None:
        return search
    own = OwnSearch(index.index, Rows(segments, index.rows), search, told=told)

    def search_own(queries: Floats, k: int) -> Ranking:
        return own(queries, k) if index.trusted else search(queries, k)

    return search_own


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

    def names(self) -> set[str]:
        """What is kept in either."""
        return self._folder.names() | self._memory.names()
