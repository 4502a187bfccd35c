"""Synthetic photos: shapes of random texture. Equal seeds give equal pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from steeple.embedding.sift import Sift

Pixels = npt.NDArray[np.uint8]
Descriptors = npt.NDArray[np.uint8]


def texture(random: np.random.Generator, height: int, width: int) -> Pixels:
    """Noise of several grain sizes in one random hue."""
    total = np.zeros((height, width), dtype=np.float32)
    for grain in (2, 5, 12):
        coarse = random.random((height // grain + 2, width // grain + 2)).astype(np.float32)
        total += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    hue = random.uniform(0.3, 1, 3)
    return np.clip(total[:, :, None] / 3 * hue * 255, 0, 255).astype(np.uint8)


def draw_photo(seed: int, height: int = 160, width: int = 200) -> Pixels:
    """(height, width, 3) uint8 RGB: textured polygons and discs over a textured ground."""
    random = np.random.default_rng(seed)
    image = texture(random, height, width)
    for number in range(8):
        mask = np.zeros((height, width), dtype=np.uint8)
        centre = random.uniform(0, (width, height)).astype(int)
        if number % 2:
            radius = int(random.integers(8, 40))
            cv2.circle(mask, [int(c) for c in centre], radius, 255, -1)
        else:
            corners = centre + random.integers(-45, 46, (4, 2))
            cv2.fillPoly(mask, [corners.astype(np.int32)], (255,))
        filling = texture(random, height, width)
        image[mask > 0] = filling[mask > 0]
    return image


def blank_photo(height: int = 60, width: int = 80) -> Pixels:
    return np.full((height, width, 3), 127, dtype=np.uint8)


@pytest.fixture(scope="session")
def draw() -> Callable[..., Pixels]:
    return draw_photo


@pytest.fixture(scope="session")
def blank() -> Pixels:
    return blank_photo()


@pytest.fixture(scope="session")
def features() -> Sequence[Descriptors]:
    """The local features of two dozen photos: per photo (M, 128) uint8."""
    return [Sift()(draw_photo(seed)) for seed in range(24)]


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Twenty photos on disk, three of them unreadable: numbers 3 (cut), 9 (text), 19 (missing)."""
    folder = tmp_path_factory.mktemp("photos")
    paths = [folder / f"{number:02}.jpg" for number in range(20)]
    for number, path in enumerate(paths):
        data = cv2.imencode(".jpg", draw_photo(number, 120 + 4 * number, 160))[1].tobytes()
        path.write_bytes(data)
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
