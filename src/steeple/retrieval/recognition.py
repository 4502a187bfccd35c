"""Naming landmarks as the paper does, and the rule for landmarks that are named too often.

Source: Yokoo et al., CVPRW 2020, section 5, and the published recipe (method 7).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from steeple.retrieval.reranking.spatial import ENOUGH
from steeple.retrieval.types import PAD, UNVOTED, Bools, Ids, Ranking, Votes
from steeple.retrieval.voting import count_votes

__all__ = ["OFTEN", "demote", "named_often", "published_recognition"]

OFTEN = 30
"""Photos for which a landmark may be named before it is taken for a distractor."""


def published_recognition(
    neighbours: Ranking, inliers: npt.NDArray[np.int32], labels: Ids, k: int = 3
) -> Votes:
    """Names what images show by similarity and inliers.

    Each of the k nearest training images votes 2 * similarity - 1 (that is 1 - squared distance),
    plus min(inliers, 70) / 70; the landmark with the largest sum wins, the sum is its score. A tie
    goes to the one met first.

    Args:
        neighbours: (n, K) positions in the training set by inner product; -1 pads.
        inliers: (n, K) int32, of the verification of each.
        labels: (T,) int64, the landmark of each training image.
        k: neighbours that vote.

    Returns:
        n votes; label -1 and score 0 where there is no neighbour.
    """
    ids = neighbours.ids[:, :k]
    verified = np.minimum(inliers[:, :k], ENOUGH) / ENOUGH
    votes = np.where(ids == PAD, -np.inf, 2 * neighbours.scores[:, :k] - 1 + verified)
    counted = count_votes(Ranking(ids, votes.astype(np.float32)), labels, k)
    return Votes(counted.labels, counted.scores * np.float32(k))


def named_often(labels: Ids, most: int = OFTEN) -> Bools:
    """Which predictions name a landmark that is named for more than so many images.

    Landmarks are many and photos of each are few, so what is named again and again is something
    that looks like everything.

    Args:
        labels: (n,) int64, what each of n images is said to show; -1 for nothing.
        most: predictions that one landmark may have.

    Returns:
        (n,) bool.
    """
    _, place, counts = np.unique(labels, return_inverse=True, return_counts=True)
    return np.asarray((counts[place] > most) & (labels != UNVOTED))


def demote(votes: Votes, which: Bools) -> Votes:
    """Puts some predictions behind all others, in their old order.

    Args:
        votes: n predictions.
        which: (n,) bool.
    """
    if not len(votes):
        return votes
    span = np.float32(np.ptp(votes.scores) + 1)
    return Votes(votes.labels, np.where(which, votes.scores - span, votes.scores))
