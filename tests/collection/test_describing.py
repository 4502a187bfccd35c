"""Photos that are asked about, in every form, like those on disk."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from steeple.collection.describing import describe_photos, open_photo
from steeple.embedding.pipeline import describe_files
from steeple.errors import ImageError, InputError
from steeple.geometry.strongest import Strongest


@pytest.mark.parametrize("side", [30, 48, 96])
def test_as_files_are(city: Path, tiny: ModuleType, side: int) -> None:
    embedder, extractor = tiny.Tiny(1, max_side=40), Strongest(tiny.Squares(max_side=side), 100)
    path = city / "abbey" / "0.jpg"
    forms: list[Any] = [path, str(path), path.read_bytes(), tiny.draw(0, like=0)[:, :, ::-1].copy()]
    expected = describe_files([path], embedder, extractor, workers=1)
    assert expected.features is not None
    assert expected.features[0] is not None
    found = describe_photos(forms, embedder, extractor)
    assert found.errors == []
    assert found.features is not None
    for vector, features in zip(found.descriptors, found.features, strict=True):
        np.testing.assert_array_equal(vector, expected.descriptors[0])
        assert features is not None
        assert len(features) == 100
        np.testing.assert_array_equal(features.keypoints, expected.features[0].keypoints)
        np.testing.assert_array_equal(features.descriptors, expected.features[0].descriptors)
    assert describe_photos(forms, embedder, None).features is None


def test_no_photo(tiny: ModuleType) -> None:
    found = describe_photos([], tiny.Tiny(1), Strongest(tiny.Squares(), 10))
    assert found.descriptors.shape == (0, 48)
    assert found.features == []


def test_a_photo_that_shows_nothing(tiny: ModuleType) -> None:
    for shape in ((1, 1, 3), (16, 16, 3), (40, 50, 3)):
        image = np.full(shape, 90, dtype=np.uint8)
        found = describe_photos([image], tiny.Tiny(1), Strongest(tiny.Squares(), 10))
        assert found.features is not None
        assert found.features[0] is not None
        assert len(found.features[0]) == 0
        assert found.features[0].descriptors.shape == (0, 12)


class TestOpen:
    def test_what_is_no_photo(self, tmp_path: Path) -> None:
        with pytest.raises(ImageError):
            open_photo(tmp_path / "none.jpg", 100)
        with pytest.raises(ImageError):
            open_photo(b"no photo", 100)

    @pytest.mark.parametrize(
        "array",
        [
            np.zeros((4, 4), dtype=np.uint8),
            np.zeros((4, 4, 4), dtype=np.uint8),
            np.zeros((4, 4, 3), dtype=np.float32),
            np.zeros((0, 4, 3), dtype=np.uint8),
        ],
    )
    def test_an_array_that_is_no_image(self, array: Any) -> None:
        with pytest.raises(InputError, match=r"must be \(height, width, 3\) uint8 RGB"):
            open_photo(array, 100)

    def test_smaller(self) -> None:
        assert open_photo(np.zeros((40, 80, 3), dtype=np.uint8), 20).shape == (10, 20, 3)
