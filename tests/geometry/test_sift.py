"""Upright SIFT: where features are found, how many, and that nothing depends on threads."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from steeple.geometry.features import Features, comparable
from steeple.geometry.sift import Sift

Draw = Callable[..., Any]


def blob(centre: tuple[float, float], sigma: float, height: int, width: int) -> Any:
    """(height, width, 3) uint8: a bright Gaussian on grey."""
    y, x = np.mgrid[:height, :width]
    square = (x - centre[0]) ** 2 + (y - centre[1]) ** 2
    grey = np.rint(40 + 180 * np.exp(-square / (2 * sigma**2))).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


def equal(one: Features, other: Features) -> None:
    np.testing.assert_array_equal(one.keypoints, other.keypoints)
    np.testing.assert_array_equal(one.descriptors, other.descriptors)


class TestShape:
    def test_shape_and_type(self, draw: Draw) -> None:
        features = Sift()(draw(1))
        assert 20 < len(features) <= 1000
        assert features.keypoints.shape == (len(features), 3)
        assert features.keypoints.dtype == np.float32
        assert features.descriptors.shape == (len(features), 128)
        assert features.descriptors.dtype == np.uint8
        features.check()

    @pytest.mark.parametrize("size", [(1, 1), (1, 500), (15, 300), (16, 16), (16, 17), (31, 900)])
    def test_small_photos(self, draw: Draw, size: tuple[int, int]) -> None:
        features = Sift()(draw(7, *size))
        assert features.keypoints.shape == (len(features), 3)
        assert features.descriptors.shape == (len(features), 128)
        assert features.descriptors.dtype == np.uint8
        features.check()

    @pytest.mark.parametrize("grey", [0, 127, 255])
    def test_a_photo_of_one_colour_has_none(self, grey: int) -> None:
        features = Sift()(np.full((60, 80, 3), grey, dtype=np.uint8))
        assert features.keypoints.shape == (0, 3)
        assert features.descriptors.shape == (0, 128)

    def test_the_photo_is_left_alone_and_may_be_read_only(self, draw: Draw) -> None:
        photo = draw(8)
        photo.flags.writeable = False
        Sift()(photo)

    def test_travels_to_workers(self) -> None:
        assert pickle.loads(pickle.dumps(Sift(50, 0.02))) == Sift(50, 0.02)


class TestWhich:
    def test_the_same_whatever_the_threads(self, draw: Draw, threads: Any) -> None:
        photo = draw(2, 700, 900)
        found = []
        for number in (1, 2, 5):
            threads(number)
            found.append(Sift()(photo))
        assert len(found[0]) > 300
        for other in found[1:]:
            equal(other, found[0])

    def test_finding_at_half_size_is_opencv_at_half_size(self, draw: Draw) -> None:
        photo = draw(3, 600, 800)
        grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
        half = cv2.resize(grey, (400, 300), interpolation=cv2.INTER_AREA)
        sift = cv2.SIFT.create(nfeatures=1000, contrastThreshold=0.01)
        places = {(2 * p.pt[0], 2 * p.pt[1], 2 * p.size) for p in sift.detect(half, None)}
        assert {tuple(row) for row in Sift()(photo).keypoints.tolist()} == places

    @pytest.mark.parametrize("limit", [1, 10, 100])
    def test_never_more_features_than_asked_for(self, draw: Draw, limit: int) -> None:
        assert len(Sift(max_features=limit)(draw(5))) <= limit

    def test_not_even_where_all_are_equally_strong(self, draw: Draw) -> None:
        tiles = np.tile(draw(1, 24, 24), (20, 20, 1))
        assert len(Sift(max_features=50)(tiles)) == 50

    @pytest.mark.parametrize("limit", [1, 20, 60])
    def test_the_strongest_come_first(self, draw: Draw, limit: int) -> None:
        photo = draw(6, 300, 400)
        some, everything = Sift(max_features=limit)(photo), Sift()(photo)
        assert limit / 2 <= len(some) <= limit < len(everything)
        np.testing.assert_array_equal(some.keypoints, everything.keypoints[: len(some)])

    def test_strength_is_contrast(self) -> None:
        photo = np.maximum(blob((60, 60), 5, 120, 240) // 2, blob((180, 60), 5, 120, 240))
        places = Sift()(photo).keypoints[:, :2]
        assert places[0] == pytest.approx((180, 60), abs=0.5)
        assert np.abs(places - (60, 60)).max(axis=1).min() < 0.5

    def test_photos_are_upright_not_turned(self, draw: Draw) -> None:
        photo = draw(4, 300, 300)
        straight = comparable(Sift()(photo).descriptors)
        turned = comparable(Sift()(np.ascontiguousarray(np.rot90(photo))).descriptors)
        # OpenCV as it comes would find nearly every feature again; upright, hardly one.
        again = ((straight @ turned.T).max(axis=1) > 0.95).mean()
        assert again < 0.1
        assert ((straight @ straight.T).max(axis=1) > 0.95).all()


class TestWhere:
    @pytest.mark.parametrize("size", [(400, 500), (401, 501), (480, 639)])
    @pytest.mark.parametrize("sigma", [3.0, 4.5, 7.0])
    def test_blobs_are_where_they_were_drawn(self, size: tuple[int, int], sigma: float) -> None:
        # Half a pixel is what a wrong convention costs; there is nothing left of it on average.
        random = np.random.default_rng(int(10 * sigma))
        off = []
        for _ in range(12):
            centre = random.uniform((80, 80), (size[1] - 80, size[0] - 80))
            # A blob in between two scales and two pixels is now and then no extremum of either.
            for strongest in Sift()(blob(tuple(centre), sigma, *size)).keypoints[:1]:
                off.append(strongest[:2] - centre)
                assert strongest[2] == pytest.approx(1.8 * sigma, rel=0.05)
        assert len(off) > 8
        assert np.abs(off).max() < 0.1
        assert np.abs(np.mean(off, axis=0)).max() < 0.03

    @pytest.mark.parametrize("size", [(40, 40), (301, 203), (64, 517)])
    def test_features_lie_inside(self, draw: Draw, size: tuple[int, int]) -> None:
        for seed in range(4):
            x, y, scale = Sift()(draw(seed, *size)).keypoints.T
            assert len(x)
            assert (x >= 0).all()
            assert (x <= size[1] - 1).all()
            assert (y >= 0).all()
            assert (y <= size[0] - 1).all()
            assert (scale > 0).all()

    def test_what_moves_is_found_where_it_went(self, draw: Draw) -> None:
        photo = draw(9, 300, 400)
        whole, part = Sift()(photo), Sift()(np.ascontiguousarray(photo[40:, 64:]))
        moved = whole.keypoints[:, :2] - (64, 40)
        off = np.abs(part.keypoints[:, None, :2] - moved).max(axis=2).min(axis=1)
        assert (off < 0.05).mean() > 0.7

    def test_descriptors_belong_to_their_places(self) -> None:
        # Left of the edge and right of it: each keypoint must bring its own surroundings.
        photo = np.maximum(blob((60, 60), 4, 120, 240), blob((180, 60), 4, 120, 240))
        photo[:, 178:] = photo[:, 178:] // 2
        features = Sift()(photo)
        first = int(np.abs(features.keypoints[:, :2] - (60, 60)).sum(axis=1).argmin())
        alone = Sift()(blob((60, 60), 4, 120, 240))
        alike = comparable(features.descriptors) @ comparable(alone.descriptors)[0]
        assert alike.argmax() == first
        assert alike[first] > 0.98


def test_one_keypoint_is_enough() -> None:
    features: npt.NDArray[np.float32] = Sift(max_features=1)(blob((50, 40), 5, 90, 100)).keypoints
    assert features.shape == (1, 3)
    assert features[0, :2] == pytest.approx((50, 40), abs=0.1)
