"""Which local features of two images look alike: mutual nearest neighbours and the ratio test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from steeple.geometry.features import Features, comparable
from steeple.threads import one_thread

__all__ = ["Matcher", "Pairs", "match", "match_comparable"]

Pairs: TypeAlias = npt.NDArray[np.int32]
"""(n, 2) int32: positions of matching features in the first and in the second image."""

_FARTHEST = -2.0  # below every inner product of unit vectors
_EQUAL = 1e-6  # of 1 - inner product: what float32 cannot tell from the same descriptor


@dataclass(frozen=True)
class Matcher:
    """Mutual nearest neighbours, the most distinctive first.

    Two features match if each is the other's nearest, and if neither has a rival about as near:
    d(nearest) < ratio * d(second nearest), from both sides (Lowe, "Distinctive image features from
    scale-invariant keypoints", IJCV 2004, section 7.1).

    Args:
        ratio: of the distances. 1 leaves the test out, which is best before a verification that
            weighs geometry: repeated windows and columns have rivals by nature.
        most: matches kept, the most distinctive; it bounds the work of what follows.
    """

    ratio: float = 1.0
    most: int = 256

    def __call__(self, a: Features, b: Features) -> Pairs:
        """Matches the features of two images."""
        with one_thread():
            return match_comparable(
                comparable(a.descriptors), comparable(b.descriptors), self.ratio, self.most
            )


def match(a: Features, b: Features, *, ratio: float = 1.0) -> Pairs:
    """All mutual nearest neighbours that pass the ratio test; see `Matcher`."""
    return Matcher(ratio, max(len(a), len(b)))(a, b)


def match_comparable(
    a: npt.NDArray[np.float32], b: npt.NDArray[np.float32], ratio: float, most: int
) -> Pairs:
    """`Matcher` on descriptors that `comparable` has made ready, once for many pairs of images.

    Args:
        a: (M, d) float32, of unit length.
        b: (N, d) float32, of unit length.
        ratio: of the distances.
        most: matches kept.

    Returns:
        (n, 2) int32, by rising ratio of distances; ties by position in `a`.
    """
    if not len(a) or not len(b):
        return np.zeros((0, 2), dtype=np.int32)
    alike = a @ b.T
    nearest = alike.argmax(axis=1)
    best = alike[np.arange(len(a)), nearest]
    # Maxima down the columns take a tenth of the time of their places.
    mutual = _first_of_each(np.flatnonzero(best == alike.max(axis=0)[nearest]), nearest)
    partners, best = nearest[mutual], best[mutual]
    # Nobody else may be as near: what is left once the matches are taken out.
    alike[mutual, partners] = _FARTHEST
    rival = np.maximum(alike.max(axis=1)[mutual], alike.max(axis=0)[partners])
    ratios = np.sqrt(np.maximum(1 - best, _EQUAL) / np.maximum(1 - rival, _EQUAL))
    order = np.argsort(ratios, kind="stable")
    if ratio < 1:
        order = order[ratios[order] < ratio]
    order = order[:most]
    return np.stack([mutual[order], partners[order]], axis=1).astype(np.int32)


def _first_of_each(
    candidates: npt.NDArray[np.int64], nearest: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Of candidates that are equally near to one feature, the first."""
    _, first = np.unique(nearest[candidates], return_index=True)
    return candidates[np.sort(first)]
