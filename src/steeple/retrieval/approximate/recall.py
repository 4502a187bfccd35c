"""How much of the exact neighbours an approximate search finds."""

from __future__ import annotations

import numpy as np

from steeple.errors import InputError
from steeple.retrieval.types import PAD, Ranking

__all__ = ["recall"]


def recall(found: Ranking, exact: Ranking) -> float:
    """The share of the exact neighbours that were found: recall@k, k the width of `exact`.

    recall = (1/Q) * sum over queries of |right| / |exact|. Of the first k found, an image is right
    if it is among the exact ones, or if it scores at least as much as the last of those: which of
    equals come first is a matter of position, and no image is better than another for it. An image
    found twice counts once, so a query never has more right than exact ones.

    Args:
        found: (Q, K) what was found; the scores are exact inner products.
        exact: (Q, k) the neighbours by exact search; -1 pads count for nothing.

    Returns:
        Between 0 and 1; 1 where there is nothing to find.

    Raises:
        InputError: if the two are of different queries.
    """
    if len(found) != len(exact):
        raise InputError(
            f"recall compares rankings of the same queries, not of {len(found)} and {len(exact)}"
        )
    shares = []
    for row in range(len(exact)):
        real = exact.ids[row] != PAD
        if not real.any():
            continue
        last = exact.scores[row][real].min()
        ids, places = np.unique(found.ids[row, : exact.ids.shape[1]], return_index=True)
        right = np.isin(ids, exact.ids[row]) | (found.scores[row, places] >= last)
        shares.append(min(int((right & (ids != PAD)).sum()), int(real.sum())) / real.sum())
    return float(np.mean(shares)) if shares else 1.0
