"""Soft votes and the two steps again, read aloud from the method, one image at a time.

Nothing is shared with steeple: lists, loops and ``sorted``. Sums that are compared are sums of two
float32 numbers in float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Pair = tuple[int, float]


def nearest(query: Sequence[float], images: Sequence[Sequence[float]], k: int) -> list[Pair]:
    """The k images of largest inner product, (position, score); equals in order of position."""
    scored = []
    for position, image in enumerate(images):
        score = sum(float(a) * float(b) for a, b in zip(query, image, strict=True))
        scored.append((position, score))
    return sorted(scored, key=lambda pair: -pair[1])[:k]  # sorted() is stable


def vote(neighbours: Sequence[Pair], labels: Sequence[int], k: int) -> Pair:
    """v(x, c) = (1/k) sum of similarities of the neighbours of label c; argmax, first met wins."""
    totals: dict[int, float] = {}
    for position, similarity in neighbours[:k]:
        if position == -1:
            continue
        label = int(labels[position])
        totals[label] = totals.get(label, 0.0) + similarity
    if not totals:
        return -1, 0.0
    best = None
    for label, total in totals.items():  # a dict keeps the order in which labels were met
        if best is None or total > totals[best]:
            best = label
    assert best is not None
    return best, float(np.float32(totals[best] / k))


def passes(first: float, second: float, threshold: float) -> bool:
    return bool(np.float32(np.float32(first) + np.float32(second)) > np.float32(threshold))


def rerank(
    ids: Sequence[int],
    scores: Sequence[float],
    query: Pair,
    index_labels: Sequence[int],
    index_scores: Sequence[float],
    *,
    threshold: float,
    k: int,
    sort: bool,
    insert: bool,
) -> list[Pair]:
    """One query: sort-step, insert-step, cut to k, pad with (-1, -inf)."""
    label, own = query
    result = [(int(i), float(s)) for i, s in zip(ids, scores, strict=True) if i != -1]

    def is_positive(image: int) -> bool:
        return label != -1 and index_labels[image] == label

    if sort:
        positives = [pair for pair in result if is_positive(pair[0])]
        negatives = [pair for pair in result if not is_positive(pair[0])]
        result = positives + negatives
    if insert:
        there = {image for image, _ in result}
        wanted = []
        for image in range(len(index_labels)):
            if image in there or not is_positive(image):
                continue
            if passes(own, index_scores[image], threshold):
                wanted.append((image, float(index_scores[image])))
        wanted = sorted(wanted, key=lambda pair: -pair[1])  # stable: lower position first
        after = 0
        for place, (image, _) in enumerate(result):
            if is_positive(image):
                after = place + 1
        result = result[:after] + wanted + result[after:]
    result = result[:k]
    return result + [(-1, -np.inf)] * (k - len(result))


def two_stage(ranking: Any, query_votes: Any, index_votes: Any, **options: Any) -> Any:
    """Arrays of ids and scores for all queries: (Q, k) int64, (Q, k) float32."""
    rows = [
        rerank(
            ranking.ids[q].tolist(),
            ranking.scores[q].tolist(),
            (int(query_votes.labels[q]), float(query_votes.scores[q])),
            index_votes.labels.tolist(),
            index_votes.scores.tolist(),
            **options,
        )
        for q in range(len(ranking))
    ]
    shape = (len(rows), options["k"])
    ids = np.array([[image for image, _ in row] for row in rows], dtype=np.int64).reshape(shape)
    scores = np.array([[score for _, score in row] for row in rows], dtype=np.float32)
    return ids, scores.reshape(shape)
