"""Collections in a moment: a store of random descriptors, and one of tiny photos."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from steeple import Collection
from steeple.collection.store import LocalStore, NewImage
from steeple.geometry.features import Features

DIMENSION = 8
SETTINGS = {"embedder": "sift-vlad", "dimension": DIMENSION, "seed": 0}
FEATURES = {"kind": "squares", "folder": None, "per_photo": 9, "dtype": "int8", "length": 4}

Vectors = npt.NDArray[np.float32]


def load_tiny() -> ModuleType:
    name = "steeple_tiny_photos"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("tiny.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def unit_vectors(seed: int, n: int, dimension: int = DIMENSION) -> Vectors:
    out = np.random.default_rng(seed).standard_normal((n, dimension)).astype(np.float32)
    return out / np.linalg.norm(out, axis=1, keepdims=True)


def random_features(seed: int, count: int, length: int = 4) -> Features:
    """Features as they are stored: keypoints on the grid of 1/32 pixel, int8 descriptors."""
    random = np.random.default_rng(seed)
    keypoints = random.integers(0, 65536, (count, 3)).astype(np.float32) / 32
    return Features(keypoints, random.integers(-127, 128, (count, length), dtype=np.int8))


def new_image(name: str, landmark: str | None = None, role: int | None = None) -> NewImage:
    return NewImage(
        id=name,
        path=f"/photos/{name}",
        role=role or (3 if landmark else 2),
        landmark=landmark,
        caption=None,
        hash=name.encode().ljust(16, b"-")[:16],
        width=4,
        height=3,
        bytes=5,
    )


def append(
    store: LocalStore,
    names: Sequence[str],
    vectors: Vectors,
    landmarks: Sequence[str | None] | None = None,
    features: Sequence[Features] | None = None,
) -> None:
    given = landmarks or [None] * len(names)
    images = [new_image(name, landmark) for name, landmark in zip(names, given, strict=True)]
    with store.transaction():
        store.append(images, vectors, features)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Thousands of tiny searches: on a busy machine threads would wait for each other."""
    import cv2
    import faiss

    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    cv2.setNumThreads(1)
    yield
    faiss.omp_set_num_threads(threads)


@pytest.fixture(scope="session")
def vectors() -> Callable[..., Vectors]:
    return unit_vectors


@pytest.fixture(scope="session")
def image() -> Callable[..., NewImage]:
    return new_image


@pytest.fixture(scope="session")
def put() -> Callable[..., None]:
    """Appends named vectors to a store, in one transaction."""
    return append


@pytest.fixture
def new_store(tmp_path: Path) -> Iterator[Callable[..., LocalStore]]:
    stores: list[LocalStore] = []

    def make(folder: Path | None = None, **settings: Any) -> LocalStore:
        name = folder or tmp_path / f"store-{len(stores)}"
        stores.append(LocalStore.create(name, SETTINGS | settings))
        return stores[-1]

    yield make
    for store in stores:
        store.close()


@pytest.fixture
def store(new_store: Callable[..., LocalStore]) -> LocalStore:
    """An empty store of 8 dimensions."""
    return new_store()


@pytest.fixture
def detailed(new_store: Callable[..., LocalStore]) -> LocalStore:
    """An empty store that keeps local features of 4 int8 values."""
    return new_store(local_features=FEATURES)


@pytest.fixture(scope="session")
def features() -> Callable[..., Features]:
    return random_features


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module of tiny photos, its embedder and its local features registered."""
    from steeple.embedding.base import EMBEDDERS
    from steeple.geometry.base import EXTRACTORS

    module = load_tiny()
    monkeypatch.setitem(EMBEDDERS, "tiny", lambda: module.Tiny)
    monkeypatch.setitem(EXTRACTORS, "squares", module.Squares)
    return module


@pytest.fixture
def places(tmp_path: Path, tiny: ModuleType) -> Iterator[Collection]:
    """An empty collection of tiny photos."""
    with Collection.create(tmp_path / "places", embedder="tiny") as collection:
        yield collection


@pytest.fixture
def city(tmp_path: Path, tiny: ModuleType) -> Path:
    """Three landmarks of four photos, and two photos of nothing in particular."""
    root: Path = tiny.write_city(tmp_path / "city", ["abbey", "bridge", "castle"], 4)
    tiny.write(root / "street.jpg", 77)
    tiny.write(root / "meadow.jpg", 78)
    return root
