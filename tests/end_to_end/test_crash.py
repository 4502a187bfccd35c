"""kill -9 in the middle of `add`, fifty times: nothing committed is lost, nothing half is there."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from steeple import Collection
from steeple.collection.doctor import check
from steeple.collection.segments import checksum

KILLS = 50
PHOTOS = 320
LANDMARKS = 8
FEATURES = 100  # per photo, of 18 bytes each


@pytest.fixture
def photos(tmp_path: Path, tiny: ModuleType) -> Path:
    names = [f"landmark {number}" for number in range(LANDMARKS)]
    root: Path = tiny.write_city(tmp_path / "photos", names, PHOTOS // LANDMARKS)
    return root


@dataclass(frozen=True)
class Expected:
    """By id: descriptors, and the descriptors of local features."""

    descriptors: dict[str, Any]
    features: dict[str, Any]


def describe(tiny: ModuleType, photos: Path) -> Expected:
    from steeple.images import read_image

    paths = sorted(photos.rglob("*.jpg"))
    images = [read_image(path) for path in paths]
    made = tiny.Tiny(1).encode([tiny.prepare(image) for image in images])
    ids = [path.relative_to(photos).as_posix() for path in paths]
    features = [tiny.Squares()(image).strongest(FEATURES).descriptors for image in images]
    return Expected(dict(zip(ids, made, strict=True)), dict(zip(ids, features, strict=True)))


def create(folder: Path) -> Path:
    Collection.create(
        folder, embedder="tiny", local_features="squares", features_per_photo=FEATURES
    ).close()
    return folder


def inspect(folder: Path, expected: Expected) -> set[str]:
    """Opens the collection as the next command would; every image it shows is whole."""
    with Collection.open(folder) as places:
        images = list(places)
        rows = np.array([image.row for image in images], dtype=np.int64)
        vectors = places._store.segments.read(rows)
        stored = dict(places._store.connection.execute("SELECT row, checksum FROM image"))
        with places._store.snapshot() as columns:
            features = places._store.features(columns)
            assert features is not None
            assert len(features) == len(images)
        for position, (image, vector) in enumerate(zip(images, vectors, strict=True)):
            assert checksum(vector) == stored[image.row]
            np.testing.assert_array_equal(vector, expected.descriptors[image.id])
            found = features[position].descriptors
            np.testing.assert_array_equal(found, expected.features[image.id])
            assert image.landmark == image.id.partition("/")[0]
        if images:
            query = expected.descriptors[images[0].id][None]
            assert places.search_descriptors(query, k=5, rerank="knn")[0][0].id == images[0].id
    return {image.id for image in images}


def run_and_kill(driver: Path, folder: Path, photos: Path, delay: float) -> tuple[int, set[str]]:
    """Runs an `add` and kills it after a while; its exit status and what it says it committed."""
    command = [sys.executable, str(driver), str(folder), str(photos)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        told = process.stdout.read().split("\n")
        status = process.wait()
    # Ids hold spaces, so they are told apart by their suffix; the last line may be cut off.
    lines = [line.removeprefix("committed ") for line in told[:-1]]
    return status, {f"{name.lstrip()}.jpg" for line in lines for name in line.split(".jpg")[:-1]}


def test_kill_9_at_random_moments(
    tmp_path: Path, tiny: ModuleType, photos: Path, driver: Path
) -> None:
    random = np.random.default_rng(2020)
    folder = create(tmp_path / "places")
    expected = describe(tiny, photos)
    there: set[str] = set()
    kills = within = 0
    while kills < KILLS:
        status, committed = run_and_kill(driver, folder, photos, random.uniform(0, 0.3))
        now = inspect(folder, expected)
        assert there | committed <= now
        assert status in (0, -signal.SIGKILL)
        kills += status == -signal.SIGKILL
        within += there < now < set(expected.descriptors)
        there = now
        if len(there) > PHOTOS * 3 // 4:  # there has to be something left to add
            gone = random.choice(sorted(there), PHOTOS // 2, replace=False).tolist()
            with Collection.open(folder) as places:
                places.remove(gone)
            there -= set(gone)
    assert within >= 5  # the others met the start, the votes, or the end

    done = subprocess.run([sys.executable, driver, folder, photos], check=True, capture_output=True)
    assert done.returncode == 0
    assert inspect(folder, expected) == set(expected.descriptors)
    diagnosis = check(folder, repair=True, workers=1)
    assert all(finding.harmless for finding in diagnosis.findings)  # nothing but left-overs
    assert check(folder).findings == ()
    assert len(list((folder / "features").iterdir())) > 10  # so that it met their boundaries too
    assert votes(folder) == pytest.approx(votes(uninterrupted(tmp_path, photos)), abs=1e-6)


def uninterrupted(tmp_path: Path, photos: Path) -> Path:
    with Collection.open(create(tmp_path / "fresh")) as fresh:
        fresh.add(photos, workers=1)
    return tmp_path / "fresh"


def votes(folder: Path) -> dict[str, float]:
    """Image and voted landmark -> score."""
    with Collection.open(folder) as places:
        query = "SELECT id || ' shows ' || name, score FROM image JOIN landmark ON number = vote"
        found = dict(places._store.connection.execute(query).fetchall())
    assert len(found) == PHOTOS
    return found
