"""Alpha query expansion: the query, enriched by what it found, searches again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from steeple.retrieval.reranking.base import Context
from steeple.retrieval.types import PAD, Ranking

__all__ = ["QueryExpansion"]

_BLOCK = 512  # queries whose neighbours are gathered at a time


@dataclass(frozen=True)
class QueryExpansion:
    """q' = normalise(q + sum over the top n of max(similarity, 0)^alpha * x), then k-NN again.

    Source: Radenovic et al., "Fine-tuning CNN image retrieval with no human annotation", TPAMI
    2019; alpha = 0 is the average query expansion of Chum et al., ICCV 2007. Costs a second
    search. Helps where the top of the list is right, harms where it is not.

    Args:
        alpha: how fast a neighbour's weight falls with its similarity.
        n: neighbours that join the query.
    """

    alpha: float = 3.0
    n: int = 10

    def rerank(self, ranking: Ranking, context: Context) -> Ranking:
        """Searches again with the expanded queries; needs queries, index and search.

        Raises:
            InputError: if the context lacks one of them.
        """
        queries, index = context.need("queries"), context.need("index")
        search = context.need("search")
        expanded = np.empty_like(queries)
        for start in range(0, len(queries), _BLOCK):
            part = slice(start, start + _BLOCK)
            ids, scores = ranking.ids[part, : self.n], ranking.scores[part, : self.n]
            weights = np.where(ids == PAD, 0, np.maximum(scores, 0) ** self.alpha)
            weights = weights.astype(np.float32)
            if len(index):
                expanded[part] = np.einsum("qn,qnd->qd", weights, index[ids]) + queries[part]
            else:
                expanded[part] = queries[part]
        expanded /= np.maximum(np.linalg.norm(expanded, axis=1, keepdims=True), 1e-12)
        found: Ranking = search(expanded, ranking.ids.shape[1])
        return found
