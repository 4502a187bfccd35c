"""A part of a photo is described as if it were a photo of its own."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from steeple.embedding.pipeline import Crop, describe_files, prepare_files
from steeple.errors import ImageError
from steeple.geometry.sift import Sift
from steeple.geometry.strongest import Strongest


def size_and_sum(image):
    return image.shape, int(image.sum())


@pytest.fixture
def photo(tmp_path, draw):
    path = tmp_path / "photo.png"
    pixels = draw(5, 300, 400)
    cv2.imwrite(str(path), pixels[:, :, ::-1])
    return path, pixels


@pytest.mark.parametrize("workers", [1, 2])
def test_the_box_is_cut_from_the_photo_at_its_full_size(photo, workers):
    path, pixels = photo
    crop = Crop(path, (100.2, 49.8, 300.4, 150.0))
    whole, part = prepare_files([path, crop], size_and_sum, 1000, workers=workers)
    assert whole.result == size_and_sum(pixels)
    assert part.result == size_and_sum(pixels[50:150, 100:300])
    assert (part.path, part.width, part.height) == (path, 200, 100)


def test_only_then_is_it_shrunk(photo):
    path, pixels = photo
    (part,) = prepare_files([Crop(path, (0, 0, 200, 100))], size_and_sum, 50, workers=1)
    assert part.result[0] == (25, 50, 3)
    shrunk = cv2.resize(pixels[:100, :200], (50, 25), interpolation=cv2.INTER_AREA)
    assert part.result == size_and_sum(shrunk)


def test_what_cannot_be_cut_is_an_error_of_the_photo(photo, tmp_path):
    path, _ = photo
    gone = tmp_path / "gone.jpg"
    results = list(
        prepare_files(
            [Crop(path, (400, 0, 500, 90)), Crop(gone, (0, 0, 5, 5))], size_and_sum, 50, workers=1
        )
    )
    assert [result.path for result in results] == [path, gone]
    assert all(isinstance(result.error, ImageError) for result in results)
    assert str(results[0].error).startswith(
        f"{path}: the box from 400, 0 to 500, 90 holds no pixel"
    )
    assert "gone.jpg" in str(results[1].error)


class Mean:
    """An embedder of colours."""

    name = "mean"
    dimension = 3
    max_side = 64
    learned_from = 1

    @property
    def prepare(self):
        return size_and_sum

    def encode(self, prepared):
        return np.array([[*shape[:2], 1] for shape, _ in prepared], dtype=np.float32)


def test_describing_finds_the_local_features_of_the_part(photo):
    path, _ = photo
    described = describe_files(
        [path, Crop(path, (0, 0, 60, 60))], Mean(), Strongest(Sift(), 1000), workers=1
    )
    assert described.descriptors.tolist() == [[48, 64, 1], [60, 60, 1]]
    keypoints = described.features[1].keypoints
    assert len(keypoints) > 5
    assert keypoints[:, :2].max() < 60
