"""When a collection gets an approximate index, which one, and building it.

The setting ``index`` says what is wanted: a kind (``auto``, ``flat`` for exact search, or the name
of a FAISS factory) and how many bytes it may take. What follows from it is built at the end of
`add`, once more than a fifth of the images has come or gone since, and at the end of `remove`, once
more than a quarter of what it holds has gone.

A training set that is too large to be searched exactly beside that is searched by the same index,
where it is nearly the same images, or else by a second one beside it, of a kind that we choose;
each has half of the memory then.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from steeple.collection.approximate import StoredIndex, Voters, find_newest, remove_indexes
from steeple.collection.columns import Columns
from steeple.collection.coverage import Rows
from steeple.collection.sampling import draw_sample
from steeple.collection.schema import put_setting
from steeple.collection.store import LocalStore
from steeple.collection.storing import Built, store_index
from steeple.errors import CollectionError, InputError
from steeple.progress import Progress
from steeple.retrieval.approximate.filling import check_factory
from steeple.retrieval.approximate.index import ApproximateIndex
from steeple.retrieval.approximate.presets import FLAT, choose_index
from steeple.retrieval.types import Ids
from steeple.retrieval.verified import CANDIDATES

__all__ = [
    "AUTO",
    "MEMORY",
    "bring_index_up_to_date",
    "build_index",
    "check_kind",
    "is_worn",
    "put_memory",
    "put_wanted",
    "refuse_nothing",
    "stored_index",
]

AUTO = "auto"
"""The kind that leaves the choice to `retrieval.approximate.presets.choose_index`."""

MEMORY = 4_000_000_000
"""Bytes that an approximate index may take unless told otherwise."""

_STALE = 0.2  # of the images that it holds: so many may come and go before it is built again
_WORN = 0.25  # of the images that it holds: so many may go before recall suffers
_FEW = 5 * 10**6  # descriptor values read in 1.5 ms where they lie in a row, in 10 if scattered
_GRAPH = "HNSW32_SQ8"  # finds most with the least effort where only thousands are held
_LINKS = 280  # bytes an image that it takes beside a byte a value; see `choose_index`
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
        return cls(_plain(found.get("kind", AUTO)), found.get("memory", MEMORY))

    def factory(self, images: int, dimension: int) -> str:
        """The FAISS factory name for so many images."""
        if self.kind == AUTO:
            return choose_index(images, dimension, self.memory)
        return FLAT if self.kind == FLAT.lower() else self.kind

    def half(self) -> Wanted:
        """The same with half of the memory, for each of two indexes."""
        return replace(self, memory=self.memory // 2)

    def voters_factory(self, training: int, dimension: int) -> str:
        """The FAISS factory name for so many training images beside an approximate index.

        "Flat" where they are so few that exact search takes no longer than that does, or so many
        that no index of them fits the memory. What would be quick enough by itself is not, beside
        it.
        """
        try:
            chosen = choose_index(training, dimension, self.memory) if training else FLAT
        except InputError:
            return FLAT
        if chosen != FLAT or training * dimension <= _FEW:
            return chosen
        return _GRAPH if training * (dimension + _LINKS) <= self.memory / 2 else FLAT


@dataclass(frozen=True)
class Plan:
    """What is to be built.

    Args:
        factory: of the index; "Flat" for none.
        voters: how voters are to be found.
        training: the factory of the training set's own index; "Flat" for none.
        memory: bytes that each may take.
    """

    factory: str
    voters: Voters
    training: str
    memory: int

    @classmethod
    def of(cls, wanted: Wanted, columns: Columns, dimension: int) -> Plan:
        """What suits the images of a collection.

        Raises:
            InputError: if no index of them fits the memory.
        """
        rows, training = columns.rows[columns.index], columns.rows[columns.training]
        factory = wanted.factory(len(rows), dimension) if len(rows) else FLAT
        if factory == FLAT or wanted.voters_factory(len(training), dimension) == FLAT:
            return cls(factory, "exact", FLAT, wanted.memory)
        if len(np.setxor1d(rows, training, assume_unique=True)) <= _STALE * len(rows):
            return cls(factory, "shared", FLAT, wanted.memory)
        half = wanted.half()
        own = half.voters_factory(len(training), dimension)
        if own != FLAT:
            with suppress(InputError):  # the index needs more than half: it goes before voters
                return cls(half.factory(len(rows), dimension), "own", own, half.memory)
        return cls(factory, "exact", FLAT, wanted.memory)


def put_wanted(kind: str, memory: int) -> dict[str, Any]:
    """The setting ``index`` that says this."""
    return {"kind": _plain(kind), "memory": memory}


def put_memory(store: LocalStore, memory: int) -> None:
    """Notes how many bytes the approximate index may take; the next `add` goes by it.

    Args:
        store: the collection; the caller holds its write lock.
        memory: the bytes.
    """
    kind = Wanted.stored(store).kind
    _note(store, Wanted(kind, memory))


def _note(store: LocalStore, wanted: Wanted) -> None:
    """Notes what is wanted, unless it is noted already."""
    setting = put_wanted(wanted.kind, wanted.memory)
    if store.setting("index") == setting:
        return
    with store.transaction() as connection:
        put_setting(connection, "index", setting)
    with store.snapshot() as columns:
        columns.save(store.folder / "cache")


def _plain(kind: str) -> str:
    """The kind as it is noted: ``auto`` and ``flat`` may be written in any case, FAISS's not."""
    return kind.lower() if kind.lower() in (AUTO, FLAT.lower()) else kind


def check_kind(kind: str, dimension: int) -> None:
    """Refuses a kind of index before any work is done for it.

    Raises:
        InputError: if FAISS makes nothing of that name, or nothing that can be filled.
    """
    import faiss

    if _plain(kind) in (AUTO, FLAT.lower()):
        return
    check_factory(kind)
    try:
        faiss.index_factory(dimension, kind, faiss.METRIC_INNER_PRODUCT)
    except RuntimeError as error:
        raise InputError(
            f"FAISS knows no index {kind!r} of {dimension} dimensions; give auto, flat, HNSW32, "
            "IVF4096,SQ8 or another factory name"
        ) from error


def stored_index(store: LocalStore) -> StoredIndex | None:
    """The approximate index of a collection; None if there is none, or its form is damaged."""
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
    try:
        plan = Plan.of(wanted, columns, store.segments.dimension)
        if plan.factory == FLAT:
            remove_indexes(store.folder / "cache")
            return False
        stored = stored_index(store)
        if stored is not None and _suits(stored, wanted, columns) and stored.damage() is None:
            return False
        _build(store, columns, wanted.kind, plan, progress)
    except CollectionError:
        raise
    except InputError as error:
        remove_indexes(store.folder / "cache")
        _log.warning(
            "no approximate index was built, and everything is searched exactly: %s%s",
            error,
            ""
            if wanted.kind == AUTO
            else f"; or leave the choice to us: steeple index {store.folder} --kind auto",
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
        before.kind if kind is None else _plain(kind), before.memory if memory is None else memory
    )
    check_kind(wanted.kind, store.segments.dimension)
    with store.snapshot() as columns:
        plan = Plan.of(wanted, columns, store.segments.dimension)
    refuse_nothing(store.folder, len(columns.index))
    if plan.factory == FLAT:
        remove_indexes(store.folder / "cache")
    else:
        _build(store, columns, wanted.kind, plan, progress)
    _note(store, wanted)
    return stored_index(store)


def is_worn(store: LocalStore) -> bool:
    """Whether so many images of the approximate index have gone that it is to be built again.

    More are asked for where some have gone, but they are looked for as hard as before. Measured on
    60,000 images: an HNSW32_SQ8 found 0.963 of the exact hundred, 0.951 once a quarter had gone,
    and 0.911 after 60 %; lists suffer less.
    """
    stored = stored_index(store)
    if stored is None:
        return False
    with store.snapshot() as columns:
        now = [(stored, columns.index), (stored.voters, columns.training)]
        return any(
            part is not None and part.gone(columns.rows[images]) > _WORN * len(part.rows)
            for part, images in now
        )


def refuse_nothing(folder: Path, images: int) -> None:
    """Refuses to index, or to measure, what has no images to be found.

    Raises:
        InputError: if there are none.
    """
    if not images:
        raise InputError(
            f"{folder} has no images to be found; add photos with: steeple add {folder} PHOTOS"
        )


def _suits(stored: StoredIndex, wanted: Wanted, columns: Columns) -> bool:
    """Whether what is stored is what would be built, but for a few images and damage."""
    about, dimension = stored.about, stored.about.dimension
    share = wanted.half() if about.voters == "own" else wanted
    if about.kind != wanted.kind or about.factory != share.factory(about.images, dimension):
        return False
    training = columns.rows[columns.training]
    voters = stored.voters
    if voters is None and Plan.of(wanted, columns, dimension).voters != "exact":
        return False
    if about.voters == "own" and voters is not None:
        held = voters.about
        if held.factory != share.voters_factory(held.images, dimension):
            return False
    parts = [(stored, columns.rows[columns.index]), (voters, training)]
    return not any(
        part is not None and part.changed(rows) > _STALE * len(part.rows) for part, rows in parts
    )


def _build(store: LocalStore, columns: Columns, kind: str, plan: Plan, progress: Progress) -> None:
    """Builds what is planned, and puts it in the place of what is there."""

    def build(images: Ids, factory: str, length: int, voters: Voters) -> Built:
        start = perf_counter()
        rows = columns.rows[images]
        vectors = Rows(store.segments, rows)
        seed = int(store.setting("seed"))
        index = ApproximateIndex.build(
            vectors,
            factory,
            memory=plan.memory // 2,  # the other half is the index itself
            seed=seed,
            told=progress,
        )
        progress("recall", 0, None)
        sample = draw_sample(store.segments, columns, _LEARNING, seed=seed, searched=images)
        k = min(length, len(rows) - (sample.own is not None))
        recall = None
        if len(sample.queries) and k >= 1:
            recall = index.tune(sample.queries, k, exact=vectors, wanted=_WANTED, own=sample.own)
        about = {"kind": kind, "recall": recall, "seconds": perf_counter() - start}
        return Built(index, rows, about | {"voters": voters})

    built = build(columns.index, plan.factory, _LENGTH, plan.voters)
    training = None
    if plan.voters == "own":
        training = build(columns.training, plan.training, CANDIDATES, "exact")
    store_index(store.folder / "cache", built, training)
