"""What a re-ranker is, and what it may use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from steeple.errors import InputError
from steeple.retrieval.contrast import Background
from steeple.retrieval.descriptors import Descriptors, Search
from steeple.retrieval.offline.graph import IndexGraph
from steeple.retrieval.pairs import PairModel
from steeple.retrieval.types import Floats, Ids, Ranking, Votes

__all__ = ["Context", "Reranker", "Verified", "Verify", "similarity"]

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

        Raises:
            InputError: if the context lacks what this re-ranker needs.
        """


def similarity(ids: Ids, context: Context) -> Floats:
    """How similar index images are to the queries.

    Args:
        ids: (Q, K) int64, positions in the index; -1 pads.
        context: with queries and index.

    Returns:
        (Q, K) float32, inner products; -inf for pads.

    Raises:
        InputError: if the context lacks queries or index.
    """
    queries, index = context.need("queries"), context.need("index")
    out = np.full(ids.shape, -np.inf, dtype=np.float32)
    for start in range(0, len(ids) if len(index) else 0, _BLOCK):
        part = slice(start, start + _BLOCK)
        vectors = index[np.maximum(ids[part], 0)]
        out[part] = np.einsum("qkd,qd->qk", vectors, queries[part])
    out[ids < 0] = -np.inf
    return out
