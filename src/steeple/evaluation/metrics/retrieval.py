"""The metrics of ranked lists in GLD-v2, one function each, as fractions 0 to 1, or as ranks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, median
from typing import TypeAlias

from steeple.errors import InputError

__all__ = [
    "NOTHING",
    "Relevant",
    "mean_average_precision",
    "mean_position",
    "mean_precision",
    "median_position",
]

Relevant: TypeAlias = Mapping[str, Sequence[str] | None]
"""Query id -> ids of the index images that show its landmark."""

NOTHING = frozenset({None, "", "None"})
"""How the GLD-v2 files write "no image" and "no landmark"."""


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


def mean_position(
    predictions: Mapping[str, Sequence[str] | None], solution: Relevant, k: int = 100
) -> float:
    """Compute the mean rank of the first relevant image.

        position(q) = min { r : rel_q(r) = 1, r <= k },  k + 1 where there is none

    Arguments and the queries that count as in :func:`mean_average_precision`. (Weyand et al.,
    "Google Landmarks Dataset v2", CVPR 2020, its published evaluation code.)

    Returns:
        The mean over the queries, 1 to k + 1, less is better; 0 where the solution has no query to
        score.

    Raises:
        InputError: ``k`` is less than 1.
    """
    positions = _positions(predictions, solution, k)
    return fmean(positions) if positions else 0.0


def median_position(
    predictions: Mapping[str, Sequence[str] | None], solution: Relevant, k: int = 100
) -> float:
    """Compute the median of what :func:`mean_position` takes the mean of.

    Returns:
        The median over the queries, 1 to k + 1, between the two in the middle where their number
        is even; 0 where the solution has no query to score.

    Raises:
        InputError: ``k`` is less than 1.
    """
    positions = _positions(predictions, solution, k)
    return float(median(positions)) if positions else 0.0


def _positions(
    predictions: Mapping[str, Sequence[str] | None], solution: Relevant, k: int
) -> list[int]:
    return [
        min(_first_hits(predictions.get(query), relevant, k), default=k + 1)
        for query, relevant in _scored(solution, k).items()
    ]


def _scored(solution: Relevant, k: int) -> dict[str, set[str]]:
    if k < 1:
        raise InputError(f"the metric cannot be cut at rank {k}; give 1 or more")
    cleaned = {
        query: set(() if images is None else images) - NOTHING for query, images in solution.items()
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
