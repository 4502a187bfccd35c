"""Drawn photos, the slow literal forms, and OpenCV's threads as a test wants them."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import numpy.typing as npt
import pytest

Pixels = npt.NDArray[np.uint8]


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def literal() -> ModuleType:
    return load(Path(__file__).with_name("literal.py"))


@pytest.fixture(scope="session")
def drawn() -> ModuleType:
    return load(Path(__file__).parents[1] / "drawn.py")


@pytest.fixture(scope="session")
def draw(drawn: ModuleType) -> Callable[..., Pixels]:
    return drawn.draw_photo


@pytest.fixture(scope="session")
def blank(drawn: ModuleType) -> Pixels:
    return drawn.blank_photo()


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    """Sets how many threads OpenCV takes, until the test is over."""
    before = cv2.getNumThreads()
    yield cv2.setNumThreads
    cv2.setNumThreads(before)
