"""An embedder without learning or cost, and tiny photos: for tests about what lies on disk.

Its descriptor is a 4 x 4 grid of mean colours, so like photos are near and a photo of another size
has another descriptor. Imported by path, in the tests and in the programs that tests start.
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

Pixels = npt.NDArray[np.uint8]


def prepare(image: Pixels) -> npt.NDArray[np.float32]:
    grid = cv2.resize(image, (4, 4), interpolation=cv2.INTER_AREA)
    return grid.reshape(-1).astype(np.float32) - 128


@dataclass(frozen=True)
class Tiny:
    learned_from: int | None = None
    name: str = "tiny"
    dimension: int = 48
    max_side: int = 64

    @property
    def prepare(self) -> Any:
        return prepare

    def fit(self, prepared: Sequence[Any], *, seed: int) -> Tiny:
        return replace(self, learned_from=len(prepared))

    def encode(self, prepared: Sequence[Any]) -> npt.NDArray[np.float32]:
        out = np.array(prepared, dtype=np.float32).reshape(-1, self.dimension)
        return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)

    def save(self, folder: Path) -> None:
        (folder / "tiny.json").write_text(json.dumps(self.learned_from))

    @classmethod
    def load(cls, folder: Path) -> Tiny:
        return cls(json.loads((folder / "tiny.json").read_text()))


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
    """Lets collections find this embedder by name."""
    from steeple.embedding.base import EMBEDDERS

    EMBEDDERS["tiny"] = lambda: Tiny
