"""When a collection gets an approximate index, which one, and building it.

The setting ``index`` says what is wanted: a kind (``auto``, ``flat`` for exact search, or the name
of a FAISS factory) and how many bytes it may take. What follows from it is built at the end of
`add`, once more than a fifth of the images has come or gone since.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from steeple.collection.approximate import (
    StoredIndex,
    find_newest,
    remove_indexes,
    store_index,
)
from steeple.collection.columns import Columns
from steeple.collection.coverage import Rows
from steeple.collection.sampling import Sample, draw_sample
from steeple.collection.schema import put_setting
from steeple.collection.store import LocalStore
from steeple.errors import CollectionError, InputError
from steeple.progress import Progress
from steeple.retrieval.approximate.index import ApproximateIndex
from steeple.retrieval.approximate.presets import FLAT, choose_index
from steeple.retrieval.types import Ids

__all__ = [
    "AUTO",
    "MEMORY",
    "bring_index_up_to_date",
    "build_index",
    "check_kind",
    "put_wanted",
    "refuse_nothing",
    "stored_index",
]

AUTO = "auto"
"""The kind that leaves the choice to `retrieval.approximate.presets.choose_index`."""

MEMORY = 4_000_000_000
"""Bytes that an approximate index may take unless told otherwise."""

_STALE = 0.2  # of the images that it holds: so many may come and go before it is built again
_LEARNING = 200  # queries by which the effort is chosen
_WANTED = 0.96  # recall@100 asked of those queries, so that others find 0.95
_LENGTH = 100  # images per query whose recall is measured
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wanted:
    """What the setting ``index`` says.

    Args:
        kind: ``auto``, ``flat`` or a FAISS factory name.
        memory: bytes that the index may take.
    """

    kind: str
    memory: int

    @classmethod
    def stored(cls, store: LocalStore) -> Wanted:
        """What a collection wants; one that says nothing leaves the choice to us."""
        found = store.setting("index") or {}
        return cls(found.get("kind", AUTO), found.get("memory", MEMORY))

    def factory(self, images: int, dimension: int) -> str:
        """The FAISS factory name for so many images."""
        if self.kind == AUTO:
            return choose_index(images, dimension, self.memory)
        return FLAT if self.kind.lower() == FLAT.lower() else self.kind


def put_wanted(kind: str, memory: int) -> dict[str, Any]:
    """The setting ``index`` that says this."""
    return {"kind": kind, "memory": memory}


def check_kind(kind: str, dimension: int) -> None:
    """Refuses a kind of index before any work is done for it.

    Raises:
        InputError: if FAISS makes nothing of that name.
    """
    import faiss

    if kind in (AUTO, FLAT.lower()):
        return
    try:
        faiss.index_factory(dimension, kind, faiss.METRIC_INNER_PRODUCT)
    except RuntimeError as error:
        raise InputError(
            f"FAISS knows no index {kind!r} of {dimension} dimensions; give auto, flat, HNSW32, "
            "IVF4096,SQ8 or another factory name"
        ) from error


def stored_index(store: LocalStore) -> StoredIndex | None:
    """The approximate index of a collection; None if there is none that can be used."""
    newest = find_newest(store.folder / "cache")
    if newest is None:
        return None
    try:
        return StoredIndex.open(newest)
    except (InputError, FileNotFoundError):
        return None


def bring_index_up_to_date(store: LocalStore, columns: Columns, progress: Progress) -> bool:
    """Builds the approximate index again if it does not suit the collection any more.

    An index that was asked for by name and cannot be made of so few images is left out until there
    are more: what is searched exactly is right.

    Args:
        store: the collection; the caller holds its write lock.
        columns: its images.
        progress: told the stages ``lists``, ``index`` and ``recall``.

    Returns:
        Whether it was built.

    Raises:
        CollectionError: if descriptors are missing.
        OSError: if the disk is full or fails; the old one is still there then.
    """
    wanted = Wanted.stored(store)
    rows = columns.rows[columns.index]
    factory = wanted.factory(len(rows), store.segments.dimension)
    if factory == FLAT or not len(rows):
        remove_indexes(store.folder / "cache")
        return False
    stored = stored_index(store)
    if stored is not None and stored.about.kind == wanted.kind and not _is_stale(stored, rows):
        return False
    try:
        _build(store, columns, wanted.kind, factory, memory=wanted.memory, progress=progress)
    except CollectionError:
        raise
    except InputError as error:
        remove_indexes(store.folder / "cache")
        _log.warning(
            "no approximate index was built, and everything is searched exactly: %s; or leave the "
            "choice to us: steeple index %s --kind auto",
            error,
            store.folder,
        )
        return False
    return True


def build_index(
    store: LocalStore, kind: str | None, memory: int | None, progress: Progress
) -> StoredIndex | None:
    """Builds the approximate index now, whatever is there, and notes what is wanted.

    Args:
        store: the collection; the caller holds its write lock.
        kind: ``auto``, ``flat`` or a FAISS factory name; None leaves what was wanted before.
        memory: bytes that the index may take; None leaves what was wanted before.
        progress: told the stages ``lists``, ``index`` and ``recall``.

    Returns:
        What was built; None if everything is searched exactly.

    Raises:
        InputError: if FAISS cannot make such an index of these images, or there are none; nothing
            is changed then.
        OSError: if the disk is full or fails; the old one is still there then.
    """
    before = Wanted.stored(store)
    wanted = Wanted(
        before.kind if kind is None else kind, before.memory if memory is None else memory
    )
    check_kind(wanted.kind, store.segments.dimension)
    with store.snapshot() as columns:
        rows = columns.rows[columns.index]
    refuse_nothing(store.folder, len(rows))
    factory = wanted.factory(len(rows), store.segments.dimension)
    if factory == FLAT:
        remove_indexes(store.folder / "cache")
    else:
        _build(store, columns, wanted.kind, factory, memory=wanted.memory, progress=progress)
    if wanted != before or store.setting("index") is None:
        with store.transaction() as connection:
            put_setting(connection, "index", put_wanted(wanted.kind, wanted.memory))
        with store.snapshot() as columns:
            columns.save(store.folder / "cache")
    return stored_index(store)


def refuse_nothing(folder: Path, images: int) -> None:
    """Refuses to index, or to measure, what has no images to be found.

    Raises:
        InputError: if there are none.
    """
    if not images:
        raise InputError(
            f"{folder} has no images to be found; add photos with: steeple add {folder} PHOTOS"
        )


def _is_stale(stored: StoredIndex, rows: Ids) -> bool:
    return stored.changed(rows) > _STALE * len(stored.rows)


def _build(
    store: LocalStore,
    columns: Columns,
    kind: str,
    factory: str,
    *,
    memory: int,
    progress: Progress,
) -> None:
    rows = columns.rows[columns.index]
    vectors = Rows(store.segments, rows)
    seed = int(store.setting("seed"))
    start = perf_counter()
    index = ApproximateIndex.build(
        vectors,
        factory,
        memory=memory // 2,  # the other half is the index itself
        seed=seed,
        told=progress,
    )
    progress("recall", 0, None)
    recall = _tune(index, vectors, draw_sample(store.segments, columns, _LEARNING, seed=seed))
    seconds = perf_counter() - start
    about = {"kind": kind, "recall": recall, "seconds": seconds}
    store_index(store.folder / "cache", index, rows, about)


def _tune(index: ApproximateIndex, vectors: Rows, sample: Sample) -> float | None:
    k = min(_LENGTH, len(vectors) - (sample.own is not None))
    if not len(sample.queries) or k < 1:
        return None
    return index.tune(sample.queries, k, exact=vectors, wanted=_WANTED, own=sample.own)
