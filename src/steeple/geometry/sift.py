"""Upright SIFT: the default local features, and what the default descriptor is made of.

Two things differ from calling OpenCV's SIFT as it comes, both for the same reason, that people hold
cameras upright:

- the orientation of a keypoint is set to zero rather than estimated, so that the vertical edge of
  a tower and the horizontal edge of its roof stay different features;
- keypoints are found on the photo at half size and described on the photo at full size. OpenCV
  doubles an image before it looks for blobs; starting from half the size, that doubling ends at
  the photo's own pixels, and the finest blobs, which JPEG compression makes up, never enter.

Together they take a third of the time of ``detectAndCompute`` and describe landmarks better; the
figures are in docs/performance.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from steeple.geometry.features import Features

if TYPE_CHECKING:
    import cv2

__all__ = ["SIFT_LENGTH", "Sift"]

SIFT_LENGTH = 128

_SMALLEST = 16  # pixels; below this, half the photo has no room for a blob
_NONE = Features(np.zeros((0, 3), dtype=np.float32), np.zeros((0, SIFT_LENGTH), dtype=np.uint8))


@dataclass(frozen=True)
class Sift:
    """Finds and describes the local features of an image.

    Args:
        max_features: how many keypoints to keep at most, the strongest.
        contrast: least contrast of a keypoint; a quarter of Lowe's 0.04, so that grey days and
            plain walls still give some.
    """

    max_features: int = 1000
    contrast: float = 0.01

    @property
    def name(self) -> str:
        """``sift``."""
        return "sift"

    @property
    def max_side(self) -> int:
        """640 pixels."""
        return 640

    def __call__(self, image: npt.NDArray[np.uint8]) -> Features:
        """Finds and describes the local features of an image.

        Args:
            image: (H, W, 3) uint8 RGB.

        Returns:
            M <= max_features features, possibly 0, with (M, 128) uint8 SIFT descriptors as OpenCV
            scales them.
        """
        import cv2

        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        if min(grey.shape) < _SMALLEST:
            return _NONE
        half = cv2.resize(grey, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        sift = _opencv_sift(self.max_features, self.contrast)
        keypoints = _upright(sift.detect(half, None))
        # OpenCV keeps all that are as strong as the last.
        keypoints = sorted(keypoints, key=lambda keypoint: -keypoint.response)[: self.max_features]
        if not keypoints:
            return _NONE
        described, descriptors = sift.compute(grey, keypoints)
        places = np.array([(*k.pt, k.size) for k in described], dtype=np.float32)
        # OpenCV rounds SIFT to whole numbers in 0..255: nothing is lost.
        return Features(places, descriptors.astype(np.uint8))


@lru_cache(maxsize=4)
def _opencv_sift(max_features: int, contrast: float) -> cv2.SIFT:
    import cv2

    return cv2.SIFT.create(nfeatures=max_features, contrastThreshold=contrast)


def _upright(keypoints: Sequence[cv2.KeyPoint]) -> list[cv2.KeyPoint]:
    """Keypoints of the half-size photo, upright, in the pixels of the full-size photo.

    A blob of several orientations was several keypoints and becomes one. The centre of pixel x of
    the half is 2 x + 1/2 of the photo, and yet places are doubled and no more: OpenCV's own
    doubling leaves them a quarter of a pixel of the half too far, which is that 1/2.
    """
    import cv2

    found = {}
    for keypoint in keypoints:
        x, y = keypoint.pt
        octave, layer = keypoint.octave & 255, (keypoint.octave >> 8) & 255
        octave = octave - 256 if octave >= 128 else octave  # a signed byte
        found[x, y, keypoint.size] = cv2.KeyPoint(
            2 * x, 2 * y, 2 * keypoint.size, 0.0, keypoint.response, (octave + 1) | layer << 8
        )
    return list(found.values())
