"""Photos that are asked about: one or a few, in whatever form, described in this process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np

from steeple.embedding.base import RGB, Embedder
from steeple.embedding.pipeline import Described, Preparation, Prepared
from steeple.errors import InputError
from steeple.geometry.strongest import Strongest
from steeple.images import read_image, resize

__all__ = ["PhotoLike", "describe_photos", "open_photo"]

PhotoLike: TypeAlias = Path | str | bytes | RGB
"""A photo: its path, its file's bytes, or (H, W, 3) uint8 RGB."""


def describe_photos(
    photos: Sequence[PhotoLike], embedder: Embedder, extractor: Strongest | None
) -> Described:
    """Describes photos the way `describe_files` does, those on disk and others.

    Args:
        photos: the photos.
        embedder: fitted.
        extractor: finds local features; None if nobody wants them.

    Raises:
        ImageError: if one cannot be read.
        InputError: if an array is no image.
    """
    preparation = Preparation.of(embedder, extractor)
    prepared = [_prepare(photo, preparation) for photo in photos]
    descriptors = embedder.encode([photo.result for photo in prepared])
    features = [photo.features for photo in prepared] if extractor else None
    return Described(descriptors, features, [])


def _prepare(photo: PhotoLike, preparation: Preparation) -> Prepared:
    return preparation(Path(), open_photo(photo, preparation.decoded_side))


def open_photo(photo: PhotoLike, max_side: int) -> RGB:
    """A photo, however it was given: (h, w, 3) uint8 RGB, its long side at most `max_side` pixels.

    Raises:
        ImageError: if it cannot be read.
        InputError: if an array is no image.
    """
    if not isinstance(photo, np.ndarray):
        return read_image(photo, max_side=max_side)
    if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[2] != 3 or not photo.size:
        raise InputError(
            f"an image array must be (height, width, 3) uint8 RGB, not {photo.shape} {photo.dtype}"
        )
    return resize(photo, max_side)
