"""A small network with random weights, photos, and models made of both."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from steeple.geometry.delf.learning import Recipe, learn_delf
from steeple.geometry.delf.training import Lesson
from steeple.networks.backbone import Backbone, load_backbone

Pixels = npt.NDArray[np.uint8]

LESSON = Lesson(epochs=2, side=64, batch=4)
TRAINED = Recipe("resnet18", "random", attention=True, lesson=LESSON)
PLAIN = Recipe("resnet18", "random", attention=False)


def draw_photo(seed: int, height: int = 72, width: int = 96) -> Pixels:
    """(height, width, 3) uint8 RGB: coarse noise of several grains."""
    random = np.random.default_rng(seed)
    total = np.zeros((height, width, 3))
    for grain in (3, 9, 27):
        coarse = random.random((height // grain + 2, width // grain + 2, 3))
        total += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(total / 3 * 255, 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def draw() -> Callable[..., Pixels]:
    return draw_photo


@pytest.fixture(scope="session")
def backbone() -> Backbone:
    return load_backbone("resnet18", weights="random", seed=1)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, str]]:
    """Eight photos of two landmarks on disk."""
    folder = tmp_path_factory.mktemp("photos")
    listed = []
    for number in range(8):
        path = folder / f"{number}.png"
        cv2.imwrite(str(path), draw_photo(number))
        listed.append((path, "ab"[number % 2]))
    return listed


@pytest.fixture(scope="session")
def trained(photos: list[tuple[Path, str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model with attention; nobody may change it."""
    folder = tmp_path_factory.mktemp("trained") / "model"
    learn_delf(photos, folder, TRAINED, seed=3)
    return folder


@pytest.fixture(scope="session")
def plain(photos: list[tuple[Path, str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model without training; nobody may change it."""
    folder = tmp_path_factory.mktemp("plain") / "model"
    learn_delf(photos, folder, PLAIN, seed=3)
    return folder
