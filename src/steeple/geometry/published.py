"""Matching as the paper did it: nearest neighbours from a k-d tree, closer than a distance.

The recipe behind the paper: DELF descriptors of 40 dimensions, the nearest neighbour of each of the
first image's among those of the second, a match if their distance is below 0.8; then affine RANSAC
with 1,000 samples of 3 matches, inliers within 20 pixels (shared with the DELF authors' example
code). For comparison; `steeple.geometry.verification` has what is faster and tells more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from steeple.geometry.features import Features, comparable
from steeple.geometry.matching import Pairs

__all__ = ["NearestWithin"]


@dataclass(frozen=True)
class NearestWithin:
    """The nearest neighbour in the second image of each feature of the first, if close enough.

    Args:
        distance: between descriptors of unit length.
    """

    distance: float = 0.8

    def __call__(self, a: Features, b: Features) -> Pairs:
        """(n, 2) int32; several features of the first image may match one of the second."""
        from scipy.spatial import KDTree

        if not len(a) or not len(b):
            return np.zeros((0, 2), dtype=np.int32)
        tree = KDTree(comparable(b.descriptors))
        _, nearest = tree.query(comparable(a.descriptors), distance_upper_bound=self.distance)
        found = np.flatnonzero(nearest < len(b))  # the tree says len(b) where nothing is
        return np.stack([found, nearest[found]], axis=1).astype(np.int32)
