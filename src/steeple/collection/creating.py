"""The first and the last moment of an empty collection."""

from __future__ import annotations

import shutil
from pathlib import Path

from steeple.collection.embedders import keep_if_ready, new_extractor
from steeple.collection.indexing import AUTO, MEMORY, check_kind, put_wanted
from steeple.collection.store import LocalStore
from steeple.embedding.choosing import absolute_text, create_embedder
from steeple.errors import CollectionError

__all__ = ["create_store", "discard_if_empty"]


def create_store(
    folder: Path,
    embedder: str,
    local_features: str | None,
    features_per_photo: int,
    seed: int,
    *,
    index: str = AUTO,
    memory: int = MEMORY,
) -> LocalStore:
    """Makes the store of an empty collection; the arguments are those of `Collection.create`.

    An embedder that has nothing to learn lies in the collection from now on. Of one that has, the
    text is kept, and it is made again from that when there are photos.

    Raises:
        CollectionError: if something is there already.
        InputError: if no embedder, no extractor or no index has this name.
        MachineError: if the extractor needs an extra, or weights, that are not there.
        StorageError: if it cannot be written.
    """
    kept, copies = new_extractor(local_features, features_per_photo)
    made, was_there = create_embedder(embedder), folder.exists()
    check_kind(index, made.dimension)
    settings = {
        "embedder": absolute_text(embedder),
        "dimension": made.dimension,
        "seed": seed,
        "index": put_wanted(index, memory),
        "local_features": kept,
    }
    store = LocalStore.create(folder, settings, copies)
    try:
        with store.writing():
            keep_if_ready(store, made)
    except BaseException:
        discard_if_empty(store, remove=not was_there)
        raise
    return store


def discard_if_empty(store: LocalStore, *, remove: bool) -> None:
    """Closes a collection and takes it away if it came to nothing.

    Args:
        store: the collection.
        remove: whether the folder itself goes too.
    """
    try:
        with store.writing():
            empty = len(store) == 0
            store.close()
            for path in list(store.folder.iterdir()) if empty else []:
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()
    except CollectionError:
        return  # another process writes there by now, so it is not nothing
    if empty and remove:
        store.folder.rmdir()
