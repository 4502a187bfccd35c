"""Pixels in memory: to 8-bit RGB, upright, smaller."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from steeple.errors import InputError

__all__ = [
    "THUMBNAIL_QUALITY",
    "UPRIGHT",
    "Box",
    "Pixels",
    "check_side",
    "crop",
    "resize",
    "thumbnail",
    "to_rgb",
]

THUMBNAIL_QUALITY = 80
"""The JPEG quality of thumbnails (libjpeg's scale, 1 to 95)."""

Pixels = npt.NDArray[np.uint8]

Box: TypeAlias = tuple[float, float, float, float]
"""A part of an image: x1, y1, x2, y2 in pixels from its upper left corner."""

_BLOCK = 1 << 20  # samples; bounds what _fit_8_bit holds in 64-bit floats

UPRIGHT: dict[int, Callable[[Pixels], Pixels]] = {
    1: lambda pixels: pixels,
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: pixels[::-1].swapaxes(0, 1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda pixels: pixels.swapaxes(0, 1)[::-1],
}
"""What turns stored pixels upright, by EXIF orientation (EXIF 2.32, section 4.6.4, tag 0x0112)."""


def resize(image: Pixels, max_side: int) -> Pixels:
    """Shrink an image by averaging areas until its long side is ``max_side`` pixels.

    Args:
        image: (H, W, 3) or (H, W) uint8.
        max_side: pixels; an image that is not larger is returned itself, not a copy.

    Returns:
        (h, w, 3) or (h, w) uint8, each side at least 1.

    Raises:
        InputError: ``max_side`` is less than 1.
    """
    import cv2

    check_side(max_side)
    height, width = image.shape[:2]
    long_side = max(height, width)
    if long_side <= max_side:
        return image
    size = (
        max(1, round(width * max_side / long_side)),
        max(1, round(height * max_side / long_side)),
    )
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def crop(image: Pixels, box: Box) -> Pixels:
    """Cut a part out of an image.

    Args:
        image: (H, W, 3) or (H, W) uint8.
        box: the part, rounded to whole pixels, halves to even, as Pillow does and with it the
            published code of Revisited Oxford and Paris; what lies outside the image is left out.

    Returns:
        (h, w, 3) or (h, w) uint8, contiguous.

    Raises:
        InputError: the box holds no pixel of the image.
    """
    height, width = image.shape[:2]
    x1, y1, x2, y2 = (round(side) for side in box)
    part = image[max(0, y1) : max(0, y2), max(0, x1) : max(0, x2)]
    if not part.size:
        raise InputError(
            f"the box from {x1}, {y1} to {x2}, {y2} holds no pixel of the image, which has "
            f"{width} x {height}; give another"
        )
    return np.ascontiguousarray(part)


def thumbnail(image: Pixels, side: int) -> bytes:
    """Encode a small copy for a report: JPEG of quality :data:`THUMBNAIL_QUALITY`.

    Args:
        image: (H, W, 3) uint8 RGB.
        side: the long side in pixels, at most.

    Raises:
        InputError: ``side`` is less than 1.
    """
    stream = io.BytesIO()
    Image.fromarray(resize(image, side)).save(stream, "JPEG", quality=THUMBNAIL_QUALITY)
    return stream.getvalue()


def check_side(max_side: int | None) -> None:
    """Refuse a long side of less than one pixel with InputError."""
    if max_side is not None and max_side < 1:
        raise InputError(f"the long side of an image cannot be {max_side} pixels; give 1 or more")


def to_rgb(image: Image.Image) -> Pixels:
    """Bring a decoded image of any Pillow mode to (H, W, 3) uint8 RGB, over white."""
    if image.mode.startswith("I;16"):
        # 65535 / 255 = 257, rounded to nearest.
        scaled = ((np.arange(65536, dtype=np.uint32) + 128) // 257).astype(np.uint8)
        return np.repeat(scaled[np.asarray(image)][..., None], 3, axis=2)
    if image.mode in ("I", "F"):
        return np.repeat(_fit_8_bit(np.asarray(image))[..., None], 3, axis=2)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGB", image.size, "white")
        white.paste(image, mask=image.getchannel("A"))
        return np.array(white)
    return np.array(image.convert("RGB"))


def _fit_8_bit(values: npt.NDArray[np.int32] | npt.NDArray[np.float32]) -> Pixels:
    """Scale (H, W) samples of unknown range to uint8; what is not finite becomes black."""
    flat = values.reshape(-1)
    blocks = [slice(start, start + _BLOCK) for start in range(0, flat.size, _BLOCK)]
    low, high = np.inf, -np.inf
    for block in blocks:
        finite = flat[block][np.isfinite(flat[block])]
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    ranges = (1.0, 255.0, 65535.0) if values.dtype.kind == "f" else (255.0, 65535.0)
    if low >= 0 and high <= ranges[-1]:
        low, high = 0.0, next(top for top in ranges if high <= top)
    fitted = np.zeros(flat.size, np.uint8)
    for block in blocks:
        finite = np.isfinite(flat[block])
        scaled = (flat[block][finite].astype(np.float64) - low) * (255.0 / max(high - low, 1e-30))
        fitted[block][finite] = np.rint(scaled).clip(0, 255)
    return fitted.reshape(values.shape)
