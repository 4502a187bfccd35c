"""The embedder of a collection, on disk."""

from __future__ import annotations

import os
import shutil

from steeple.collection.schema import put_setting
from steeple.collection.segments import sync_folder
from steeple.collection.store import LocalStore
from steeple.embedding.base import Embedder, create_embedder, load_embedder, save_embedder

__all__ = ["keep_embedder", "stored_embedder"]


def stored_embedder(store: LocalStore) -> Embedder:
    """The embedder a collection has learned, or the one it is to learn.

    Raises:
        CollectionError: if it is damaged.
    """
    folder = store.setting("embedder_folder")
    if folder is None:
        return create_embedder(store.setting("embedder"))
    return load_embedder(store.folder / folder)


def keep_embedder(store: LocalStore, embedder: Embedder) -> None:
    """Stores a fitted embedder beside any earlier one and points to it in one transaction.

    Raises:
        OSError: if the disk is full or fails; nothing is left behind.
    """
    name = f"embedder-{os.getpid()}-{os.urandom(4).hex()}"
    folder = store.folder / name
    try:
        save_embedder(embedder, folder)
        for path in folder.iterdir():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        sync_folder(folder)
        sync_folder(store.folder)
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)  # a full disk has no room for half of it
        raise
    with store.transaction() as connection:
        put_setting(connection, "embedder_folder", name)
