"""Numbers about a collection."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

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
        "calibration": asdict(view.calibration),
    }


def _size(path: Path) -> int:
    """Bytes of a file; 0 for a folder, or if a writer has just removed the file."""
    try:
        return path.stat().st_size if path.is_file() else 0
    except FileNotFoundError:
        return 0
