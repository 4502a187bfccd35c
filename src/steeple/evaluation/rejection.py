"""Saying "no known landmark": what that costs and what it saves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from steeple.errors import InputError

__all__ = ["THRESHOLDS", "RejectionPoint", "rejection_curve"]

THRESHOLDS = tuple(step / 20 for step in range(20))
"""Confidences at which the curve is read: 0, 0.05, ... 0.95."""

Answer = tuple[int | str | None, float]


@dataclass(frozen=True)
class RejectionPoint:
    """What happens if only predictions above a confidence are given.

    Args:
        threshold: the confidence.
        right: of the queries that show a landmark, the share named rightly.
        wrong: of these, the share named wrongly; the rest is not named.
        false_alarms: of the queries that show none, the share named all the same.
    """

    threshold: float
    right: float
    wrong: float
    false_alarms: float

    def to_dict(self) -> dict[str, float]:
        """The same as a dictionary, ready for JSON."""
        return asdict(self)


def rejection_curve(
    predictions: Mapping[str, Answer | None],
    solution: Mapping[str, Sequence[int | str]],
    thresholds: Sequence[float] = THRESHOLDS,
) -> list[RejectionPoint]:
    """How naming and keeping silent trade off.

    Args:
        predictions: query id -> (landmark, confidence). A query that is missing, or None, is never
            named; one that the solution does not have is left out.
        solution: query id -> its landmarks, empty where it shows none.
        thresholds: confidences that a prediction must exceed to be given.

    Returns:
        One point per threshold; shares of no queries at all are 0.

    Raises:
        InputError: if there is no query.
    """
    if not solution:
        raise InputError("a rejection curve needs at least one query with a solution")
    known = {query: landmarks for query, landmarks in solution.items() if landmarks}
    unknown = [query for query, landmarks in solution.items() if not landmarks]
    points = []
    for threshold in thresholds:
        given = {
            query: answer[0]
            for query, answer in predictions.items()
            if answer is not None and answer[1] > threshold and answer[0] is not None
        }
        right = sum(
            given[query] in landmarks for query, landmarks in known.items() if query in given
        )
        named = sum(query in given for query in known)
        alarms = sum(query in given for query in unknown)
        points.append(
            RejectionPoint(
                threshold,
                right / max(1, len(known)),
                (named - right) / max(1, len(known)),
                alarms / max(1, len(unknown)),
            )
        )
    return points
