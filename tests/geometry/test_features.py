"""Local features: their three forms, what makes them comparable, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steeple.errors import InputError
from steeple.geometry.features import Features, compact, comparable


def units(seed: int, count: int, length: int) -> Any:
    values = np.random.default_rng(seed).normal(size=(count, length)).astype(np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def some(count: int = 5, seed: int = 0) -> Features:
    random = np.random.default_rng(seed)
    keypoints = random.uniform(1, 90, (count, 3)).astype(np.float32)
    return Features(keypoints, random.integers(0, 256, (count, 128), dtype=np.uint8))


class TestFeatures:
    def test_length_and_the_strongest(self) -> None:
        features = some()
        assert len(features) == 5
        three = features.strongest(3)
        np.testing.assert_array_equal(three.keypoints, features.keypoints[:3])
        np.testing.assert_array_equal(three.descriptors, features.descriptors[:3])
        assert len(features.strongest(9)) == 5
        assert len(features.strongest(0)) == 0

    def test_ready_is_ready_for_good(self) -> None:
        features = some()
        ready = features.ready()
        assert ready.descriptors.dtype == np.float32
        np.testing.assert_array_equal(ready.keypoints, features.keypoints)
        np.testing.assert_array_equal(ready.ready().descriptors, ready.descriptors)
        assert features.descriptors.dtype == np.uint8


class TestComparable:
    def test_sift_becomes_root_sift_by_hand(self) -> None:
        one = np.zeros((1, 128), dtype=np.uint8)
        one[0, [3, 9]] = 25, 75
        values = comparable(one)
        assert values.dtype == np.float32
        assert values[0, [3, 9]].tolist() == pytest.approx([0.5, np.sqrt(0.75)])
        assert values.sum() == pytest.approx(0.5 + np.sqrt(0.75))

    @given(seed=st.integers(0, 2**32 - 1), count=st.integers(0, 9))
    def test_sift_of_any_kind_has_unit_length(self, seed: int, count: int) -> None:
        sift = np.random.default_rng(seed).integers(0, 256, (count, 128), dtype=np.uint8)
        values = comparable(sift)
        np.testing.assert_allclose(np.linalg.norm(values, axis=1), 1, atol=1e-6)
        assert (values >= 0).all()

    @given(seed=st.integers(0, 2**32 - 1), count=st.integers(0, 9), length=st.integers(1, 64))
    def test_what_was_compacted_comes_back(self, seed: int, count: int, length: int) -> None:
        values = units(seed, count, length)
        stored = compact(values)
        assert stored.dtype == np.int8
        np.testing.assert_allclose(stored / 127, values, atol=1 / 254 + 1e-6)
        back = comparable(stored)
        assert back.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(back, axis=1), 1, atol=1e-6)
        assert ((back * values).sum(axis=1) > 0.99).all()

    def test_float32_stays_what_it_is(self) -> None:
        values = units(1, 4, 40)
        assert comparable(values) is values

    @pytest.mark.parametrize("kind", [np.uint8, np.int8, np.float32])
    def test_zeros_stay_zeros_and_nothing_stays_nothing(self, kind: Any) -> None:
        assert not comparable(np.zeros((2, 128), dtype=kind)).any()
        assert comparable(np.zeros((0, 128), dtype=kind)).shape == (0, 128)

    def test_what_they_are_made_of_is_left_alone(self) -> None:
        sift = some().descriptors
        before = sift.copy()
        sift.flags.writeable = False
        comparable(sift)
        np.testing.assert_array_equal(sift, before)

    def test_compact_does_not_wrap_around(self) -> None:
        edge = np.array([[1.0, -1.0, 1.0001, -1.0001]], dtype=np.float32)
        assert compact(edge).tolist() == [[127, -127, 127, -127]]


class TestCheck:
    def test_what_is_sound(self) -> None:
        some().check()
        some(0).check()
        some().ready().check()

    @pytest.mark.parametrize(
        ("keypoints", "descriptors"), [((5, 2), (5, 8)), ((5, 3), (4, 8)), ((3,), (1, 8))]
    )
    def test_shapes(self, keypoints: Any, descriptors: Any) -> None:
        features = Features(np.ones(keypoints, np.float32), np.ones(descriptors, np.float32))
        with pytest.raises(InputError, match=r"\(M, 3\) keypoints"):
            features.check()

    @pytest.mark.parametrize("kind", [np.float64, np.int32, bool])
    def test_kinds(self, kind: Any) -> None:
        with pytest.raises(InputError, match="uint8, int8 or float32"):
            Features(np.ones((2, 3), np.float32), np.ones((2, 8), kind)).check()

    @pytest.mark.parametrize(
        ("column", "value"), [(0, np.nan), (1, np.inf), (2, np.nan), (2, 0), (2, -1)]
    )
    def test_places_and_scales(self, column: int, value: float) -> None:
        features = some()
        features.keypoints[3, column] = value
        with pytest.raises(InputError, match="leave them out"):
            features.check()
