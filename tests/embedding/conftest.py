"""Drawn photos, their local features, and files of them."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from steeple.geometry.features import Features
from steeple.geometry.sift import Sift

Pixels = npt.NDArray[np.uint8]

_spec = importlib.util.spec_from_file_location("drawn", Path(__file__).parents[1] / "drawn.py")
assert _spec is not None
assert _spec.loader is not None
drawn = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(drawn)


@pytest.fixture(scope="session")
def draw() -> Callable[..., Pixels]:
    return drawn.draw_photo


@pytest.fixture(scope="session")
def blank() -> Pixels:
    return drawn.blank_photo()


@pytest.fixture(scope="session")
def features() -> Sequence[Features]:
    """The local features of two dozen photos."""
    return [Sift()(drawn.draw_photo(seed)) for seed in range(24)]


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Twenty photos on disk, three of them unreadable: numbers 3 (cut), 9 (text), 19 (missing)."""
    folder = tmp_path_factory.mktemp("photos")
    paths = [folder / f"{number:02}.jpg" for number in range(20)]
    for number, path in enumerate(paths):
        photo = drawn.draw_photo(number, 120 + 4 * number, 160)
        path.write_bytes(cv2.imencode(".jpg", photo)[1].tobytes())
    paths[3].write_bytes(paths[3].read_bytes()[:300])
    paths[9].write_text("no photo")
    paths[19].unlink()
    return paths


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Small problems: on a machine busy with other things, threads would wait for each other."""
    import faiss

    before = cv2.getNumThreads(), faiss.omp_get_max_threads()
    cv2.setNumThreads(1)
    faiss.omp_set_num_threads(1)
    yield
    cv2.setNumThreads(before[0])
    faiss.omp_set_num_threads(before[1])
