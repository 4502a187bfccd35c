"""Geometries from random samples of matches: affine maps and homographies by OpenCV's USAC.

MAGSAC++ (Barath et al., "MAGSAC++, a fast, reliable and accurate robust estimator", CVPR 2020) for
practice, plain RANSAC for what the paper did.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from steeple.geometry.estimation import Agreement, Keypoints

__all__ = ["Consensus"]

_LEAST = {"affine": 3, "homography": 4}
_SINGULAR = 1e-6  # relative; points this near to a line leave a transform open


@dataclass(frozen=True)
class Consensus:
    """The geometry that random samples find. Seeded: the same matches give the same answer.

    Args:
        model: ``affine`` (6 numbers, 3 matches a sample) or ``homography`` (8, 4).
        tolerance: pixels in the second image.
        trials: samples drawn at most.
        magsac: whether MAGSAC++ scores and polishes; otherwise plain RANSAC.
    """

    model: Literal["affine", "homography"] = "affine"
    tolerance: float = 8.0
    trials: int = 1000
    magsac: bool = True

    @property
    def chance(self) -> float:
        """That an arbitrary match lies within the tolerance of any place, scale unseen."""
        return np.pi * self.tolerance**2 / (640 * 480)

    def __call__(self, a: Keypoints, b: Keypoints) -> Agreement:
        """Finds the geometry that most matches agree on.

        Args:
            a: (n, 3) float32, keypoints of the first image.
            b: (n, 3) float32, the keypoints they match in the second image.

        Returns:
            What agrees; nothing where all points lie on a line or there are too few.
        """
        if len(a) < _LEAST[self.model] or _on_a_line(a[:, :2]) or _on_a_line(b[:, :2]):
            return Agreement.none(len(a))
        import cv2

        first, second = np.ascontiguousarray(a[:, :2]), np.ascontiguousarray(b[:, :2])
        method = cv2.USAC_MAGSAC if self.magsac else cv2.RANSAC
        cv2.setRNGSeed(0)
        if self.model == "affine":
            transform, inliers = cv2.estimateAffine2D(
                first,
                second,
                method=method,
                ransacReprojThreshold=self.tolerance,
                maxIters=self.trials,
                confidence=0.999,
            )
        else:
            transform, inliers = cv2.findHomography(
                first, second, method, self.tolerance, maxIters=self.trials, confidence=0.999
            )
        if transform is None or not np.isfinite(transform).all():
            return Agreement.none(len(a))
        return Agreement(inliers.ravel().astype(bool), np.asarray(transform, dtype=np.float64))


def _on_a_line(points: Keypoints) -> bool:
    """Whether points lie on one line, or all in one place."""
    spread = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
    return bool(spread[1] <= _SINGULAR * max(float(spread[0]), 1.0))
