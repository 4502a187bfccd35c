"""The strongest features, compact, and what needs no change is left alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from steeple.geometry.features import Features, comparable
from steeple.geometry.sift import Sift
from steeple.geometry.strongest import Strongest


def some(count: int, dtype: Any) -> Features:
    random = np.random.default_rng(count)
    keypoints = random.random((count, 3)).astype(np.float32)
    if dtype == np.float32:
        vectors = random.standard_normal((count, 8)).astype(np.float32)
        return Features(keypoints, vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    return Features(keypoints, random.integers(0, 100, (count, 8)).astype(dtype))


class TestKeep:
    @pytest.mark.parametrize("dtype", [np.uint8, np.int8])
    def test_the_first(self, dtype: Any) -> None:
        kept = Strongest(Sift(), 3).keep(some(5, dtype))
        assert kept.descriptors.dtype == dtype
        np.testing.assert_array_equal(kept.descriptors, some(5, dtype).descriptors[:3])
        np.testing.assert_array_equal(kept.keypoints, some(5, dtype).keypoints[:3])

    @pytest.mark.parametrize("count", [0, 2, 3])
    def test_no_more_than_there_are(self, count: int) -> None:
        features = some(count, np.uint8)
        assert Strongest(Sift(), 3).keep(features) is features

    def test_real_values_become_bytes(self) -> None:
        features = some(4, np.float32)
        kept = Strongest(Sift(), 3).keep(features)
        assert kept.descriptors.dtype == np.int8
        assert np.abs(comparable(kept.descriptors) - features.descriptors[:3]).max() < 0.01


def test_it_is_its_extractor_otherwise() -> None:
    image = np.random.default_rng(0).integers(0, 256, (320, 400, 3), dtype=np.uint8)
    strongest = Strongest(Sift(), 10)
    assert (strongest.name, strongest.max_side) == ("sift", 640)
    found, all_found = strongest(image), Sift()(image)
    assert len(found) == 10 < len(all_found)
    np.testing.assert_array_equal(found.descriptors, all_found.descriptors[:10])
    assert strongest == Strongest(Sift(), 10) != Strongest(Sift(), 11)
