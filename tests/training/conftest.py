"""A few drawn photos, and settings of a training that takes seconds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from steeple.training.settings import Settings

Draw = Callable[..., Path]


def draw(root: Path, *, landmarks: int = 4, photos: int = 9, seed: int = 0) -> Path:
    """Photos in a folder for each landmark: its own pattern, wide or tall, with noise."""
    random = np.random.default_rng(seed)
    for landmark in range(landmarks):
        pattern = random.integers(0, 255, (6, 6, 3)).astype(np.uint8)
        folder = root / f"landmark {landmark}"
        folder.mkdir(parents=True)
        for number in range(photos):
            size = (64, 44) if number % 3 else (44, 64)
            image = cv2.resize(pattern, size, interpolation=cv2.INTER_CUBIC).astype(np.int64)
            image += random.integers(-25, 25, image.shape)
            cv2.imwrite(str(folder / f"{number}.jpg"), image.clip(0, 255).astype(np.uint8))
    return root


@pytest.fixture
def drawn() -> Draw:
    """Draws photos of landmarks into a folder."""
    return draw


@pytest.fixture(scope="session")
def landmarks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """36 photos of 4 landmarks; nobody may change them."""
    return draw(tmp_path_factory.mktemp("landmarks") / "photos")


@pytest.fixture
def tiny() -> Settings:
    """A network of 20,000 weights at 32 pixels, two epochs of some six steps."""
    return Settings.from_dict(
        {
            "model": {"backbone": "test_efficientnet", "dimension": 16, "weights": "random"},
            "data": {"side": 32, "augmentation": "middle"},
            "schedule": {
                "epochs": 2,
                "batch": 8,
                "rate": 0.05,
                "last_rate": 1e-4,
                "warmup": 2,
                "clip": 5.0,
                "freeze_batch_norm": False,
            },
            "run": {"checkpoint_every": 3},
        }
    )
