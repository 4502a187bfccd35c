"""Synthetic photos: shapes of random texture. Equal seeds give equal pixels."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]


def texture(random: np.random.Generator, height: int, width: int) -> Pixels:
    """Noise of several grain sizes in one random hue."""
    total = np.zeros((height, width), dtype=np.float32)
    for grain in (2, 5, 12):
        coarse = random.random((height // grain + 2, width // grain + 2)).astype(np.float32)
        total += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    hue = random.uniform(0.3, 1, 3)
    return np.clip(total[:, :, None] / 3 * hue * 255, 0, 255).astype(np.uint8)


def draw_photo(seed: int, height: int = 160, width: int = 200) -> Pixels:
    """(height, width, 3) uint8 RGB: textured polygons and discs over a textured ground."""
    random = np.random.default_rng(seed)
    image = texture(random, height, width)
    for number in range(8):
        mask = np.zeros((height, width), dtype=np.uint8)
        centre = random.uniform(0, (width, height)).astype(int)
        if number % 2:
            radius = int(random.integers(8, 40))
            cv2.circle(mask, [int(c) for c in centre], radius, 255, -1)
        else:
            corners = centre + random.integers(-45, 46, (4, 2))
            cv2.fillPoly(mask, [corners.astype(np.int32)], (255,))
        filling = texture(random, height, width)
        image[mask > 0] = filling[mask > 0]
    return image


def blank_photo(height: int = 60, width: int = 80) -> Pixels:
    """One grey."""
    return np.full((height, width, 3), 127, dtype=np.uint8)
