"""The metrics of recognition, one function each, as fractions 0 to 1."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from steeple.errors import InputError
from steeple.evaluation.metrics.retrieval import NOTHING

__all__ = ["global_average_precision", "top_1_accuracy"]

Predictions: TypeAlias = Mapping[str, tuple[int | str | None, float] | None]
"""Query id -> (landmark, score), or None."""

Shown: TypeAlias = Mapping[str, Sequence[int | str] | None]
"""Query id -> the landmarks that it shows."""


def global_average_precision(
    predictions: Predictions,
    solution: Shown,
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
    truth = _truth(solution)
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


def top_1_accuracy(predictions: Predictions, solution: Shown) -> float:
    """Compute the share of the queries with a landmark whose prediction is right.

        accuracy = 1 / M * sum over the M queries that show a landmark of rel(q)

    rel(q) is whether the prediction of query q is one of its landmarks; scores do not matter, nor
    do queries that show none. Arguments as in :func:`global_average_precision`. (The accuracy of
    image classification: the first answer counts.)

    Returns:
        The accuracy; 0 where no query shows a landmark.
    """
    shown = {query: landmarks for query, landmarks in _truth(solution).items() if landmarks}
    right = 0
    for query, landmarks in shown.items():
        prediction = predictions.get(query)
        right += prediction is not None and str(prediction[0]) in landmarks
    return right / len(shown) if shown else 0.0


def _truth(solution: Shown) -> dict[str, set[str]]:
    return {
        query: {str(landmark) for landmark in (() if landmarks is None else landmarks)} - NOTHING
        for query, landmarks in solution.items()
    }
