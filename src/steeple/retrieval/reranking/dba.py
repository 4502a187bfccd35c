"""Database-side augmentation: every index image is enriched by what is near it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from steeple.errors import InputError
from steeple.retrieval.neighbors import search_neighbors
from steeple.retrieval.offline.graph import IndexGraph
from steeple.retrieval.offline.shelf import Arrays, spell
from steeple.retrieval.reranking.base import Context
from steeple.retrieval.reranking.query_expansion import expand
from steeple.retrieval.types import PAD, Floats, Ranking

__all__ = ["DatabaseAugmentation"]

_BLOCK = 4096  # images augmented at a time: 8 MB at 512 dimensions


@dataclass(frozen=True)
class DatabaseAugmentation:
    """x' = normalise(x + sum over its n nearest index images of max(similarity, 0)^alpha * x_n).

    The query, as it is, then searches among the x', exactly.

    Source: Turcot and Lowe, "Better matching with fewer features", ICCV workshops 2009, who join
    what was verified; Arandjelovic and Zisserman, "Three things everyone should know to improve
    object retrieval", CVPR 2012, section 5. The weights are those of `QueryExpansion`.

    Cost: offline the neighbours of every index image, and n + 1 descriptors read for each. The
    augmented descriptors are kept, as large as the index itself: computed anew, they would have
    every search read n + 1 descriptors an image instead of one. Online one search. Helps where
    index images have neighbours of the same landmark; harms those that have none, which move
    towards others.

    Of the list it gets only the width counts. In a chain, `dba,aqe` lets what was found among the
    augmented descriptors join the query, which then searches the index as it is; `aqe,dba` does
    what `dba` does.

    Args:
        alpha: how fast a neighbour's weight falls with its similarity, at least 0; as in
            `QueryExpansion`, 0 lets every neighbour count alike.
        n: neighbours that join an index image, at least 1.

    Raises:
        InputError: if alpha is no number of at least 0, or n < 1.
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
        """Searches the augmented index; needs queries and graph.

        Returns:
            (Q, K) the nearest among the augmented images, with their similarities to them.

        Raises:
            InputError: if the context lacks one of them.
        """
        queries, graph = context.need("queries"), context.need("graph")
        augmented = self._augmented(graph, queries.shape[1])
        return search_neighbors(
            queries,
            augmented,
            ranking.ids.shape[1],
            memory=context.memory,
            device=context.device,
        )

    def _augmented(self, graph: IndexGraph, dimension: int) -> Floats:
        """(N, D) float32: the index, augmented; computed once."""
        n = max(1, min(self.n, len(graph) - 1))  # no more than there are
        near = graph.neighbours(n)

        def fill(arrays: Arrays) -> None:
            for start in range(0, len(graph), _BLOCK):
                own = np.arange(start, min(start + _BLOCK, len(graph)), dtype=np.int64)
                ids, scores = near.ids[own], near.scores[own]
                weights = np.where(ids == PAD, 0, np.maximum(scores, 0) ** self.alpha)
                images = np.asarray(graph.index[own], dtype=np.float32)
                weights = weights.astype(np.float32)
                arrays["descriptors"][own] = expand(images, graph.index, ids, weights)
                graph.told("dba", int(own[-1]) + 1, len(graph))

        layout = {"descriptors": ((len(graph), dimension), "float32")}
        return graph.shelf.once(f"dba-{spell(self.alpha)}-{n}", layout, fill)["descriptors"]
