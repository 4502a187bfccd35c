"""Noise that repeats without a seam: weathering, clouds, leaves, the grain of a sensor."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 512  # pixels; every tile repeats after this many

_OCTAVES = {
    "cloud": (4, 8, 16, 32, 64),
    "stain": (8, 16, 64),
    "grain": (128, 256),
    "leaf": (16, 64),
}


@lru_cache
def tile(kind: str) -> NDArray[np.float32]:
    """A (SIDE, SIDE) float32 tile of mean 0 and standard deviation 1.

    Args:
        kind: "cloud", "stain", "grain" and "leaf" are smooth, from coarse to fine; "sensor" has no
            relation between neighbouring pixels.
    """
    rng = np.random.default_rng([1703, len(kind), ord(kind[0])])
    if kind == "sensor":
        return rng.standard_normal((SIDE, SIDE), np.float32)
    total = np.zeros((SIDE, SIDE), np.float32)
    for cells in _OCTAVES[kind]:
        grid = rng.standard_normal((cells, cells), np.float32)
        step = SIDE // cells
        padded = np.pad(grid, 2, mode="wrap")
        large = cv2.resize(padded, None, fx=step, fy=step, interpolation=cv2.INTER_CUBIC)
        total += large[2 * step : -2 * step, 2 * step : -2 * step] / np.sqrt(cells)
    return np.asarray((total - total.mean()) / total.std(), np.float32)


def patch(kind: str, rng: np.random.Generator, height: int, width: int) -> NDArray[np.float32]:
    """A (height, width) float32 piece of a tile from a random place, wrapped at its border."""
    y, x = (int(start) for start in rng.integers(0, SIDE, 2))
    rows = np.arange(y, y + height) % SIDE
    columns = np.arange(x, x + width) % SIDE
    return np.asarray(tile(kind)[rows[:, None], columns])
