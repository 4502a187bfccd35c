"""What a re-ranker is, and what it may use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from steeple.errors import InputError
from steeple.retrieval.contrast import Background
from steeple.retrieval.descriptors import Descriptors, Search
from steeple.retrieval.neighbors import MEMORY
from steeple.retrieval.offline.graph import IndexGraph
from steeple.retrieval.pairs import PairModel
from steeple.retrieval.types import PAD, Floats, Ids, Ranking, Votes

__all__ = [
    "Context",
    "Reranker",
    "Verified",
    "Verify",
    "check_images",
    "check_queries",
    "need_each",
    "similarity",
    "vote_scores",
]

_BLOCK = 256  # queries whose lists are gathered at a time: some 50 MB at k = 100


@dataclass(frozen=True)
class Context:
    """Whatever the caller has of what a re-ranker might need; the rest stays None.

    Args:
        queries: (Q, D) float32 descriptors of the queries.
        index: (N, D) float32 descriptors of the index: an array, a memory map, or a collection's.
        search: finds neighbours in the index.
        graph: the neighbours of index images among themselves, computed when asked for.
        query_votes: Q votes.
        index_votes: N votes.
        query_beliefs: Q votes whose scores are probabilities: what each query most likely shows.
        index_beliefs: N such votes; an image whose landmark was given has probability 1.
        evidence: (Q,) float32, the similarity of each query to the nearest training image, of
            those that were asked, that shows the landmark voted for; -inf where nobody voted.
        recognitions: Q votes, the paper's recognition: similarity and inliers of the nearest
            training images.
        verify: verifies queries against index images by their local features.
        pair_model: how likely a pair shows the same landmark.
        background: what similarity is ordinary for each query.
        memory: bytes of work space for whoever searches by itself.
        device: what multiplies then: ``cpu``, ``cuda`` or ``auto``.
    """

    queries: Floats | None = None
    index: Descriptors | None = None
    search: Search | None = None
    graph: IndexGraph | None = None
    query_votes: Votes | None = None
    index_votes: Votes | None = None
    query_beliefs: Votes | None = None
    index_beliefs: Votes | None = None
    evidence: Floats | None = None
    recognitions: Votes | None = None
    verify: Verify | None = None
    pair_model: PairModel | None = None
    background: Background | None = None
    memory: int = MEMORY
    device: str = "cpu"

    def need(self, part: str) -> Any:
        """A part that the caller must have given.

        Args:
            part: the name of a field.

        Raises:
            InputError: if it is None.
        """
        value = getattr(self, part)
        if value is None and part == "verify":
            raise InputError(
                "this re-ranker compares local features, and the collection or the queries have "
                "none; build the collection without --no-local-features and search with photos"
            )
        if value is None:
            raise InputError(
                f"this re-ranker needs {part.replace('_', ' ')}, which its context lacks; "
                f"give Context({part}=...)"
            )
        return value


class Verified(Protocol):
    """What verification found: arrays of one shape."""

    @property
    def inliers(self) -> npt.NDArray[np.int32]:
        """Matches that agree on one geometry."""

    @property
    def surprises(self) -> Floats:
        """How unlikely so many are by chance, in nats; NaN where nothing was verified."""


class Verify(Protocol):
    """Verifies queries against index images by their local features."""

    def __call__(self, ids: Ids, /) -> Verified:
        """(Q, n) index images, -1 pads, to (Q, n) inliers and surprises; 0 and NaN for pads."""

    def seen(self, ids: Ids, /) -> Verified:
        """The same, but 0 and NaN also for whatever was not verified before."""


class Reranker(Protocol):
    """Turns a ranking into a better one; re-rankers chain because in and out are the same."""

    def rerank(self, ranking: Ranking, context: Context) -> Ranking:
        """Re-ranks (Q, K) to (Q, K).

        Of what comes in, the order counts and not the scores: those of a search are similarities,
        those of another re-ranker whatever it ordered by. One that needs similarities computes
        them, with `similarity`.

        Args:
            ranking: (Q, K), best first; an image at most once in a list, -1 pads.
            context: has what this re-ranker needs.

        Returns:
            Ranking of shape (Q, K), best first and no image twice; where there are fewer than K,
            the pads stand last, as in what came in. The scores, float32, are what the re-ranker
            ordered by and descend, unless it says otherwise; -inf for pads. What came in is left
            as it is.

        Raises:
            InputError: if the context lacks what this re-ranker needs, or it does not fit the
                ranking.
        """


def need_each(ranking: Ranking, context: Context, *parts: str) -> tuple[Any, ...]:
    """Parts of a context that have an entry for every query, or one for every index image.

    Args:
        ranking: (Q, K), to be re-ranked.
        context: the caller's.
        parts: names of fields. Those called index_... have N entries, the others Q. How large N is
            the index says, or its graph; where the context has neither, it is what the part has.

    Returns:
        The parts, in that order.

    Raises:
        InputError: if one is missing, has more or fewer entries than it should, or none for an
            image of the ranking.
    """
    values = tuple(context.need(part) for part in parts)
    known = context.graph if context.index is None else context.index
    for part, value in zip(parts, values, strict=True):
        name = part.replace("_", " ")
        if not part.startswith("index_"):
            check_queries(ranking.ids, len(value), name)
            continue
        if known is not None and len(value) != len(known):
            raise InputError(f"{len(known)} index images need as many {name}, not {len(value)}")
        check_images(ranking.ids, len(value), name)
    return values


def check_queries(ids: Ids, entries: int, name: str) -> None:
    """Refuses what has not one entry for each query: NumPy would give a single one to all.

    Args:
        ids: (Q, K), the lists.
        entries: how many there are.
        name: of what.

    Raises:
        InputError: if there are not Q.
    """
    if entries != len(ids):
        raise InputError(f"{len(ids)} rankings need as many {name}, not {entries}")


def check_images(ids: Ids, entries: int, name: str) -> None:
    """Refuses lists that name an image of which there is no entry.

    Args:
        ids: (Q, K), positions in the index; -1 pads.
        entries: how many there are.
        name: of what.

    Raises:
        InputError: if a position is beyond them, or below -1.
    """
    highest, lowest = int(ids.max(initial=PAD)), int(ids.min(initial=PAD))
    if highest >= entries or lowest < PAD:
        wrong = highest if highest >= entries else lowest
        raise InputError(
            f"the ranking names index image {wrong}, but there are {name} for {entries} images"
        )


def vote_scores(ranking: Ranking, context: Context) -> Floats | None:
    """(N,) float32: the votes of the index, which decide between equal beliefs; None if unknown.

    Raises:
        InputError: if there is not one for each index image.
    """
    if context.index_votes is None:
        return None
    (votes,) = need_each(ranking, context, "index_votes")
    scores: Floats = votes.scores
    return scores


def similarity(ids: Ids, context: Context) -> Floats:
    """How similar index images are to the queries, whatever has ranked them.

    Costs K descriptors a query, read and multiplied: ten of 512 dimensions that lie in memory take
    some 0.03 ms, a hundred 0.3 ms.

    Args:
        ids: (Q, K) int64, positions in the index; -1 pads.
        context: with queries and index.

    Returns:
        (Q, K) float32, inner products; -inf for pads.

    Raises:
        InputError: if the context lacks queries or index, there are not Q queries, or the index
            lacks one of the images.
    """
    queries, index = context.need("queries"), context.need("index")
    check_queries(ids, len(queries), "queries")
    check_images(ids, len(index), "descriptors")
    out = np.full(ids.shape, -np.inf, dtype=np.float32)
    for start in range(0, len(ids) if len(index) else 0, _BLOCK):
        part = slice(start, start + _BLOCK)
        vectors = index[np.maximum(ids[part], 0)]
        out[part] = np.einsum("qkd,qd->qk", vectors, queries[part])
    out[ids == PAD] = -np.inf
    return out
