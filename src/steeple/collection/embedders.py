"""What describes the photos of a collection, on disk: its embedder, and what finds local features.

An embedder that learns from the collection's own photos is stored when it has; one that has nothing
to learn, such as a network, lies in the collection from the first moment. So does a copy of a model
that finds local features, where that is no named one. A collection needs nothing beside itself.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from steeple.collection.schema import put_setting
from steeple.collection.segments import sync_folder, sync_tree
from steeple.collection.store import LocalStore
from steeple.embedding.base import Embedder, load_embedder, save_embedder
from steeple.embedding.choosing import create_embedder
from steeple.errors import CollectionError, InputError
from steeple.geometry.base import EXTRACTORS, create_extractor
from steeple.geometry.features import Features
from steeple.geometry.strongest import Strongest

__all__ = [
    "MOST_FEATURES",
    "keep_embedder",
    "keep_if_ready",
    "new_extractor",
    "stored_embedder",
    "stored_extractor",
    "try_embedder",
    "try_out",
]

MOST_FEATURES = 1000
"""Local features per photo at most: no extractor finds more."""

_MODEL = "extractor"  # the folder, inside a collection, of the model
_PROBE = 16  # pixels along the sides of the image in `try_out`


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
        sync_tree(folder)
        sync_folder(store.folder)
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)  # a full disk has no room for half of it
        raise
    with store.transaction() as connection:
        put_setting(connection, "embedder_folder", name)


def keep_if_ready(store: LocalStore, embedder: Embedder) -> None:
    """Stores an embedder that has nothing to learn from the photos of a new collection."""
    if embedder.learned_from is not None:
        keep_embedder(store, embedder)


def stored_extractor(store: LocalStore) -> Strongest | None:
    """What finds the local features of a collection; None if it keeps none.

    Raises:
        CollectionError: if its model is damaged.
        MachineError: if its weights cannot be downloaded.
        MissingExtraError: if it needs an extra that is not installed.
    """
    kept = store.setting("local_features")
    if kept is None:
        return None
    if kept["folder"] is None:
        return Strongest(create_extractor(kept["kind"]), kept["per_photo"])
    folder = (store.folder / kept["folder"]).resolve()
    if not folder.is_dir():
        raise CollectionError(
            f"{folder}, the model of local features, is gone; put it back, or build the collection "
            "again"
        )
    try:
        return Strongest(create_extractor(str(folder)), kept["per_photo"])
    except InputError as error:
        raise CollectionError(
            f"{folder} holds no readable model of local features ({error}); "
            "build the collection again"
        ) from error


def new_extractor(
    name: str | None, per_photo: int
) -> tuple[dict[str, Any] | None, dict[str, Path]]:
    """What a new collection has to know of what will find its local features.

    Args:
        name: of the extractor, or the folder of a model; None if none are to be kept.
        per_photo: how many features of a photo are kept at most.

    Returns:
        The setting ``local_features``, and the model's folder by the name that its copy gets.

    Raises:
        InputError: if nothing has this name, or the number is out of range.
        MachineError: if its weights cannot be downloaded.
        MissingExtraError: if it needs an extra that is not installed.
    """
    if name is None:
        return None, {}
    if not 1 <= per_photo <= MOST_FEATURES:
        raise InputError(
            f"{per_photo} local features per photo cannot be kept; give 1 to {MOST_FEATURES}, "
            "or build without local features"
        )
    extractor = Strongest(create_extractor(name), per_photo)
    blank = try_out(extractor).descriptors
    is_model = name not in EXTRACTORS
    setting = {
        "kind": extractor.name,
        "folder": _MODEL if is_model else None,
        "per_photo": per_photo,
        "dtype": blank.dtype.name,
        "length": blank.shape[1],
    }
    return setting, {_MODEL: Path(name)} if is_model else {}


def try_embedder(embedder: Embedder) -> None:
    """Describes a small blank image with a fitted embedder: its model is read, if it has one.

    Raises:
        InputError: if its model is damaged.
        MissingExtraError: if it needs an extra that is not installed.
    """
    embedder.encode([embedder.prepare(np.zeros((_PROBE, _PROBE, 3), dtype=np.uint8))])


def try_out(extractor: Strongest) -> Features:
    """What an extractor finds in a small blank image: its model is read, its kind is seen.

    Raises:
        InputError: if its model is damaged.
        MissingExtraError: if it needs an extra that is not installed.
    """
    return extractor(np.zeros((_PROBE, _PROBE, 3), dtype=np.uint8))
