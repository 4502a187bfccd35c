"""What a search answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, overload

from steeple.retrieval.origins import Origin

__all__ = ["Hit", "Hits", "Recognition"]


@dataclass(frozen=True)
class Hit:
    """One image that was found.

    Args:
        id: the image.
        score: inner product with the query.
        origin: ``retrieved``, ``sorted`` (moved ahead by the sort-step) or ``inserted``.
        landmark: what it shows: the given landmark or else the voted one; None if neither is
            known well enough.
        probability: how likely that landmark is right, 0..1; 1 if it was given.
        rank: its place in the order of the last search, from 0; None if the search did not have it.
        path: where the photo lies.
    """

    id: str
    score: float
    origin: Origin
    landmark: str | None
    probability: float
    rank: int | None
    path: str


@dataclass(frozen=True)
class Recognition:
    """What a photo shows.

    Args:
        landmark: the landmark; None where the photo shows no known landmark.
        confidence: how likely the best guess is right, 0..1.
    """

    landmark: str | None
    confidence: float


@dataclass(frozen=True)
class Hits(Sequence[Hit]):
    """The answer to one query: the images found, best first, and what the photo shows.

    Args:
        hits: the images.
        landmark: the landmark of the query; None where the photo shows no known landmark.
        confidence: how likely the best guess is right, 0..1, also where it is too unlikely to be
            given as `landmark`; 0 where nobody voted.
    """

    hits: tuple[Hit, ...]
    landmark: str | None
    confidence: float

    def __len__(self) -> int:
        """How many images were found."""
        return len(self.hits)

    @overload
    def __getitem__(self, place: int) -> Hit: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Hit, ...]: ...
    def __getitem__(self, place: int | slice) -> Hit | tuple[Hit, ...]:
        """The hit, or hits, at a place."""
        return self.hits[place]

    def to_dict(self) -> dict[str, Any]:
        """The same as plain dictionaries and lists, ready for JSON."""
        return {
            "landmark": self.landmark,
            "confidence": self.confidence,
            "hits": [asdict(hit) for hit in self.hits],
        }
