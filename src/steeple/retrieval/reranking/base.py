"""What a re-ranker is, and what it may use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from steeple.errors import InputError
from steeple.retrieval.types import Floats, Ranking, Votes

__all__ = ["Context", "Reranker", "Search"]

Search: TypeAlias = Callable[[Floats, int], Ranking]
"""The neighbours function: (Q, D) float32 descriptors and k to a Ranking over the index."""


@dataclass(frozen=True)
class Context:
    """Whatever the caller has of what a re-ranker might need; the rest stays None.

    Args:
        queries: (Q, D) float32 descriptors of the queries.
        index: (N, D) float32 descriptors of the index, an array or a memory map.
        search: finds neighbours in the index.
        query_votes: Q votes.
        index_votes: N votes.
        query_probabilities: (Q,) float32, how likely each query's vote is right, 0..1.
        index_probabilities: (N,) float32, how likely each index image's vote is right, 0..1.
    """

    queries: Floats | None = None
    index: Floats | None = None
    search: Search | None = None
    query_votes: Votes | None = None
    index_votes: Votes | None = None
    query_probabilities: Floats | None = None
    index_probabilities: Floats | None = None

    def need(self, part: str) -> Any:
        """A part that the caller must have given.

        Args:
            part: the name of a field.

        Raises:
            InputError: if it is None.
        """
        value = getattr(self, part)
        if value is None:
            raise InputError(
                f"this re-ranker needs {part.replace('_', ' ')}, which its context lacks; "
                f"give Context({part}=...)"
            )
        return value


class Reranker(Protocol):
    """Turns a ranking into a better one; re-rankers chain because in and out are the same."""

    def rerank(self, ranking: Ranking, context: Context) -> Ranking:
        """Re-ranks (Q, K) to (Q, K).

        Raises:
            InputError: if the context lacks what this re-ranker needs.
        """
