"""Approximate neighbours: candidates from a FAISS index, scores from the descriptors.

The index answers quickly and roughly; what it names is looked up in the descriptors themselves,
which may lie on disk, and scored exactly. So every score is an inner product, whatever the index.
"""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from steeple.errors import InputError
from steeple.retrieval.approximate.effort import Effort, least_effort
from steeple.retrieval.approximate.filling import BUILD_MEMORY, fill_index
from steeple.retrieval.approximate.knob import Knob
from steeple.retrieval.approximate.recall import recall
from steeple.retrieval.descriptors import Descriptors
from steeple.retrieval.leaving_out import without_self
from steeple.retrieval.neighbors import (
    MEMORY,
    as_descriptors,
    blocks_of,
    empty_ranking,
    search_blocks,
)
from steeple.retrieval.offline.graph import Told
from steeple.retrieval.rescoring import rescore
from steeple.retrieval.types import Floats, Ids, Ranking
from steeple.threads import threads_for

__all__ = ["ApproximateIndex"]


class ApproximateIndex:
    """A FAISS index of the images at positions 0 to N - 1, and how hard it is searched.

    Several threads may search it. A search keeps the effort that it began with, whatever is tuned
    meanwhile.

    Args:
        index: the FAISS index, which `faiss.write_index` stores.
        factory: the name it was made by.
        effort: how hard to look; None takes a sensible default.
    """

    def __init__(self, index: Any, factory: str, effort: Effort | None = None) -> None:
        self.index = index
        self.factory = factory
        self._knob = Knob(index)
        self.effort = Effort() if effort is None else effort

    def __len__(self) -> int:
        """N, the number of images."""
        return int(self.index.ntotal)

    @property
    def effort(self) -> Effort:
        """How hard searches look."""
        return self._effort

    @effort.setter
    def effort(self, effort: Effort) -> None:
        """For the searches to come."""
        if effort.probes < 0 or effort.refine < 1 or effort.k < 1:
            raise InputError(f"{effort}: give at least 0 probes, and at least 1 for refine and k")
        self._effort = effort

    @classmethod
    def build(
        cls,
        descriptors: Descriptors,
        factory: str,
        *,
        memory: int = BUILD_MEMORY,
        seed: int = 0,
        told: Told | None = None,
    ) -> ApproximateIndex:
        """Builds an index of all descriptors.

        Args:
            descriptors: (N, D); an array or memory map of any real type, or a collection's. A
                descriptor that holds NaN or infinity is never found.
            factory: a name that `faiss.index_factory` understands, such as "IVF4096,SQ8".
            memory: bytes of work space beside the index itself; with less than the sample needs,
                fewer images are learned from.
            seed: of the sample that k-means learns from, and of k-means.
            told: hears "lists" (0 and 1 of 1, while they are learned) and "index" (images added).

        Returns:
            The index, searched with the default effort; `tune` finds a better one.

        Raises:
            InputError: if FAISS cannot make such an index of these descriptors.
        """
        return cls(fill_index(descriptors, factory, memory=memory, seed=seed, told=told), factory)

    def search(
        self, queries: npt.ArrayLike, k: int, *, exact: Descriptors, memory: int = MEMORY
    ) -> Ranking:
        """The k images of largest inner product among those that the index proposes.

        An effort that was tuned for fewer than k looks harder, in proportion.

        Args:
            queries: (Q, D) float32 descriptors.
            k: how many images to find, at least 1.
            exact: (N, D) the descriptors that the index was built from.
            memory: bytes of work space beside the result.

        Returns:
            Ranking of shape (Q, k), scores exact and descending; equal scores in the order of the
            index; padded with -1 (score -inf) where the index proposes fewer than k.

        Raises:
            InputError: if the arrays do not fit together, hold NaN in the queries, or k < 1.
        """
        queries = as_descriptors(queries, "queries")
        self._check(queries, exact)
        return self._search(queries, k, self.effort, exact, memory)

    def tune(
        self,
        queries: npt.ArrayLike,
        k: int,
        *,
        exact: Descriptors,
        wanted: float = 0.95,
        own: Ids | None = None,
        memory: int = MEMORY,
    ) -> float:
        """Sets the least effort for k images whose measured recall@k is what is wanted.

        Every number of probes, doubled from the least, is tried with every share of candidates to
        refine; of the efforts that reach the recall, the one that reads the fewest bytes stays. The
        estimate of bytes, not a stopwatch, decides, so that the same data get the same effort. If
        none reaches it, the one that comes closest stays.

        Args:
            queries: (Q, D) float32; 100 and more, and best not images of the index, which are
                easier to find than a new photo.
            k: of recall@k.
            exact: (N, D) the descriptors that the index was built from.
            wanted: the recall, between 0 and 1.
            own: (Q,) int64, which index images the queries are, if they are: each is left out of
                its own list. None for new photos.
            memory: bytes of work space.

        Returns:
            The recall reached.

        Raises:
            InputError: as `search` does, and if there is no query.
        """
        queries = as_descriptors(queries, "queries")
        self._check(queries, exact)
        if not len(queries):
            raise InputError("recall is measured by queries; give at least one")
        extra = 0 if own is None else 1
        rows = max(1, memory // (8 * queries.shape[1]))
        truth = search_blocks(queries, blocks_of(exact, rows), k + extra, memory=memory)
        if own is not None:
            truth = without_self(truth, own)

        def measure(effort: Effort) -> float:
            found = self._search(queries, k + extra, effort, exact, memory)
            return recall(found if own is None else without_self(found, own), truth)

        self.effort, reached = least_effort(
            self._knob, k + extra, queries.shape[1], measure=measure, wanted=wanted
        )
        return reached

    def _check(self, queries: Floats, exact: Descriptors) -> None:
        if len(exact) != len(self):
            raise InputError(
                f"the index {self.factory} holds {len(self)} images and there are {len(exact)} "
                f"descriptors; build it again from them"
            )
        if queries.shape[1] != self.index.d:
            raise InputError(
                f"the index {self.factory} holds descriptors of {self.index.d} dimensions, the "
                f"queries have {queries.shape[1]}; describe both by the same embedder"
            )

    def _search(
        self, queries: Floats, k: int, effort: Effort, exact: Descriptors, memory: int
    ) -> Ranking:
        out = empty_ranking(len(queries), k)
        candidates, probes = min(effort.candidates(k), len(self)), effort.probes_for(k)
        if not candidates:
            return out
        work = self._knob.cost(probes, 0, queries.shape[1])
        # Per candidate its descriptor, read and as float32; ids, scores, the sort.
        step = max(1, memory // (candidates * (12 * queries.shape[1] + 96)))
        for start in range(0, len(queries), step):
            part = slice(start, start + step)
            with threads_for(int(len(queries[part]) * work)):
                ids = self._knob.search(queries[part], candidates, probes)
            best = rescore(queries[part], ids, min(k, candidates), exact)
            width = best.ids.shape[1]
            out.ids[part, :width], out.scores[part, :width] = best.ids, best.scores
        return out
