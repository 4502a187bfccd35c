"""What lies in a collection's ``cache/``: derived from the rest, and never the truth.

``columns-G.npy`` (see `columns`), ``approximate-NNNNNN`` (see `approximate`) and ``graph-KEY`` (see
`graphs`). Each may be deleted at any time by whoever holds the write lock.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from steeple.collection.approximate import StoredIndex, find_newest, remove_indexes
from steeple.collection.columns import Columns
from steeple.collection.graphs import graph_key, remove_graphs, repairs
from steeple.collection.indexing import bring_index_up_to_date, build_index, stored_index
from steeple.collection.store import LocalStore
from steeple.errors import InputError
from steeple.progress import Progress, silent
from steeple.shelves import FolderShelf

__all__ = ["find_stale", "rebuild_index", "refresh_caches", "remove_cache", "remove_derived"]

_EARLIER = "belongs to an earlier state of the collection"


def refresh_caches(
    store: LocalStore, *, since: int | None, build: bool = True, progress: Progress = silent
) -> bool:
    """Brings what is derived from the index up to date after a change.

    Args:
        store: the collection; the caller holds its write lock.
        since: the generation before the change; None if something has changed for sure.
        build: whether the approximate index may be built, which can take long.
        progress: told how far that is.

    Returns:
        Whether it was built.

    Raises:
        CollectionError: if descriptors are missing.
        OSError: if the disk is full or fails.
    """
    with store.snapshot() as columns:
        pass  # rows are never used twice, so they stay what they are
    built = build and bring_index_up_to_date(store, columns, progress)
    changed = since != columns.generation
    if built or changed:
        cache = store.folder / "cache"
        remove_graphs(cache, keep=_graph_keys(store, columns), labels=changed)
    return built


def rebuild_index(
    store: LocalStore, kind: str | None, memory: int | None, progress: Progress
) -> StoredIndex | None:
    """`indexing.build_index`, and then what was computed by the index before goes.

    Raises what that raises.
    """
    built = build_index(store, kind, memory, progress)
    with store.snapshot() as columns:
        keys = _graph_keys(store, columns)
    remove_graphs(store.folder / "cache", keep=keys, labels=False)
    return built


def remove_derived(store: LocalStore) -> None:
    """Removes everything that was derived from descriptors, because these are to change.

    Raises:
        OSError: if something cannot be removed.
    """
    remove_indexes(store.folder / "cache")
    remove_graphs(store.folder / "cache", keep=(), labels=True)


def find_stale(store: LocalStore) -> Iterator[tuple[Path, str]]:
    """The caches that are stale, damaged, or were left behind, and what is the matter with each.

    Args:
        store: the collection; nobody else is writing.
    """
    cache = store.folder / "cache"
    columns = Columns.read(store.connection, store.setting("generation"))
    newest = find_newest(cache)
    keys = _graph_keys(store, columns)
    for path in sorted(cache.glob("*")):
        reason: str | None = _EARLIER
        if path.name == f"columns-{columns.generation}.npy":
            same = columns.equals_file(path)
            reason = None if same else "does not show what the database holds"
        elif path == newest:
            reason = _damage(path)
        elif path.suffix == ".new":
            reason = "was left behind by an interrupted command"
        elif path.name in {f"graph-{key}" for key in keys}:
            reason = None
        if reason:
            yield path, reason


def remove_cache(path: Path) -> None:
    """Removes one of the files or folders of a collection.

    Raises:
        OSError: if it cannot be removed.
    """
    if path.name.startswith("graph-"):
        FolderShelf(path).discard(lambda _: True)  # but not what is being computed right now
    elif path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def _graph_keys(store: LocalStore, columns: Columns) -> set[str]:
    """The keys of what belongs to the index now, searched exactly or not."""
    rows = columns.rows[columns.index]
    repaired = repairs(store.connection)
    return {graph_key(rows, index, repaired) for index in (None, stored_index(store))}


def _damage(path: Path) -> str | None:
    """What is wrong with the approximate index; None if nothing is."""
    try:
        return StoredIndex.open(path).damage()
    except InputError as error:
        return str(error).removeprefix(f"{path} ")
    except OSError as error:
        return f"cannot be read ({error.strerror})"
