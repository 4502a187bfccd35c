"""Textures with their reduced copies, so that a far wall is averaged and not sampled at random."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

PAD = 2  # pixels around every level, so that sampling near an edge stays inside

Pixels = NDArray[np.uint8]
Colour = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class Texture:
    """A picture that is stretched over a face.

    Four channels, because OpenCV warps four several times faster than three; the fourth is put to
    use. On a solid texture it says how brightly the spot shines at night (a lit window), on a
    cutout how much of the spot is there at all (a tree's crown, a pedestrian).

    Attributes:
        levels: (PAD + h + PAD, PAD + w + PAD, 4) uint8 BGRA pictures, each half the size of the
            one before without its padding.
        mean: BGRA of the whole picture.
        cutout: whether the fourth channel is coverage.
        tiled: whether the picture repeats beyond its border.
    """

    levels: tuple[Pixels, ...]
    mean: tuple[float, float, float, float]
    cutout: bool = False
    tiled: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the finest level without its padding, in pixels."""
        height, width = self.levels[0].shape[:2]
        return width - 2 * PAD, height - 2 * PAD

    @property
    def pixels(self) -> Pixels:
        """The finest level without its padding, (h, w, 4) uint8 BGRA."""
        return self.levels[0][PAD:-PAD, PAD:-PAD]


def make_texture(pixels: Pixels, *, cutout: bool = False, tiled: bool = False) -> Texture:
    """Build the levels of a texture.

    Args:
        pixels: (h, w, 4) uint8 BGRA, or (h, w, 3) uint8 BGR that nowhere shines.
        cutout: whether the fourth channel is coverage.
        tiled: whether the picture repeats beyond its border.
    """
    if pixels.shape[2] == 3:
        pixels = np.dstack([pixels, np.zeros(pixels.shape[:2], np.uint8)])
    levels = [np.ascontiguousarray(pixels)]
    while min(levels[-1].shape[:2]) >= 8:
        height, width = levels[-1].shape[:2]
        half = cv2.resize(levels[-1], (width // 2, height // 2), interpolation=cv2.INTER_AREA)
        levels.append(half.astype(np.uint8, copy=False))
    border = cv2.BORDER_WRAP if tiled else cv2.BORDER_REPLICATE
    padded = [
        np.asarray(cv2.copyMakeBorder(level, PAD, PAD, PAD, PAD, border), np.uint8)
        for level in levels
    ]
    blue, green, red, alpha = cv2.mean(levels[-1])
    # Beyond its border a cutout is not there at all.
    return Texture(tuple(padded), (blue, green, red, 0.0 if cutout else alpha), cutout, tiled)


def shade(colour: Colour, factor: float) -> Colour:
    """The colour made darker (factor below 1) or brighter, each channel kept within 0..255."""
    blue, green, red = (min(255, max(0, round(channel * factor))) for channel in colour)
    return blue, green, red


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """The colour between two; `share` (0..1) is how much of the other."""
    blue, green, red = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return blue, green, red


def rgb(code: int) -> Colour:
    """The BGR colour of a web code such as 0xC8B48C."""
    return code & 255, code >> 8 & 255, code >> 16
