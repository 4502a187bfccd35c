"""What estimates one geometry from matches: the values, and the interface."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Agreement", "Doubles", "Estimator", "Keypoints"]

Doubles: TypeAlias = npt.NDArray[np.float64]
Keypoints: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Agreement:
    """The matches that agree on one geometry.

    Args:
        inliers: (n,) bool, which of the n matches do.
        transform: (2, 3) affine or (3, 3) homography, pixels of the first image to pixels of the
            second; None if there is none.
    """

    inliers: npt.NDArray[np.bool_]
    transform: Doubles | None

    @classmethod
    def none(cls, matches: int) -> Agreement:
        """Nothing agrees with anything."""
        return cls(np.zeros(matches, dtype=bool), None)


class Estimator(Protocol):
    """Finds the geometry that most matches agree on; the same matches give the same answer."""

    @property
    def chance(self) -> float:
        """The chance that an arbitrary match agrees with an arbitrary geometry."""

    def __call__(self, a: Keypoints, b: Keypoints, /) -> Agreement:
        """Estimates from the keypoints (n, 3) of both images, row by row matches; n may be 0."""
