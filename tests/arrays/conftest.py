"""A small task in arrays: landmarks as clusters, and files of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]


def unit(rows: npt.NDArray[np.floating]) -> Floats:
    """Rows divided by their length."""
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@dataclass(frozen=True)
class Toy:
    """Descriptors of 20 landmarks and of images that show none."""

    queries: Floats
    index: Floats
    training: Floats
    labels: Ids

    def write(self, folder: Path) -> Path:
        """Writes the arrays, their ids and labels."""
        folder.mkdir(parents=True, exist_ok=True)
        for part, letter in (("queries", "q"), ("index", "x"), ("training", "t")):
            array = getattr(self, part)
            np.save(folder / f"{part}.npy", array)
            ids = "".join(f"{letter}{row:03}\n" for row in range(len(array)))
            (folder / f"{part}.txt").write_text(ids)
        rows = "".join(f"t{row:03},{label}\n" for row, label in enumerate(self.labels))
        (folder / "training.csv").write_text("id,landmark_id\n" + rows)
        return folder


@pytest.fixture(scope="session")
def toy() -> Toy:
    random = np.random.default_rng(5)
    centres = unit(random.standard_normal((20, 24)))

    def images(labels: Ids) -> Floats:
        noise = random.standard_normal((len(labels), 24)) * 0.18
        return unit(np.where(labels[:, None] < 0, 0, centres[labels]) + noise)

    def draw(count: int, none: float) -> Ids:
        labels = random.integers(0, 20, count)
        return np.where(random.random(count) < none, -1, labels)

    labels = random.integers(0, 20, 150)
    return Toy(images(draw(40, 0.3)), images(draw(230, 0.5)), images(labels), labels)


@pytest.fixture
def files(toy: Toy, tmp_path: Path) -> Path:
    """A folder of the toy's files; each test has its own."""
    return toy.write(tmp_path / "features")


@pytest.fixture(scope="session")
def normalized() -> Callable[[npt.NDArray[np.floating]], Floats]:
    return unit


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Small problems: on a machine busy with other things, threads would wait for each other."""
    import faiss

    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    yield
    faiss.omp_set_num_threads(before)
