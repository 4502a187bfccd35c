"""Photos as base64 JPEGs, each one once per page.

A page names a photo by a CSS class whose rule holds the JPEG as a ``data:`` background, so that a
photo in ten rankings costs its bytes once and needs no script.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from steeple.errors import ImageError
from steeple.images import read_image, thumbnail

__all__ = ["Album", "EmbeddedPhoto", "embed_photos"]

_LOG = logging.getLogger(__name__)
_READERS = 8
"""Photos decoded at a time; decoding releases the GIL, and this bounds the memory."""

_LANDSCAPE = (1.1, 1.8)
"""Width / height of the photos that may be cropped a little to fill a 4:3 tile; others are shown
whole on a mat, lest a tower lose its steeple."""


@dataclass(frozen=True)
class EmbeddedPhoto:
    """One photo in a page: its CSS class, its JPEG in base64, and its width / height."""

    name: str
    data: str
    ratio: float

    @property
    def fit(self) -> str:
        """How the photo fills a tile: the CSS ``background-size``."""
        low, high = _LANDSCAPE
        return "cover" if low <= self.ratio <= high else "contain"


@dataclass(frozen=True)
class Album:
    """The photos of one page.

    Attributes:
        photos: Each distinct photo once, in the order of the page.
        names: The CSS class by path; a path that could not be read is missing.
    """

    photos: tuple[EmbeddedPhoto, ...]
    names: Mapping[Path, str]


def embed_photos(sides: Mapping[Path, int]) -> Album:
    """Decode and shrink photos for one page.

    Args:
        sides: The long side to embed, in pixels, by path, in the order of the page.

    Returns:
        The album. Photos that cannot be read are left out, with a warning in the log; equal
        thumbnails under several paths are kept once.
    """
    with ThreadPoolExecutor(max_workers=_READERS) as readers:
        shrunk = list(readers.map(_shrink, sides, sides.values()))
    photos: dict[bytes, EmbeddedPhoto] = {}
    names: dict[Path, str] = {}
    for path, small in zip(sides, shrunk, strict=True):
        if small is None:
            continue
        jpeg, ratio = small
        if jpeg not in photos:
            data = base64.b64encode(jpeg).decode("ascii")
            photos[jpeg] = EmbeddedPhoto(f"p{len(photos)}", data, ratio)
        names[path] = photos[jpeg].name
    return Album(tuple(photos.values()), names)


def _shrink(path: Path, side: int) -> tuple[bytes, float] | None:
    """Return the JPEG and its width / height, or None for a photo that cannot be read."""
    try:
        image = read_image(path, max_side=side)
        jpeg = thumbnail(image, side)
    except (ImageError, OSError) as error:
        _LOG.warning("%s is shown as a placeholder: %s", path, error)
        return None
    height, width = image.shape[:2]
    return jpeg, width / height
