"""What local features are, and how their descriptors become comparable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from steeple.errors import InputError

__all__ = ["Descriptors", "Features", "compact", "comparable"]

Descriptors: TypeAlias = npt.NDArray[Any]
"""(M, d) uint8, int8 or float32; see `Features`."""

_FULL = 127.0  # the largest int8


@dataclass(frozen=True)
class Features:
    """The local features of one image, the strongest first.

    Args:
        keypoints: (M, 3) float32: x, y and scale in pixels of the image as it was described; the
            centre of the top left pixel is (0, 0).
        descriptors: (M, d), in one of three forms: uint8, SIFT as OpenCV scales it; int8, learned
            descriptors times 127 (`compact`); float32, of unit length.
    """

    keypoints: npt.NDArray[np.float32]
    descriptors: Descriptors

    def __len__(self) -> int:
        """M, how many there are; possibly 0."""
        return len(self.keypoints)

    def check(self) -> None:
        """Checks features that come from outside.

        Raises:
            InputError: if they are not what is said above.
        """
        shapes = self.keypoints.shape, self.descriptors.shape
        if any(len(shape) != 2 for shape in shapes) or shapes[0] != (shapes[1][0], 3):
            raise InputError(
                f"local features need (M, 3) keypoints and (M, d) descriptors, not "
                f"{shapes[0]} and {shapes[1]}"
            )
        if self.descriptors.dtype not in (np.uint8, np.int8, np.float32):
            raise InputError(
                f"descriptors of local features are uint8, int8 or float32, not "
                f"{self.descriptors.dtype}; convert them"
            )
        if not (np.isfinite(self.keypoints).all() and (self.keypoints[:, 2] > 0).all()):
            raise InputError(
                "some local features have no place (x, y not finite) or no scale above 0; "
                "leave them out"
            )

    def strongest(self, count: int) -> Features:
        """The first `count` of them."""
        return Features(self.keypoints[:count], self.descriptors[:count])

    def ready(self) -> Features:
        """The same with comparable descriptors, for images that are compared many times."""
        return Features(self.keypoints, comparable(self.descriptors))


def comparable(descriptors: Descriptors) -> npt.NDArray[np.float32]:
    """Descriptors of unit length, whose inner product says how alike they are.

    SIFT becomes RootSIFT, the square root of each L1-normalised descriptor (Arandjelovic and
    Zisserman, "Three things everyone should know to improve object retrieval", CVPR 2012).

    Args:
        descriptors: (M, d) uint8 (SIFT), int8 (made by `compact`) or float32 (of unit length).

    Returns:
        (M, d) float32; a descriptor of zeros stays zeros.
    """
    if descriptors.dtype == np.float32:
        return np.asarray(descriptors, dtype=np.float32)
    values = descriptors.astype(np.float32)
    if descriptors.dtype == np.uint8:
        values /= np.maximum(values.sum(axis=1, keepdims=True), 1.0)
        return np.asarray(np.sqrt(values), dtype=np.float32)
    values /= np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1.0)
    return values


def compact(descriptors: npt.NDArray[np.float32]) -> npt.NDArray[np.int8]:
    """Descriptors of unit length in a quarter of the bytes.

    Args:
        descriptors: (M, d) float32, every value within -1..1.

    Returns:
        (M, d) int8; `comparable` brings them back within 1/254 a value.
    """
    scaled = np.rint(descriptors * _FULL)
    return np.asarray(np.clip(scaled, -_FULL, _FULL), dtype=np.int8)
