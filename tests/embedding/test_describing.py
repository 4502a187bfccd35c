"""Batches by shape: every image once, answers that may come later, one descriptor of the scales."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

from steeple.embedding.describing import describe_sized
from steeple.embedding.preprocessing import ONE, Scales, Sized

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]


def _photos(shapes: Sequence[tuple[int, int]]) -> list[Bytes]:
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in shapes]


def _fake(images: Bytes) -> Floats:
    """Says the shape of an image and its first pixel."""
    count, height, width, _ = images.shape
    first = images[:, 0, 0].astype(np.float32)
    sizes = np.tile(np.float32([height, width]), (count, 1))
    return np.concatenate([sizes, first], axis=1)


@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3)), max_size=12),
    st.integers(1, 5),
)
def test_every_image_goes_through_once_in_batches_of_its_shape(
    shapes: list[tuple[int, int]], batch: int
) -> None:
    scales = Scales("two", (1.0, 2.0), least=1)
    photos: list[Sized] = [scales(photo) for photo in _photos(shapes)]
    seen = []

    def describe(images: Bytes) -> Floats:
        seen.append(len(images))
        assert len(images) <= batch
        return _fake(images)

    found = describe_sized(describe, photos, scales, 5, batch=batch)
    assert sum(seen) == 2 * len(photos)
    for photo, row in zip(photos, found, strict=True):
        mean = np.mean([_fake(image[None])[0] for image in photo], axis=0, dtype=np.float64)
        np.testing.assert_allclose(row, mean / np.linalg.norm(mean), atol=1e-6)


def test_large_images_go_in_small_batches() -> None:
    sizes = []

    def describe(images: Bytes) -> Floats:
        sizes.append(len(images))
        return _fake(images)

    photos = [(np.ones((1024, 1024, 3), dtype=np.uint8),)] * 5
    describe_sized(describe, photos, ONE, 5, batch=8)
    assert sizes == [2, 2, 1]


def test_answers_may_come_later() -> None:
    asked = []

    class Late:
        def __init__(self, images: Bytes) -> None:
            self.images = images

        def __array__(self, dtype: Any = None, copy: bool | None = None) -> Floats:
            assert len(asked) == 4  # every batch was on its way before the first answer
            return _fake(self.images)

    def describe(images: Bytes) -> Any:
        asked.append(len(images))
        return Late(images)

    photos = [(photo,) for photo in _photos([(2, 2)] * 4)]
    late = describe_sized(describe, photos, ONE, 5, batch=1)
    np.testing.assert_array_equal(late, describe_sized(_fake, photos, ONE, 5))
