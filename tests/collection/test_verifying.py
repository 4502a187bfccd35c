"""Images verified against lists of stored ones: each pair once, and as one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from steeple.collection import verifying as module
from steeple.collection.feature_files import FeatureFiles, StoredFeatures
from steeple.collection.verifying import IndexVerifier, ListVerifier
from steeple.geometry import Features, Verifier
from steeple.geometry import lists as lists_module

COUNT = 7


@pytest.fixture
def details(features: Any) -> list[Features]:
    """Seven images: two of each of three places, and one without a feature."""
    return [features(n // 2, 15) for n in range(COUNT - 1)] + [features(0, 0)]


@pytest.fixture
def stored(tmp_path: Path, details: list[Features]) -> StoredFeatures:
    files = FeatureFiles(tmp_path / "features", "int8", 4)
    records, _ = files.append(0, details)
    return StoredFeatures(
        files,
        np.array([record.place for record in records]),
        np.array([record.count for record in records], dtype=np.int32),
    )


@pytest.fixture
def images(features: Any) -> list[Features | None]:
    return [features(1, 15), features(40, 9), None, features(2, 15), features(0, 0)]


@pytest.fixture
def pairs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many pairs each call verifies."""
    counts: list[int] = []
    real = module.verify_lists

    def counting(lists: Any, *args: Any, **options: Any) -> Any:
        kept = list(lists)
        counts.append(sum(len(others) for _, others in kept))
        return real(kept, *args, **options)

    monkeypatch.setattr(module, "verify_lists", counting)
    return counts


def one_by_one(images: Any, details: Any, positions: Any) -> tuple[Any, Any]:
    inliers = np.zeros(positions.shape, dtype=np.int32)
    surprises = np.full(positions.shape, np.nan, dtype=np.float32)
    for row, column in np.ndindex(positions.shape):
        position, own = positions[row, column], images[row]
        if position != -1 and own is None:
            surprises[row, column] = 0
        elif position != -1:
            found = Verifier()(own, details[position])
            inliers[row, column], surprises[row, column] = found.inliers, found.surprise
    return inliers, surprises


def positions(seed: int, rows: int, width: int = 6) -> Any:
    return np.random.default_rng(seed).integers(-1, COUNT, (rows, width))


@given(seeds=st.lists(st.integers(0, 1000), min_size=1, max_size=4))
@settings(
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_the_same_as_one_by_one_however_often_one_asks(
    seeds: list[int], images: Any, details: Any, stored: StoredFeatures
) -> None:
    verifier = ListVerifier(images, stored, workers=1)
    for seed in seeds:
        asked = positions(seed, len(images))
        found = verifier(asked)
        inliers, surprises = one_by_one(images, details, asked)
        np.testing.assert_array_equal(found.inliers, inliers)
        np.testing.assert_array_equal(found.surprises, surprises)
        assert found.inliers.dtype == np.int32
        assert found.surprises.dtype == np.float32


def test_each_pair_once(images: Any, stored: StoredFeatures, pairs: list[int]) -> None:
    verifier = ListVerifier(images, stored, workers=1)
    asked = positions(0, len(images))
    verifier(asked)
    rows = list(zip(asked.tolist(), images, strict=True))
    once = sum(len(set(row) - {-1}) for row, own in rows if own is not None)
    assert pairs == [once]
    verifier(asked)
    verifier(asked[:, ::-1])
    verifier.seen(positions(1, len(images)))
    assert pairs == [once]
    more = positions(1, len(images))
    verifier(more)
    fresh = sum(
        len(set(new) - set(old) - {-1})
        for new, (old, own) in zip(more.tolist(), rows, strict=True)
        if own is not None
    )
    assert pairs == [once, fresh]


def test_only_what_was_verified_has_been_seen(
    images: Any, details: Any, stored: StoredFeatures
) -> None:
    verifier = ListVerifier(images, stored, workers=1)
    every = np.tile(np.arange(COUNT), (len(images), 1))
    assert np.isnan(verifier.seen(every).surprises).all()
    asked = positions(2, len(images), 3)
    verifier(asked)
    seen = verifier.seen(every)
    inliers, surprises = one_by_one(images, details, every)
    known = (every[:, :, None] == asked[:, None, :]).any(axis=2)
    np.testing.assert_array_equal(seen.inliers, np.where(known, inliers, 0))
    np.testing.assert_array_equal(seen.surprises, np.where(known, surprises, np.nan))


def test_an_image_that_could_not_be_read_fits_nothing(stored: StoredFeatures) -> None:
    found = ListVerifier([None, None], stored)(np.array([[0, 3, -1], [-1, -1, -1]]))
    assert found.inliers.tolist() == [[0, 0, 0], [0, 0, 0]]
    np.testing.assert_array_equal(found.surprises, [[0, 0, np.nan], [np.nan] * 3])


def test_photos_of_one_place_fit(images: Any, stored: StoredFeatures) -> None:
    found = ListVerifier(images, stored, workers=1)(np.tile(np.arange(COUNT), (5, 1)))
    assert found.inliers[0].tolist()[2:4] == [15, 15]
    assert found.surprises[0, 2] > 30
    assert found.inliers[:, 6].tolist() == [0] * 5  # the one without a feature
    assert found.surprises[:, 6].tolist() == [0] * 5


def test_the_number_of_workers_makes_no_difference(
    images: Any, stored: StoredFeatures, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists_module, "CHUNK", 5)
    asked = positions(5, len(images))
    alone = ListVerifier(images, stored, workers=1)(asked)
    told: list[tuple[int, int]] = []
    together = ListVerifier(images, stored, workers=2, progress=lambda *step: told.append(step))(
        asked
    )
    np.testing.assert_array_equal(alone.inliers, together.inliers)
    np.testing.assert_array_equal(alone.surprises, together.surprises)
    assert told[-1] == (4, 4)  # the fifth could not be read


@pytest.mark.parametrize("shape", [(0, 4), (5, 0)])
def test_of_nothing(images: Any, stored: StoredFeatures, shape: tuple[int, int]) -> None:
    verifier = ListVerifier(images[: shape[0]], stored)
    assert verifier(np.zeros(shape, dtype=np.int64)).surprises.shape == shape


class TestIndexVerifier:
    def test_it_counts_in_the_index(
        self, images: Any, details: Any, stored: StoredFeatures
    ) -> None:
        index = np.array([1, 2, 4, 6])
        verifier = IndexVerifier(ListVerifier(images, stored, workers=1), index)
        ids = np.random.default_rng(0).integers(-1, 4, (len(images), 5))
        assert np.isnan(verifier.seen(ids).surprises).all()
        found = verifier(ids)
        inliers, surprises = one_by_one(images, details, np.where(ids == -1, -1, index[ids]))
        np.testing.assert_array_equal(found.inliers, inliers)
        np.testing.assert_array_equal(found.surprises, surprises)
        np.testing.assert_array_equal(verifier.seen(ids).surprises, surprises)

    def test_an_empty_index(self, images: Any, stored: StoredFeatures) -> None:
        verifier = IndexVerifier(ListVerifier(images, stored), np.zeros(0, dtype=np.int64))
        found = verifier(np.full((5, 3), -1))
        assert np.isnan(found.surprises).all()
        assert not found.inliers.any()
