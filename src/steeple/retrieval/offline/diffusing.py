"""Both halves of offline diffusion: a row for every index image, and rankings out of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from steeple.retrieval.offline.affinity import mutual_affinity, normalise
from steeple.retrieval.offline.graph import IndexGraph, Neighbourhoods
from steeple.retrieval.offline.shelf import Arrays, spell
from steeple.retrieval.offline.truncated import BATCH, TruncatedSolver
from steeple.retrieval.types import PAD, Floats, Ids, Ranking
from steeple.threads import in_threads

__all__ = ["Diffused", "Edges", "diffuse", "spread", "together"]


@dataclass(frozen=True)
class Diffused:
    """Where diffusion from each index image arrives.

    Args:
        ids: (N, m) int32, the neighbourhood of each image; -1 pads.
        scores: (N, m) float32, how much of the diffusion from that image each of them gets.
    """

    ids: Neighbourhoods
    scores: Floats


@dataclass(frozen=True)
class Edges:
    """Which edges diffusion runs along, and how far.

    Args:
        kd: neighbours of an image that may become edges, the image itself counted as one of them.
        truncate: images that diffusion from one image may reach, that image counted.
        alpha: how far diffusion goes, below 1.
        gamma: how fast an edge fades with similarity.
    """

    kd: int
    truncate: int
    alpha: float
    gamma: float

    def __str__(self) -> str:
        return f"{self.kd}-{self.truncate}-{spell(self.alpha)}-{spell(self.gamma)}"


def _as_they_are(affinity: Any) -> Any:
    return affinity


def diffuse(
    graph: IndexGraph, name: str, edges: Edges, *, weigh: Callable[[Any], Any] = _as_they_are
) -> Diffused:
    """The diffusion from every index image, within its neighbourhood; computed once.

    Args:
        graph: the neighbours of index images among themselves.
        name: what is kept is called this, followed by the numbers of the edges.
        edges: which edges.
        weigh: changes the affinities; whatever it depends on is part of the name.
    """
    ids, scores = graph.neighbourhoods(max(edges.truncate, edges.kd), edges.kd - 1)
    near = ids[:, : edges.truncate]

    def fill(arrays: Arrays) -> None:
        affinity = mutual_affinity(ids[:, 1 : 1 + scores.shape[1]], scores, edges.gamma)
        solver = TruncatedSolver(normalise(weigh(affinity)), edges.alpha)

        def solve(batch: Ids) -> int:
            arrays["scores"][batch] = solver.solve(near[batch])  # no batch shares an image
            return len(batch)

        done = 0
        for solved in in_threads(solve, together(near, BATCH)):
            done += solved
            graph.told("diffusion", done, len(near))

    kept = graph.shelf.once(f"{name}-{edges}", {"scores": (near.shape, "float32")}, fill)
    return Diffused(near, kept["scores"])


def together(near: Neighbourhoods, size: int) -> Iterator[Ids]:
    """All images in batches of images near each other, as the solver likes them.

    Args:
        near: (N, m) neighbourhoods.
        size: images in a batch; the last may have fewer.
    """
    left = np.ones(len(near), dtype=bool)
    batch: list[Ids] = []
    for image, row in enumerate(near):
        if not left[image]:
            continue
        some = row[row != PAD]
        some = some[left[some]][: size - sum(map(len, batch))].astype(np.int64)
        left[some] = False
        batch.append(some)
        if sum(map(len, batch)) == size:
            yield np.concatenate(batch)
            batch = []
    if batch:
        yield np.concatenate(batch)


def spread(start: Ranking, rows: Diffused, listed: Ranking) -> Ranking:
    """Ranks by what arrives where diffusion starts from several images at once.

    Args:
        start: (Q, n) the images that diffusion starts from and their weights, at least 0; -1 pads.
        rows: the diffusion from each index image.
        listed: (Q, K) the lists so far.

    Returns:
        Ranking of shape (Q, K), by descending sum of weight * row; equals in their old order, then
        by position. Images of the list where nothing arrives follow in their old order, score 0.
    """
    out = Ranking(np.full_like(listed.ids, PAD), np.full_like(listed.scores, -np.inf))
    arrived = np.zeros(len(rows.ids) + 1, dtype=np.float32)  # the last is for pads
    place = np.full(len(rows.ids), listed.ids.shape[1], dtype=np.int64)
    for query, row in enumerate(listed.ids):
        old = row[row != PAD]
        used = (start.ids[query] != PAD) & (start.scores[query] > 0)
        found = rows.ids[start.ids[query][used]]
        parts = rows.scores[start.ids[query][used]] * start.scores[query][used, None]
        for ids, part in zip(found, parts, strict=True):
            arrived[ids] += part  # no image is twice in a neighbourhood
        arrived[-1] = 0
        place[old] = np.arange(len(old))
        best = _best(found[arrived[found] > 0], arrived, place, out.ids.shape[1])
        rest = old[arrived[old] <= 0][: out.ids.shape[1] - len(best)]
        ids = np.concatenate([best, rest])
        out.ids[query, : len(ids)] = ids
        out.scores[query, : len(ids)] = np.maximum(arrived[ids], 0)
        arrived[found], place[old] = 0, listed.ids.shape[1]
    return out


def _best(reached: Any, arrived: Floats, place: Any, k: int) -> Any:
    """The k reached images where most arrived; `reached` may name one more than once."""
    reached = np.unique(reached)
    if len(reached) > k:
        least = np.partition(arrived[reached], len(reached) - k)[len(reached) - k]
        reached = reached[arrived[reached] >= least]
    return reached[np.lexsort((place[reached], -arrived[reached]))][:k]
