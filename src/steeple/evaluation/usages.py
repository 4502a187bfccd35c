"""The parts of GLD-v2's challenges: every figure is given for each of them, and for both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

__all__ = ["Solution", "by_usage"]

Solution: TypeAlias = Mapping[str, Sequence[str]]
"""Query id -> what is right: relevant images, or landmarks."""

_USAGES = {"public": ("Public",), "private": ("Private",), "all": ("Public", "Private")}


def by_usage(solution: Solution, usage: Mapping[str, str]) -> dict[str, Solution | None]:
    """The parts of a solution.

    Args:
        solution: what is right.
        usage: query id -> ``Public``, ``Private``, or ``Ignored``, which is in no part.

    Returns:
        ``public``, ``private``, ``all``; None where there is nothing right among the queries.
    """
    parts: dict[str, Solution | None] = {}
    for part, usages in _USAGES.items():
        some = {query: right for query, right in solution.items() if usage[query] in usages}
        parts[part] = some if any(some.values()) else None
    return parts
