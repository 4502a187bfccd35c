"""Numbers about a collection."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from steeple.collection.columns import Columns
from steeple.collection.store import LocalStore
from steeple.collection.view import View
from steeple.embedding.base import Embedder

__all__ = ["describe"]


def describe(store: LocalStore, view: View, embedder: Embedder) -> dict[str, Any]:
    """Images by role, landmarks, bytes on disk, what was learned; ready for JSON.

    Args:
        store: the collection.
        view: a view of it; the snapshot it belongs to is still open.
        embedder: what describes its photos.
    """
    columns = view.columns
    return {
        "images": len(columns),
        "index": len(view),
        "training": len(columns.training),
        "landmarks": len(np.unique(columns.landmarks[columns.training])),
        "embedder": embedder.name,
        "learned_from": embedder.learned_from,
        "dimension": embedder.dimension,
        "holes": int(store.setting("next_row")) - len(columns),
        "bytes": sum(_size(path) for path in store.folder.rglob("*")),
        "local_features": _local_features(store, columns),
        "approximate": _approximate(view),
        "calibration": asdict(view.calibration),
    }


def _local_features(store: LocalStore, columns: Columns) -> dict[str, Any] | None:
    """Their kind, how many a photo has and how many bytes they take, on average; None without."""
    kept = store.setting("local_features")
    if kept is None or store.feature_files is None:
        return None
    mean = float(columns.counts.mean()) if len(columns) else 0.0
    return {
        "kind": kept["kind"],
        "most": kept["per_photo"],
        "per_photo": mean,
        "bytes_per_photo": mean * store.feature_files.size(1),
    }


def _approximate(view: View) -> dict[str, Any] | None:
    """What searches the index, and which share of the exact neighbours it found; None if exact."""
    if view.approximate is None:
        return None
    about = view.approximate.about
    return {"factory": about.factory, "images": about.images, "recall": about.recall}


def _size(path: Path) -> int:
    """Bytes of a file; 0 for a folder, or if a writer has just removed the file."""
    try:
        return path.stat().st_size if path.is_file() else 0
    except FileNotFoundError:
        return 0
