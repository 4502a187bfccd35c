"""Re-ranking by verification: what fits together geometrically comes first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from steeple.errors import InputError
from steeple.retrieval.reranking.base import Context, similarity
from steeple.retrieval.types import PAD, Ranking

__all__ = ["ENOUGH", "Spatial"]

ENOUGH = 70
"""Inliers beyond which more say nothing more (the recognition of the paper)."""


@dataclass(frozen=True)
class Spatial:
    """Re-orders the first n images of a list by similarity + min(inliers, 70) / 70, or by inliers.

    The similarity is that of query and image, computed here: in a chain the list may have been
    ordered by something else. By inliers alone none is needed. At ties the old order stays.

    Source: Philbin et al., "Object retrieval with large vocabularies and fast spatial matching",
    CVPR 2007, who verify the top of the list and put first what fits. The sum is how Yokoo et al.,
    CVPRW 2020, section 5, score the training images that recognise a query; here it orders the
    index.

    Costs one verification an image, some 2 ms on one core, and n descriptors a query. Helps most
    where a landmark has one face that all photos show, facades and statues. It cannot tell apart
    what shares no detail with the query, which stands in order of similarity (by inliers: in its
    old order). Harms where different landmarks share details: one poster, one kind of window.

    Args:
        n: images verified, from the top of the list, at least 1; the others follow as they were.
        by_inliers: order by inliers alone.

    Raises:
        InputError: if n < 1.
    """

    n: int = 100
    by_inliers: bool = False

    def __post_init__(self) -> None:
        if self.n < 1:
            raise InputError(f"n is {self.n}; it must be at least 1")

    def rerank(self, ranking: Ranking, context: Context) -> Ranking:
        """Re-ranks with the verification of the context, and with queries and index for the sum.

        Returns:
            (Q, K) the same images; behind the first n, those not verified keep order and scores,
            which compare with nothing before them.

        Raises:
            InputError: if the context cannot verify, or lacks queries or index where they are
                needed, or they do not fit the ranking.
        """
        verify = context.need("verify")
        ids = ranking.ids[:, : self.n]
        near = None if self.by_inliers else similarity(ids, context)
        inliers = np.minimum(verify(ids).inliers, ENOUGH).astype(np.float32)
        score = inliers if near is None else near + inliers / ENOUGH
        score = np.where(ids == PAD, np.float32(-np.inf), score)
        order = np.argsort(-score, axis=1, kind="stable")
        first = Ranking(np.take_along_axis(ids, order, 1), np.take_along_axis(score, order, 1))
        return Ranking(
            np.concatenate([first.ids, ranking.ids[:, self.n :]], axis=1),
            np.concatenate([first.scores, ranking.scores[:, self.n :]], axis=1),
        )
