"""Re-ranking by verification: what fits together geometrically comes first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from steeple.retrieval.reranking.base import Context
from steeple.retrieval.types import PAD, Ranking

__all__ = ["ENOUGH", "Spatial"]

ENOUGH = 70
"""Inliers beyond which more say nothing more (the recognition of the paper)."""


@dataclass(frozen=True)
class Spatial:
    """Re-orders the first images of a list by similarity + min(inliers, 70) / 70, or by inliers.

    The sum is how the paper's recognition scores training images (method 7 of the recipe); here
    it orders the index. Costs one verification an image, some 2 ms on one core. It helps most
    where a landmark has one face that all photos show, facades and statues; it cannot tell apart
    what shares no detail with the query, and leaves that in the old order.

    Args:
        n: images verified, from the top of the list; the others follow in their old order.
        by_inliers: order by inliers alone; ties stay in the old order.
    """

    n: int = 100
    by_inliers: bool = False

    def rerank(self, ranking: Ranking, context: Context) -> Ranking:
        """Re-ranks with the verification of the context.

        Raises:
            InputError: if the context cannot verify.
        """
        verify = context.need("verify")
        ids, scores = ranking.ids[:, : self.n], ranking.scores[:, : self.n]
        inliers = np.minimum(verify(ids).inliers, ENOUGH).astype(np.float32)
        score = inliers if self.by_inliers else scores + inliers / ENOUGH
        score = np.where(ids == PAD, np.float32(-np.inf), score)
        order = np.argsort(-score, axis=1, kind="stable")
        first = Ranking(np.take_along_axis(ids, order, 1), np.take_along_axis(score, order, 1))
        return Ranking(
            np.concatenate([first.ids, ranking.ids[:, self.n :]], axis=1),
            np.concatenate([first.scores, ranking.scores[:, self.n :]], axis=1),
        )
