"""Diffusion: similarity that travels from image to image, computed before any query comes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from steeple.errors import InputError
from steeple.retrieval.offline.diffusing import Edges, diffuse, spread
from steeple.retrieval.reranking.base import Context, similarity
from steeple.retrieval.types import Ranking

__all__ = ["Diffusion"]


@dataclass(frozen=True)
class Diffusion:
    """Ranks by the sum over the first kq images j of the list of max(similarity, 0)^gamma * f_j.

    f_j is the diffusion from index image j, computed once for an index: f_j solves
    (I - alpha S) f = e_j among the `truncate` nearest images of j, by conjugate gradients
    (tolerance 1e-6, 20 steps). S = D^-1/2 A D^-1/2, A_ij = max(similarity, 0)^gamma where i and j
    are among each other's kd nearest images (each counts itself as one of them), 0 elsewhere.

    Source: Yang et al., "Efficient Image Retrieval via Decoupling Diffusion into Online and Offline
    Processing", AAAI 2019; the counting of kd and truncate is that of its public code.

    Cost: offline the `truncate` nearest images of every index image, and a small linear system for
    each (some 0.3 ms); 8 * truncate bytes an image are kept. Online kq descriptors are compared
    with the query and kq rows added up, well below a millisecond. Helps where views of a landmark
    form chains, each close to the next though the ends share nothing. Harms where chains lead from
    one landmark to another.

    The similarities are those of query and image, computed here: in a chain the list may have been
    ordered by something else, which decides where diffusion starts, but not how strongly. Images
    that nothing arrives at follow in their old order with score 0.

    Args:
        kq: images of the list, from its top, that diffusion starts from.
        kd: neighbours of an index image that may become edges.
        truncate: images that diffusion from one image may reach.
        alpha: how far diffusion goes, below 1.
        gamma: how fast an edge fades with similarity.

    Raises:
        InputError: if one of them is out of its range.
    """

    kq: int = 10
    kd: int = 50
    truncate: int = 1000
    alpha: float = 0.99
    gamma: float = 3.0
    finds: ClassVar[bool] = True
    """The result is what diffusion finds, not the list in another order."""

    def __post_init__(self) -> None:
        for name in ("kq", "kd", "truncate"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if not 0 <= self.alpha < 1:
            raise InputError(f"alpha is {self.alpha}; it must be at least 0 and less than 1")
        if not 0 <= self.gamma < math.inf:
            raise InputError(f"gamma is {self.gamma}; it must be a number of at least 0")

    def rerank(self, ranking: Ranking, context: Context) -> Ranking:
        """Re-ranks with graph, queries and index; the first time this takes long.

        Returns:
            (Q, K) by what arrives at each image, from anywhere in the index.

        Raises:
            InputError: if the context lacks one of them, or it does not fit the ranking.
        """
        graph, start = context.need("graph"), self._start(ranking, context)
        return spread(start, diffuse(graph, "diffusion", self._edges()), ranking)

    def _edges(self) -> Edges:
        return Edges(kd=self.kd, truncate=self.truncate, alpha=self.alpha, gamma=self.gamma)

    def _start(self, ranking: Ranking, context: Context) -> Ranking:
        """(Q, min(kq, K)) the images that diffusion starts from, and their weights; 0 for pads."""
        ids = ranking.ids[:, : self.kq]
        near = similarity(ids, context)
        usable = near > 0  # that of a pad is -inf
        return Ranking(ids, np.where(usable, near, 0) ** np.float32(self.gamma) * usable)
