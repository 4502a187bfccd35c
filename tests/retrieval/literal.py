"""Soft votes and the two steps again, read aloud from the method, one image at a time.

Nothing is shared with steeple: lists, loops and ``sorted``. Sums that are compared are sums of two
float32 numbers in float32.
"""

from __future__ import annotations

import math
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


def spatial(
    ids: Sequence[int], scores: Sequence[float], inliers: Sequence[int], *, by_inliers: bool
) -> list[Pair]:
    """One query whose first images were verified: these by their sum, then the others."""
    first: list[tuple[int, np.float32]] = []
    for image, score, count in zip(ids, scores, inliers, strict=False):
        counted = np.float32(min(count, 70))
        value = counted if by_inliers else np.float32(score) + counted / np.float32(70)
        if image != -1:
            first.append((image, value))
    done = sorted(first, key=lambda pair: -pair[1])
    verified = min(len(inliers), len(ids))
    out = [(image, float(score)) for image, score in done]
    out += [(-1, -np.inf)] * (verified - len(out))
    return out + [
        (int(i), float(s)) for i, s in zip(ids[verified:], scores[verified:], strict=True)
    ]


def pair_odds(contrast: float, nats: float, model: tuple[float, float, float]) -> float:
    """a * sqrt(contrast) + b * min(surprise, 50) + c; the root keeps its sign, NaN is 0."""
    contrast = min(max(contrast, -100.0), 100.0)
    root = math.sqrt(contrast) if contrast > 0 else -math.sqrt(-contrast)
    verified = 0.0 if math.isnan(nats) else min(nats, 50.0)
    return model[0] * root + model[1] * verified + model[2]


def fused(
    image: int,
    nats: float,
    query: Pair,
    index: Sequence[Pair],
    contrast: float,
    model: tuple[float, float, float],
) -> float:
    """-ln(1 - P) of an index image: the pair fails, and so does the agreement of the votes."""
    label, probability = query
    odds = pair_odds(contrast, nats, model)
    agreement = 0.0
    if label != -1 and index[image][0] == label:
        agreement = min(probability * index[image][1], 1 - 1e-4)
    return float(np.logaddexp(0.0, odds) - np.log(1 - agreement))


def fuse(
    ids: Sequence[int],
    nats: Sequence[float],
    query: Pair,
    index: Sequence[Pair],
    contrasts: Sequence[float],
    model: tuple[float, float, float],
    ties: Sequence[float],
) -> list[Pair]:
    """One query: what is listed and what the votes add, all index images looked at in turn.

    Args:
        ids: the list.
        nats: of the first images of the list, as many as were verified; NaN is as good as 0.
        query: belief of the query.
        index: beliefs of all index images.
        contrasts: of the query to all index images.
        model: log-odds of a spread, of a nat, of an ordinary pair.
        ties: decides between equally likely images at insertion, of all index images.
    """
    width = len(ids)
    listed = [image for image in ids if image != -1]
    verified = dict(zip(ids, nats, strict=False))
    shows = [image for image in range(len(index)) if index[image][0] == query[0] != -1]
    lacking = [image for image in shows if image not in listed]
    lacking.sort(key=lambda image: (-index[image][1], -ties[image]))
    scored = []
    for image in listed + lacking[:width]:
        value = fused(image, verified.get(image, 0.0), query, index, contrasts[image], model)
        scored.append((image, value))
    scored.sort(key=lambda pair: -pair[1])
    return (scored + [(-1, -np.inf)] * width)[:width]
