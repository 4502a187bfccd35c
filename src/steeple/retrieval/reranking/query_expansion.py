"""Alpha query expansion: the query, enriched by what it found, searches again."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from steeple.errors import InputError
from steeple.retrieval.descriptors import Descriptors
from steeple.retrieval.reranking.base import Context, similarity
from steeple.retrieval.types import PAD, Floats, Ids, Ranking

__all__ = ["QueryExpansion", "expand"]

_BLOCK = 128  # queries whose neighbours are gathered at a time: 26 MB for a hundred each


@dataclass(frozen=True)
class QueryExpansion:
    """q' = normalise(q + sum over the first n of max(q . x, 0)^alpha * x), then k-NN again.

    Source: Radenovic et al., "Fine-tuning CNN image retrieval with no human annotation", TPAMI
    2019, section 5. With alpha = 0 every neighbour weighs 1, those of similarity 0 or below too:
    the average query expansion of Chum et al., "Total recall", ICCV 2007, whose sum over n + 1
    descriptors differs from their mean by a factor that the normalisation takes away. With
    alpha > 0 a neighbour of similarity 0 or below weighs nothing.

    The similarity is that of query and image, computed here: in a chain the list may have been
    ordered by something else, which decides who joins, but not by how much.

    Costs n descriptors a query, read once for their weights and once for the sum, and a second
    search. Helps where the top of the list is right, and harms where it is not: with a small n it
    trusts less, with a large alpha it trusts the nearest.

    Args:
        alpha: how fast a neighbour's weight falls with its similarity, at least 0.
        n: neighbours that join the query, at least 1.

    Raises:
        InputError: if alpha is negative or not finite, or n < 1.
    """

    alpha: float = 3.0
    n: int = 10
    finds: ClassVar[bool] = True
    """The result is what a search finds, not the list in another order."""

    def __post_init__(self) -> None:
        if not 0 <= self.alpha < math.inf:
            raise InputError(f"alpha is {self.alpha}; it must be a number of at least 0")
        if self.n < 1:
            raise InputError(f"n is {self.n}; it must be at least 1")

    def rerank(self, ranking: Ranking, context: Context) -> Ranking:
        """Searches again with the expanded queries; needs queries, index and search.

        Returns:
            (Q, K) the nearest to q', with their similarities to it.

        Raises:
            InputError: if the context lacks one of them, or it does not fit the ranking.
        """
        queries, index = context.need("queries"), context.need("index")
        search = context.need("search")
        ids = ranking.ids[:, : self.n]
        near = np.maximum(similarity(ids, context), 0)
        weights = np.where(ids == PAD, 0, near**self.alpha).astype(np.float32)
        found: Ranking = search(expand(queries, index, ids, weights), ranking.ids.shape[1])
        return found


def expand(queries: Floats, index: Descriptors, ids: Ids, weights: Floats) -> Floats:
    """normalise(q + sum of weight * x) for every query.

    Args:
        queries: (Q, D) float32.
        index: (N, D) descriptors; only those of a weight other than 0 are read.
        ids: (Q, n) int64, positions in the index.
        weights: (Q, n) float32; 0 where the id is a pad.

    Returns:
        (Q, D) float32, L2-normalised; zeros where the sum is zero.
    """
    from scipy.sparse import csr_array

    out = np.array(queries, dtype=np.float32)
    for start in range(0, len(out), _BLOCK):
        part = slice(start, start + _BLOCK)
        query, column = np.nonzero(weights[part])
        if not len(query):
            continue
        vectors = np.asarray(index[ids[part][query, column]], dtype=np.float32)
        shape = (len(out[part]), len(query))
        ends = np.searchsorted(query, np.arange(shape[0] + 1))
        weight = weights[part][query, column]
        out[part] += csr_array((weight, np.arange(len(query)), ends), shape=shape) @ vectors
    out /= np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)
    return out
