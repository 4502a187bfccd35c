"""What a search answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, overload

from steeple.errors import InputError
from steeple.retrieval.origins import Origin

if TYPE_CHECKING:
    from steeple.collection.explaining import Explanation

__all__ = ["Hit", "Hits", "Recognition"]


@dataclass(frozen=True)
class Hit:
    """One image that was found.

    Args:
        id: the image.
        score: inner product with the query.
        origin: ``retrieved``, ``sorted`` (moved ahead by the re-ranker) or ``inserted``.
        landmark: what it shows: the given landmark or else the voted one; None if neither is
            known well enough.
        probability: how likely that landmark is right, 0..1; 1 if it was given.
        rank: its place in the order of the last search, from 0; None if the search did not have it.
        path: where the photo lies.
        inliers: how many local features match those of the query in one geometry; None if the
            search did not verify this image.
        surprise: how unlikely so many inliers are by chance, in nats; None likewise.
    """

    id: str
    score: float
    origin: Origin
    landmark: str | None
    probability: float
    rank: int | None
    path: str
    inliers: int | None = None
    surprise: float | None = None
    _explainer: Callable[[Hit], Explanation] | None = field(default=None, repr=False, compare=False)

    def explain(self) -> Explanation:
        """Why this image was found: similarity, votes, inliers, and a picture of what matches.

        Computed when it is asked for, in a few milliseconds, from what the collection has on disk.

        Raises:
            InputError: if this hit does not come from the search of a collection, or was copied.
        """
        if self._explainer is None:
            raise InputError(
                f"hit {self.id!r} cannot be explained, as it does not come straight from the "
                "search of a collection; search again and call explain() on what comes back"
            )
        return self._explainer(self)

    def to_dict(self) -> dict[str, Any]:
        """The same as a plain dictionary, ready for JSON."""
        names = (of.name for of in fields(self) if not of.name.startswith("_"))
        return {name: getattr(self, name) for name in names}

    def __getstate__(self) -> dict[str, Any]:
        # What explains holds the collection's open files, which neither pickle nor copy.
        return self.__dict__ | {"_explainer": None}


@dataclass(frozen=True)
class Recognition:
    """What a photo shows.

    Args:
        landmark: the landmark; None where the photo shows no known landmark.
        confidence: how likely the best guess is right, 0..1.
        distractor: whether this landmark was named for so many photos of a batch that it is taken
            for something that looks like everything; only where that was asked for.
    """

    landmark: str | None
    confidence: float
    distractor: bool = False


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
            "hits": [hit.to_dict() for hit in self.hits],
        }
