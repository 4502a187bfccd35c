"""Photos, an embedder and local features without learning or cost: for tests of what is on disk.

The embedder's descriptor is a 4 x 4 grid of mean colours, so like photos are near and a photo of
another size has another descriptor. The local features are the pixels themselves, two by two.
Imported by path, in the tests and in the programs that tests start.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from steeple.geometry.features import Features

Pixels = npt.NDArray[np.uint8]


def prepare(image: Pixels) -> npt.NDArray[np.float32]:
    grid = cv2.resize(image, (4, 4), interpolation=cv2.INTER_AREA)
    return grid.reshape(-1).astype(np.float32) - 128


@dataclass(frozen=True)
class Tiny:
    learned_from: int | None = None
    name: str = "tiny"
    kind: str = "tiny"
    dimension: int = 48
    max_side: int = 64

    @property
    def prepare(self) -> Any:
        return prepare

    def fit(self, prepared: Sequence[Any], *, landmarks: Any = None, seed: int = 0) -> Tiny:
        return replace(self, learned_from=len(prepared))

    def encode(self, prepared: Sequence[Any]) -> npt.NDArray[np.float32]:
        out = np.array(prepared, dtype=np.float32).reshape(-1, self.dimension)
        return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)

    def save(self, folder: Path) -> None:
        (folder / "tiny.json").write_text(json.dumps(self.learned_from))

    @classmethod
    def load(cls, folder: Path) -> Tiny:
        return cls(json.loads((folder / "tiny.json").read_text()))


@dataclass(frozen=True)
class Squares:
    """Every square of 2 x 2 pixels is a feature, those of most contrast first; a flat one none."""

    name: str = "squares"
    max_side: int = 96

    def __call__(self, image: Pixels) -> Features:
        height, width = image.shape[0] // 2, image.shape[1] // 2
        squares = image[: 2 * height, : 2 * width].reshape(height, 2, width, 2, 3)
        values = squares.transpose(0, 2, 1, 3, 4).reshape(-1, 12).astype(np.int16) - 128
        contrast = np.ptp(values, axis=1)
        order = np.argsort(-contrast, kind="stable")[: np.count_nonzero(contrast)]
        y, x = np.divmod(order, max(width, 1))
        places = np.stack([2 * x + 0.5, 2 * y + 0.5, np.full(len(order), 2)], axis=1)
        return Features(places.astype(np.float32), values[order].astype(np.int8))


def draw(seed: int, *, like: int | None = None, height: int = 36, width: int = 48) -> Pixels:
    """(height, width, 3) uint8: coarse noise; with `like`, a variation of that photo."""
    base = np.random.default_rng(seed if like is None else like).random((4, 4, 3))
    if like is not None:
        base = 0.85 * base + 0.15 * np.random.default_rng(seed + 10_000).random((4, 4, 3))
    large = cv2.resize(base.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(large * 255, 0, 255).astype(np.uint8)


def write(path: Path, seed: int, **options: Any) -> Path:
    """A photo file; PNG whatever its suffix says, so that pixels and bytes are exact."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", draw(seed, **options))[1].tobytes())
    return path


def write_city(root: Path, landmarks: Sequence[str], each: int) -> Path:
    """One folder per landmark, `each` photos in it."""
    for number, landmark in enumerate(landmarks):
        for place in range(each):
            seed = 1000 * number + place
            write(root / landmark / f"{place}.jpg", seed, like=1000 * number)
    return root


def register() -> None:
    """Lets collections find the embedder and the local features by name."""
    from steeple.embedding.base import EMBEDDERS
    from steeple.geometry.base import EXTRACTORS

    EMBEDDERS["tiny"] = lambda: Tiny
    EXTRACTORS["squares"] = Squares
