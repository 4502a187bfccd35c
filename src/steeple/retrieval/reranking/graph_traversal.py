"""Explore-exploit graph traversal: a walk from the query over neighbours of neighbours."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import ClassVar

import numpy as np

from steeple.errors import InputError
from steeple.retrieval.offline.graph import IndexGraph
from steeple.retrieval.reranking.base import Context, similarity
from steeple.retrieval.types import PAD, Floats, Ids, Ranking

__all__ = ["GraphTraversal"]


@dataclass(frozen=True)
class GraphTraversal:
    """Accepts images one after another, nearest first to anything accepted before.

    Candidates are the first k images of the list, each with its similarity to the query. Exploit:
    every candidate above t is accepted, in descending order, or the single best if none is.
    Explore: the k index neighbours of what was just accepted become candidates, each with its best
    similarity to anything accepted so far. Both in turn, until the list is full; t = inf takes one
    at a time. What a walk never reaches, because it runs out of candidates, follows in its old
    order.

    Of equal candidates the one met first is accepted: that of the image accepted earlier, then
    the earlier of its neighbours, where equals stand by position. The score of an image is the
    smallest similarity accepted up to it, which descends; at t = inf that is the weakest link of
    the strongest path from the query to it.

    Source: Chang et al., "Explore-Exploit Graph Traversal for Image Retrieval", CVPR 2019,
    section 3. The query's neighbours are the list's, in a chain those of another re-ranker; their
    similarities to the query are computed here.

    Costs the k neighbours of every index image once, offline; then about a millisecond a query, the
    descriptors of its list, and as many rows of the graph as the list is long. Helps where views of
    a landmark form a chain, each alike to the next but the last not to the query; a single wrong
    link leads astray all that comes behind it.

    Args:
        k: neighbours of the query and of each accepted image, at least 1.
        t: similarity above which a candidate is accepted without exploring first.

    Raises:
        InputError: if k < 1 or t is NaN.
    """

    k: int = 100
    t: float = math.inf
    finds: ClassVar[bool] = True
    """The result is what a walk finds, not the list in another order."""

    def __post_init__(self) -> None:
        if self.k < 1:
            raise InputError(f"k is {self.k}; it must be at least 1")
        if math.isnan(self.t):
            raise InputError("t is NaN; it must be a number")

    def rerank(self, ranking: Ranking, context: Context) -> Ranking:
        """Walks from each query; needs graph, queries and index.

        Returns:
            (Q, K) what was accepted, in that order, from anywhere in the index.

        Raises:
            InputError: if the context lacks one of them, or it does not fit the ranking.
        """
        graph: IndexGraph = context.need("graph")
        near = similarity(ranking.ids, context)
        length = ranking.ids.shape[1]
        out = Ranking(
            np.full(ranking.ids.shape, PAD, dtype=np.int64),
            np.full(ranking.ids.shape, -np.inf, dtype=np.float32),
        )
        neighbours = graph.neighbours(min(self.k, max(1, len(graph) - 1)))  # more there are not
        for query, (ids, scores) in enumerate(zip(ranking.ids, near, strict=True)):
            listed = ids != PAD
            walk = _Walk(neighbours, length, float(np.float32(self.t)))
            walk.run(ids[: self.k][listed[: self.k]], scores[: self.k][listed[: self.k]])
            walk.fill(ids[listed].tolist(), scores[listed].tolist())
            found = len(walk.accepted)
            out.ids[query, :found] = list(walk.accepted)
            out.scores[query, :found] = list(walk.accepted.values())
        return out


@dataclass
class _Walk:
    """One query's walk.

    Neighbours descend, so of every list that was explored only the first image not accepted yet
    can be the best candidate: the heap holds one entry a list instead of one a candidate, and the
    walk is a merge of sorted lists.

    Args:
        neighbours: (N, k) of the index images.
        length: of the list.
        t: the threshold.
    """

    neighbours: Ranking
    length: int
    t: float
    accepted: dict[int, float] = field(default_factory=dict)  # in order; with the weakest link
    lists: list[tuple[list[int], list[float]]] = field(default_factory=list)
    heap: list[tuple[float, int, int]] = field(default_factory=list)  # -similarity, list, place
    weakest: float = math.inf

    def run(self, ids: Ids, scores: Floats) -> None:
        """Walks until the list is full or nothing is left to accept.

        Args:
            ids: (n,) the query's own neighbours.
            scores: (n,) their similarities.
        """
        order = np.argsort(-scores, kind="stable")
        self._explore(ids[order].tolist(), scores[order].tolist())
        # A plain array: rows of a memory map are slow to take.
        index, similarity = np.asarray(self.neighbours.ids), np.asarray(self.neighbours.scores)
        while len(self.accepted) < self.length:
            for image in self._exploit():
                self._explore(index[image].tolist(), similarity[image].tolist())
            if not self.heap:
                break

    def fill(self, ids: list[int], scores: list[float]) -> None:
        """Accepts what the walk has not reached, in the order given, until the list is full."""
        for image, score in zip(ids, scores, strict=True):
            if len(self.accepted) < self.length and image not in self.accepted:
                self._accept(image, score)

    def _exploit(self) -> list[int]:
        """Accepts every candidate above t, or the single best if none is."""
        fresh: list[int] = []
        while self.heap and len(self.accepted) < self.length:
            score, number, place = self.heap[0]
            image = self.lists[number][0][place]
            known = image in self.accepted
            if not known and fresh and not -score > self.t:
                break
            heappop(self.heap)
            if not known:
                self._accept(image, -score)
                fresh.append(image)
            self._advance(number, place + 1)
        return fresh

    def _explore(self, ids: list[int], scores: list[float]) -> None:
        """Makes images candidates, best first."""
        self.lists.append((ids, scores))
        self._advance(len(self.lists) - 1, 0)

    def _advance(self, number: int, place: int) -> None:
        """Puts the first image of a list from a place on that is not accepted yet on the heap."""
        ids, scores = self.lists[number]
        while place < len(ids) and (ids[place] in self.accepted or ids[place] == PAD):
            place += 1
        if place < len(ids):
            heappush(self.heap, (-scores[place], number, place))

    def _accept(self, image: int, score: float) -> None:
        self.accepted[image] = min(score, self.weakest)
        self.weakest = self.accepted[image]
