"""What a re-ranker is, and what it may use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from steeple.errors import InputError
from steeple.retrieval.types import Floats, Ids, Ranking, Votes

__all__ = ["Context", "Descriptors", "Reranker", "Search"]

Search: TypeAlias = Callable[[Floats, int], Ranking]
"""The neighbours function: (Q, D) float32 descriptors and k to a Ranking over the index."""


@dataclass(frozen=True)
class Context:
    """Whatever the caller has of what a re-ranker might need; the rest stays None.

    Args:
        queries: (Q, D) float32 descriptors of the queries.
        index: (N, D) float32 descriptors of the index: an array, a memory map, or a collection's.
        search: finds neighbours in the index.
        query_votes: Q votes.
        index_votes: N votes.
        query_beliefs: Q votes whose scores are probabilities: what each query most likely shows.
        index_beliefs: N such votes; an image whose landmark was given has probability 1.
        evidence: (Q,) float32, the similarity of each query to the nearest training image that
            cast its vote; -inf where nobody voted.
    """

    queries: Floats | None = None
    index: Descriptors | None = None
    search: Search | None = None
    query_votes: Votes | None = None
    index_votes: Votes | None = None
    query_beliefs: Votes | None = None
    index_beliefs: Votes | None = None
    evidence: Floats | None = None

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


class Descriptors(Protocol):
    """The descriptors of an index, wherever they lie."""

    def __len__(self) -> int:
        """N, the number of images."""

    def __getitem__(self, ids: Ids, /) -> Floats:
        """Descriptors by position: ids of any shape to that shape + (D,), float32."""


class Reranker(Protocol):
    """Turns a ranking into a better one; re-rankers chain because in and out are the same."""

    def rerank(self, ranking: Ranking, context: Context) -> Ranking:
        """Re-ranks (Q, K) to (Q, K).

        Raises:
            InputError: if the context lacks what this re-ranker needs.
        """
