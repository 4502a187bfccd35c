"""How far a vote stands out, on a scale that means the same for every image.

The score of a vote is an inner product, and inner products do not compare between images: a photo
the descriptor was learned from, a photo it never saw and a blurred photo live on different scales.
The score divided by the similarity of the best training image of any OTHER landmark does compare.
It is the ratio test of local features (Lowe, IJCV 2004, section 7.1) applied to votes.
"""

from __future__ import annotations

import numpy as np

from steeple.retrieval.types import PAD, Floats, Ids, Ranking, Votes

__all__ = ["VOTERS", "vote_contrast", "vote_similarity"]

VOTERS = 10
"""Nearest training images kept per image: the first k vote, the others say what is ordinary."""

_LEAST, _MOST = 0.01, 100.0
_BLOCK = 1 << 16


def vote_contrast(neighbours: Ranking, labels: Ids, votes: Votes) -> Floats:
    """The vote's score over the best similarity of a neighbour of another landmark.

    Where all neighbours show the voted landmark, the last of them stands for the unseen rival,
    which can only be less similar.

    Args:
        neighbours: (n, K) positions in the training set; -1 pads.
        labels: (T,) int64, the landmark of each training image.
        votes: n votes counted from these neighbours.

    Returns:
        (n,) float32 within 0.01..100; 0 where there is no neighbour.
    """
    out = np.zeros(len(neighbours), dtype=np.float32)
    if not len(labels):
        return out
    for start in range(0, len(neighbours), _BLOCK):
        part = slice(start, start + _BLOCK)
        ids, scores = neighbours.ids[part], neighbours.scores[part]
        real = ids != PAD
        rival = real & (labels[ids] != votes.labels[part, None])
        best = np.where(rival, scores, -np.inf).max(axis=1)
        last = np.where(real, scores, np.inf).min(axis=1)
        best = np.where(rival.any(axis=1), best, last)
        ratio = votes.scores[part] / np.maximum(best, 1e-6)
        out[part] = np.where(real.any(axis=1), np.clip(ratio, _LEAST, _MOST), 0)
    return out


def vote_similarity(neighbours: Ranking, labels: Ids, votes: Votes, k: int) -> Floats:
    """The similarity of the nearest neighbour that cast the vote.

    Args:
        neighbours: (n, K) positions in the training set; -1 pads.
        labels: (T,) int64, the landmark of each training image.
        votes: n votes counted from the first k of these neighbours.
        k: neighbours that voted.

    Returns:
        (n,) float32; -inf where nobody voted.
    """
    ids, scores = neighbours.ids[:, :k], neighbours.scores[:, :k]
    if not len(labels) or not ids.shape[1]:
        return np.full(len(neighbours), -np.inf, dtype=np.float32)
    cast = (ids != PAD) & (labels[ids] == votes.labels[:, None])
    best = np.where(cast, scores, -np.inf).max(axis=1)
    return np.asarray(best, dtype=np.float32)
