"""How index images are searched for their own neighbours where the index is approximate."""

from __future__ import annotations

import logging

import numpy as np

from steeple.retrieval.approximate.effort import Effort
from steeple.retrieval.approximate.index import ApproximateIndex
from steeple.retrieval.descriptors import Descriptors, Search
from steeple.retrieval.neighbors import MEMORY
from steeple.retrieval.offline.graph import Told, nobody
from steeple.retrieval.types import Floats, Ranking

__all__ = ["RULE", "OwnSearch"]

_WANTED = 0.95  # of the exact neighbours of index images
_SAMPLE = 200  # index images that this is measured by

RULE = f"{_WANTED} of {_SAMPLE}"
"""What an effort depends on beside index, width and seed: part of the key of what is kept."""

_log = logging.getLogger(__name__)


class OwnSearch:
    """Searches an approximate index for the neighbours of its own images; a `Search`.

    An effort that finds the hundred images nearest to a query misses most of a neighbourhood of a
    thousand, and one that was tuned for the queries of the day makes what is kept depend on them.
    So each width has an effort of its own: the least by which a sample of index images finds 95 %
    of their exact neighbours. It follows from the index, the width and the seed, from nothing else.

    While it searches, the index has that effort; afterwards the one it had before. No other thread
    is to search the index in the meantime.

    Args:
        index: what is searched.
        exact: (N, D) the descriptors that it was built from.
        search: searches with whatever effort the index has; those that find too few find the rest.
        seed: of the sample.
        memory: bytes of work space.
        told: hears when the effort is looked for.
    """

    def __init__(
        self,
        index: ApproximateIndex,
        exact: Descriptors,
        search: Search,
        *,
        seed: int = 0,
        memory: int = MEMORY,
        told: Told = nobody,
    ) -> None:
        self._index, self._exact, self._search = index, exact, search
        self._seed, self._memory, self._told = seed, memory, told
        self._efforts: dict[int, Effort] = {}

    def __call__(self, queries: Floats, k: int) -> Ranking:
        """The k images nearest to each query, which is one of the index images.

        Args:
            queries: (Q, D) float32.
            k: how many, the image itself counted.

        Returns:
            Ranking of shape (Q, k).
        """
        others = max(1, min(k, len(self._index)) - 1)
        before = self._index.effort
        try:
            if others not in self._efforts:
                self._efforts[others] = self._tune(others)
            self._index.effort = self._efforts[others]
            return self._search(queries, k)
        finally:
            self._index.effort = before

    def _tune(self, k: int) -> Effort:
        """The effort by which index images find their k nearest others."""
        self._told("recall", 0, 1)
        images, random = len(self._index), np.random.default_rng(self._seed)
        own = np.sort(random.choice(images, min(_SAMPLE, images), replace=False))
        reached = self._index.tune(
            self._exact[own], k, exact=self._exact, wanted=_WANTED, own=own, memory=self._memory
        )
        self._told("recall", 1, 1)
        if reached < _WANTED:
            _log.warning(
                "%s finds %.1f %% of the %d nearest of an index image, however hard it looks; "
                "take another index, or search exactly, for a better graph",
                self._index.factory,
                100 * reached,
                k,
            )
        return self._index.effort
