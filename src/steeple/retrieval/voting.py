"""Soft votes: the landmark an image's nearest training images agree on (paper, section 3.2)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from steeple.errors import InputError
from steeple.retrieval.neighbors import search_neighbors
from steeple.retrieval.types import PAD, UNVOTED, Floats, Ids, Ranking, Votes

__all__ = ["both_right", "count_votes", "soft_vote"]

_BLOCK = 1 << 16


def soft_vote(
    queries: npt.ArrayLike, training: npt.ArrayLike, labels: npt.ArrayLike, k: int = 3
) -> Votes:
    """Predicts the landmark of each image from its k nearest training images.

    v(x, c) = (1/k) * sum of the inner products of those of the k neighbours that show landmark c;
    the vote is the c of largest v, at a tie the one met first in neighbour order (paper, eq. 3).

    Args:
        queries: (n, D) float32 descriptors to label.
        training: (T, D) float32 descriptors that vote.
        labels: (T,) integers, the landmark of each training image.
        k: neighbours that vote, 3 in the paper.

    Returns:
        Votes of n labels and scores; label -1 and score 0 where there is no training image.

    Raises:
        InputError: if the arrays do not fit together or k < 1.
    """
    labels = np.asarray(labels)
    if labels.ndim != 1 or len(labels) != len(np.asarray(training)):
        raise InputError(
            f"{len(np.asarray(training))} training images need as many labels, "
            f"not an array of shape {labels.shape}"
        )
    if labels.dtype.kind not in "iu" and len(labels):
        raise InputError(
            f"the labels are {labels.dtype}; landmarks are integers, so number their names first"
        )
    neighbours = search_neighbors(queries, training, k)
    return count_votes(neighbours, labels.astype(np.int64, copy=False), k)


def count_votes(neighbours: Ranking, labels: Ids, k: int) -> Votes:
    """Counts the votes of neighbours that are already known.

    Args:
        neighbours: (n, K) positions in the training set, the best k of them first; -1 pads.
        labels: (T,) int64, the landmark of each training image.
        k: neighbours that vote; also the divisor where fewer than k exist.

    Returns:
        Votes of n labels and scores; label -1 and score 0 where a row holds pads only.
    """
    out_labels = np.full(len(neighbours), UNVOTED, dtype=np.int64)
    out_scores = np.zeros(len(neighbours), dtype=np.float32)
    for start in range(0, len(neighbours), _BLOCK):
        part = slice(start, start + _BLOCK)
        ids = neighbours.ids[part, :k]
        if len(labels) and ids.shape[1]:
            out_labels[part], out_scores[part] = _count(ids, neighbours.scores[part, :k], labels, k)
    return Votes(out_labels, out_scores)


def _count(ids: Ids, scores: Floats, labels: Ids, k: int) -> tuple[Ids, Floats]:
    real = ids != PAD
    named = labels[ids]
    weights = np.where(real, scores, 0).astype(np.float64)
    # k is small, so comparing every pair of a row's neighbours costs k passes over the rows.
    totals = np.stack(
        [(weights * (named == named[:, [j]])).sum(axis=1) for j in range(ids.shape[1])], axis=1
    )
    totals[~real] = -np.inf
    first = totals.argmax(axis=1)[:, None]  # argmax takes the first of equals: neighbour order
    anyone = real.any(axis=1)
    label = np.where(anyone, np.take_along_axis(named, first, axis=1)[:, 0], UNVOTED)
    total = np.where(anyone, np.take_along_axis(totals, first, axis=1)[:, 0] / k, 0)
    return label, total.astype(np.float32)


def both_right(ids: Ids, query: Votes, index: Votes) -> Floats:
    """How likely the votes of a query and of an image both name what is shown, where they agree.

    Args:
        ids: (Q, K) positions in the index; -1 pads.
        query: Q votes whose scores are probabilities.
        index: N such votes.

    Returns:
        (Q, K) float32: the product of both; 0 where they differ, either is none, or there is a pad.
    """
    if not len(index):
        return np.zeros(ids.shape, dtype=np.float32)
    agree = (ids != PAD) & (index.labels[ids] == query.labels[:, None])
    agree &= query.labels[:, None] != UNVOTED
    return np.where(agree, query.scores[:, None] * index.scores[ids], np.float32(0))
