"""The metrics of landmark retrieval and recognition, one function each, as fractions 0 to 1."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from steeple.errors import InputError

__all__ = [
    "global_average_precision",
    "mean_average_precision",
    "mean_precision",
    "revisited",
]

Relevant = Mapping[str, Sequence[str] | None]
"""Query id -> ids of the index images that show its landmark."""

_NOTHING = frozenset({None, "", "None"})  # how the GLD-v2 files write "no image", "no landmark"


def mean_average_precision(
    predictions: Mapping[str, Sequence[str] | None], solution: Relevant, k: int = 100
) -> float:
    """Compute mAP@k of ranked lists, as the GLD-v2 retrieval challenge does.

        AP(q) = 1 / min(m_q, k) * sum over r = 1..k of P_q(r) * rel_q(r)
        mAP@k = mean of AP(q)

    m_q is the number of relevant images, rel_q(r) whether rank r holds one that no earlier rank
    holds, P_q(r) the relevant images among the first r ranks over r. An id that is repeated counts
    once, and its repeats occupy their ranks. (Weyand et al., "Google Landmarks Dataset v2",
    CVPR 2020, section 5.1, and its published evaluation code.)

    Args:
        predictions: query id -> image ids, best first. A query that is missing, or None, scores 0;
            one that the solution does not have is left out.
        solution: query id -> ids of all relevant images. Queries without any (an empty list, None,
            ``["None"]``) are left out.
        k: the ranks that count.

    Returns:
        mAP@k; 0 where the solution has no query to score.

    Raises:
        InputError: ``k`` is less than 1.
    """
    total, scored = 0.0, _scored(solution, k)
    for query, relevant in scored.items():
        hits = _first_hits(predictions.get(query), relevant, k)
        precisions = (found / rank for found, rank in enumerate(hits, start=1))
        total += sum(precisions) / min(len(relevant), k)
    return total / len(scored) if scored else 0.0


def mean_precision(
    predictions: Mapping[str, Sequence[str] | None], solution: Relevant, k: int
) -> float:
    """Compute mP@k: the share of the first k ranks that hold a relevant image, mean over queries.

        P(q) = 1 / k * sum over r = 1..k of rel_q(r)

    Arguments, the queries that count and repeated ids as in :func:`mean_average_precision`; a list
    shorter than k is still divided by k.

    Returns:
        mP@k; 0 where the solution has no query to score.

    Raises:
        InputError: ``k`` is less than 1.
    """
    scored = _scored(solution, k)
    total = sum(len(_first_hits(predictions.get(query), scored[query], k)) for query in scored)
    return total / (k * len(scored)) if scored else 0.0


def _scored(solution: Relevant, k: int) -> dict[str, set[str]]:
    if k < 1:
        raise InputError(f"the metric cannot be cut at rank {k}; give 1 or more")
    cleaned = {
        query: set(() if images is None else images) - _NOTHING
        for query, images in solution.items()
    }
    return {query: images for query, images in cleaned.items() if images}


def _first_hits(predicted: Sequence[str] | None, relevant: set[str], k: int) -> list[int]:
    """List the ranks (from 1) of the relevant images, each where it appears first."""
    if predicted is None:
        return []
    ranks: dict[str, int] = {}
    for rank, image in enumerate(predicted[:k], start=1):
        if image in relevant:
            ranks.setdefault(image, rank)
    return list(ranks.values())


def global_average_precision(
    predictions: Mapping[str, tuple[int | str | None, float] | None],
    solution: Mapping[str, Sequence[int | str] | None],
    ignore_non_landmarks: bool = False,
) -> float:
    """Compute GAP, the micro average precision of all predictions in one list.

        GAP = 1 / M * sum over i of P(i) * rel(i)

    i runs over the predictions of all queries by score descending, ties by query id ascending (and
    then by landmark, which cannot matter: a query has one prediction); rel(i) is whether prediction
    i is right, P(i) the share of right ones among the first i, M the number of queries that show a
    landmark. (Perronnin et al., CVPR 2009; the GLD-v2 recognition challenge.)

    Args:
        predictions: query id -> (landmark, score), higher is surer. A query that is missing, or
            None, has no prediction; one that the solution does not have is left out.
        solution: query id -> its landmarks; an empty list, None or ``["None"]`` where the query
            shows none. A landmark is the same as an integer and as a string of its digits.
        ignore_non_landmarks: leave out the predictions on queries that show no landmark, which
            otherwise count as wrong.

    Returns:
        GAP; 0 where no query shows a landmark.

    Raises:
        InputError: a score is not a number.
    """
    truth = {
        query: {str(landmark) for landmark in (() if landmarks is None else landmarks)} - _NOTHING
        for query, landmarks in solution.items()
    }
    expected = sum(1 for landmarks in truth.values() if landmarks)
    ordered: list[tuple[float, str, str]] = []
    for query, prediction in predictions.items():
        if prediction is None or query not in truth:
            continue
        landmark, score = prediction
        if math.isnan(score):
            raise InputError(f"the score of query {query} is not a number; leave it out")
        if landmark is not None and (truth[query] or not ignore_non_landmarks):
            ordered.append((-float(score), query, str(landmark)))
    total, right = 0.0, 0
    for rank, (_, query, landmark_id) in enumerate(sorted(ordered), start=1):
        if landmark_id in truth[query]:
            right += 1
            total += right / rank
    return total / expected if expected else 0.0


# Radenovic et al., "Revisiting Oxford and Paris", CVPR 2018, section 3.3: per protocol the labels
# that are right, and those that are neither right nor wrong.
_PROTOCOLS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "easy": (("easy",), ("junk", "hard")),
    "medium": (("easy", "hard"), ("junk",)),
    "hard": (("hard",), ("junk", "easy")),
}
_REVISITED_RANKS = (1, 5, 10)


def revisited(
    ranks: npt.NDArray[np.integer[Any]],
    ground_truth: Sequence[Mapping[str, Any]] | Mapping[str, Any],
) -> dict[str, dict[str, float]]:
    """Compute mAP and mP@1, @5, @10 of Revisited Oxford or Paris, in its three protocols.

    Junk is taken out of every ranking first. Then, with m positives in all, of which j come before
    the one at rank r (both from 0), and with L the rank of the last of them (from 1),

        AP = 1 / m * sum over positives of (j / r + (j + 1) / (r + 1)) / 2,   j / r = 1 at r = 0
        P@k = positives among the first min(k, L) ranks / min(k, L)

    and both are averaged over the queries that have a positive in the protocol. (Radenovic et al.,
    "Revisiting Oxford and Paris", CVPR 2018, and its published evaluation code.)

    Args:
        ranks: (N, Q) integers; column q holds the image indices for query q, best first. It may
            hold the best N only, and pads of -1 at its end.
        ground_truth: per query the lists ``easy``, ``hard`` and ``junk`` of image indices; or the
            published dictionary that has this list under ``gnd``.

    Returns:
        ``{"easy" | "medium" | "hard": {"map", "mp@1", "mp@5", "mp@10"}}``; 0 where a protocol has
        no query with a positive.

    Raises:
        InputError: the shapes differ, a list is missing, or a ranking has a positive twice.
    """
    queries = ground_truth["gnd"] if isinstance(ground_truth, Mapping) else ground_truth
    ranks = np.asarray(ranks)
    if ranks.ndim != 2 or ranks.shape[1] != len(queries) or ranks.dtype.kind not in "iu":
        raise InputError(
            f"ranks is {ranks.dtype} {ranks.shape}; give integers (N, {len(queries)}), "
            "one column for each query of the ground truth"
        )
    return {
        protocol: _revisited_protocol(ranks, queries, *labels)
        for protocol, labels in _PROTOCOLS.items()
    }


def _revisited_protocol(
    ranks: npt.NDArray[np.integer[Any]],
    queries: Sequence[Mapping[str, Any]],
    right: tuple[str, ...],
    neither: tuple[str, ...],
) -> dict[str, float]:
    rows = []
    for query, labels in enumerate(queries):
        positives, junk = _images(labels, right, query), _images(labels, neither, query)
        if not positives.size:
            continue
        column = ranks[:, query]
        column = column[~np.isin(column, junk)]
        hits = np.flatnonzero(np.isin(column, positives))
        if np.unique(column[hits]).size < hits.size:
            raise InputError(f"the ranking of query {query} has an image twice; name each once")
        average = _trapezoid_average_precision(hits, positives.size)
        rows.append([average, *(_precision_at(hits, k) for k in _REVISITED_RANKS)])
    means = np.mean(rows, axis=0) if rows else np.zeros(1 + len(_REVISITED_RANKS))
    names = ["map", *(f"mp@{k}" for k in _REVISITED_RANKS)]
    return {name: float(mean) for name, mean in zip(names, means, strict=True)}


def _images(labels: Mapping[str, Any], names: tuple[str, ...], query: int) -> npt.NDArray[np.int64]:
    try:
        lists = [np.asarray(labels[name], dtype=np.int64) for name in names]
    except KeyError as error:
        raise InputError(
            f"the ground truth of query {query} has no list {error}; "
            "give the file of Revisited Oxford or Paris"
        ) from error
    return np.unique(np.concatenate(lists))


def _trapezoid_average_precision(hits: npt.NDArray[np.intp], positives: int) -> float:
    found = np.arange(hits.size)
    before = np.where(hits == 0, 1.0, found / np.maximum(hits, 1))
    return float(np.sum(before + (found + 1) / (hits + 1)) / 2 / positives)


def _precision_at(hits: npt.NDArray[np.intp], k: int) -> float:
    if not hits.size:
        return 0.0
    cut = min(k, int(hits[-1]) + 1)
    return float(np.count_nonzero(hits < cut) / cut)
