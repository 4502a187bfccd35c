"""Photos without pixels: local features of made-up places, seen from a little off."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from steeple.cleaning import LabelledImages, TrainingSet, describe_labelled, labelled_photos
from steeple.collection.store import LocalStore
from steeple.demo import City, build_city
from steeple.geometry.features import Features

POINTS = 60


def made_up(
    landmarks: int = 6, photos: int = 6, seed: int = 0, dimension: int = 16
) -> tuple[np.ndarray, np.ndarray, list[Features]]:
    """Descriptors, true labels and local features of photos, landmark by landmark."""
    random = np.random.default_rng(seed)
    descriptors, labels, features = [], [], []
    for landmark in range(landmarks):
        centre = random.standard_normal(dimension)
        words = random.integers(0, 256, (POINTS, 128)).astype(np.uint8)
        places = random.uniform(50, 400, (POINTS, 2))
        for _ in range(photos):
            vector = centre + 0.35 * random.standard_normal(dimension)
            descriptors.append(vector / np.linalg.norm(vector))
            labels.append(landmark)
            seen = np.sort(random.choice(POINTS, POINTS - 15, replace=False))
            scale = random.uniform(0.8, 1.25)
            moved = places[seen] * scale + random.uniform(-30, 30, 2)
            keypoints = np.column_stack([moved, np.full(len(seen), 8 * scale)])
            features.append(Features(keypoints.astype(np.float32), words[seen]))
    return (
        np.array(descriptors, dtype=np.float32),
        np.array(labels, dtype=np.int64),
        features,
    )


def exchanged(labels: np.ndarray, rate: float, seed: int = 0) -> np.ndarray:
    """The labels with some of them exchanged for others."""
    random = np.random.default_rng(seed)
    out = labels.copy()
    wrong = random.random(len(labels)) < rate
    shift = random.integers(1, labels.max() + 1, len(labels))
    out[wrong] = ((labels + shift) % (labels.max() + 1))[wrong]
    return out


@pytest.fixture
def training() -> TrainingSet:
    """Six landmarks of six photos, all labels right."""
    return TrainingSet.of_arrays(*made_up())


@pytest.fixture(scope="session")
def city(tmp_path_factory: pytest.TempPathFactory) -> City:
    """Rendered photos in GLD-v2 layout; nobody may change them."""
    out = tmp_path_factory.mktemp("cleaning") / "city"
    return build_city(out, photos=60, landmarks=3, size=240, seed=11, unlabelled=0.0, workers=1)


@pytest.fixture(scope="session")
def described(city: City, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The collection of its training photos; nobody may change it."""
    folder = tmp_path_factory.mktemp("described") / "places"
    describe_labelled(labelled_photos(city.root), folder, workers=1)
    return folder


@pytest.fixture
def labelled(described: Path) -> Iterator[LabelledImages]:
    """What cleaning sees of it."""
    with closing(LocalStore(described)) as store:
        yield LabelledImages.read(store)
