"""Upright RootSIFT: where features are found, how many, and that nothing depends on threads."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
import pytest

from steeple.embedding.sift import Sift, _upright, root

Draw = Callable[..., Any]


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    before = cv2.getNumThreads()
    yield cv2.setNumThreads
    cv2.setNumThreads(before)


class TestSift:
    def test_shape_and_type(self, draw: Draw) -> None:
        features = Sift()(draw(1))
        assert features.dtype == np.uint8
        assert features.shape[1] == 128
        assert 20 < len(features) <= 1000

    def test_the_same_whatever_the_threads(self, draw: Draw, threads: Any) -> None:
        photo = draw(2, 700, 900)
        found = []
        for number in (1, 2, 5):
            threads(number)
            found.append(Sift()(photo))
        assert len(found[0]) > 300
        for other in found[1:]:
            np.testing.assert_array_equal(other, found[0])

    def test_finding_at_half_size_is_opencv_at_half_size(self, draw: Draw) -> None:
        photo = draw(3, 600, 800)
        grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
        half = cv2.resize(grey, (400, 300), interpolation=cv2.INTER_AREA)
        sift = cv2.SIFT.create(nfeatures=1000, contrastThreshold=0.01)
        places = {(p.pt, p.size) for p in sift.detect(half, None)}
        assert len(Sift()(photo)) == len(places)

    @pytest.mark.parametrize("centre", [(100.0, 60.0), (161.0, 97.0), (80.0, 140.0)])
    def test_a_blob_keeps_its_place_and_size(self, centre: tuple[float, float]) -> None:
        y, x = np.mgrid[:200, :240]
        sigma = 6.0
        square = (x - centre[0]) ** 2 + (y - centre[1]) ** 2
        grey = (40 + 180 * np.exp(-square / (2 * sigma**2))).astype(np.uint8)
        half = cv2.resize(grey, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        found = max(
            _upright(cv2.SIFT.create().detect(half, None)), key=lambda keypoint: keypoint.response
        )
        assert found.pt == pytest.approx(centre, abs=1.0)
        assert found.size == pytest.approx(2 * sigma, rel=0.25)
        assert found.angle == 0

    def test_photos_are_upright_not_turned(self, draw: Draw) -> None:
        photo = draw(4, 300, 300)
        straight = root(Sift()(photo))
        turned = root(Sift()(np.ascontiguousarray(np.rot90(photo))))
        # OpenCV as it comes would find nearly every feature again; upright, hardly one.
        again = ((straight @ turned.T).max(axis=1) > 0.95).mean()
        assert again < 0.1
        assert ((straight @ straight.T).max(axis=1) > 0.95).all()

    @pytest.mark.parametrize("limit", [1, 10, 100])
    def test_never_more_features_than_asked_for(self, draw: Draw, limit: int) -> None:
        assert len(Sift(max_features=limit)(draw(5))) <= limit

    def test_not_even_where_all_are_equally_strong(self, draw: Draw) -> None:
        tiles = np.tile(draw(1, 24, 24), (20, 20, 1))
        assert len(Sift(max_features=50)(tiles)) == 50

    def test_the_strongest_stay(self, draw: Draw) -> None:
        photo = draw(6)
        some = {bytes(row) for row in Sift(max_features=20)(photo)}
        assert some <= {bytes(row) for row in Sift()(photo)}

    @pytest.mark.parametrize("size", [(1, 1), (1, 500), (15, 300), (16, 16), (16, 17), (31, 900)])
    def test_small_photos(self, draw: Draw, size: tuple[int, int]) -> None:
        features = Sift()(draw(7, *size))
        assert features.shape[1:] == (128,)
        assert features.dtype == np.uint8

    def test_a_blank_photo_has_none(self, blank: Any) -> None:
        assert Sift()(blank).shape == (0, 128)

    def test_the_photo_is_left_alone_and_may_be_read_only(self, draw: Draw) -> None:
        photo = draw(8)
        photo.flags.writeable = False
        Sift()(photo)

    def test_travels_to_workers(self) -> None:
        assert pickle.loads(pickle.dumps(Sift(50, 0.02))) == Sift(50, 0.02)


class TestRoot:
    def test_unit_length(self, features: Any) -> None:
        values = root(features[0])
        assert values.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(values, axis=1), 1, atol=1e-6)
        assert (values >= 0).all()

    def test_by_hand(self) -> None:
        one = np.zeros((1, 128), dtype=np.uint8)
        one[0, [3, 9]] = 25, 75
        values = root(one)
        assert values[0, [3, 9]].tolist() == pytest.approx([0.5, np.sqrt(0.75)])
        assert values.sum() == pytest.approx(0.5 + np.sqrt(0.75))

    def test_zeros_stay_zeros_and_nothing_stays_nothing(self) -> None:
        assert not root(np.zeros((2, 128), dtype=np.uint8)).any()
        assert root(np.zeros((0, 128), dtype=np.uint8)).shape == (0, 128)
