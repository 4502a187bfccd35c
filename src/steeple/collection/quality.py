"""How much an approximate index finds of what exact search does, and how much faster.

Finding the neighbours is timed, and so is a whole search: who asks a collection also has the query
named by its nearest training images, and the list re-ranked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import median
from time import perf_counter

from steeple.collection.sampling import draw_sample
from steeple.collection.view import View
from steeple.retrieval.approximate.presets import FLAT
from steeple.retrieval.approximate.recall import recall
from steeple.retrieval.leaving_out import without_self
from steeple.retrieval.types import Floats

__all__ = ["SearchQuality", "measure_search"]

_LENGTH = 100
_TIMED = 15  # queries, one at a time, each searched both ways


@dataclass(frozen=True)
class SearchQuality:
    """What was measured.

    Args:
        factory: FAISS's name of the index; "Flat" if everything is searched exactly.
        images: of the index of the collection.
        queries: how many were asked.
        origin: what they are, in words.
        length: images per query, the k of recall@k.
        recall: the share of the exact neighbours that were found.
        milliseconds: of finding neighbours, the median of one query at a time.
        exact_milliseconds: of the same searched exactly.
        times_faster: their ratio.
        voters: FAISS's name of the index that finds the nearest training images; "Flat" if they
            are searched exactly.
        whole_milliseconds: of a whole search by the default re-ranker, from a descriptor to named
            hits; describing a photo and verifying it come on top.
        exact_whole_milliseconds: of the same searched exactly.
        whole_times_faster: their ratio.
    """

    factory: str
    images: int
    queries: int
    origin: str
    length: int
    recall: float
    milliseconds: float
    exact_milliseconds: float
    times_faster: float
    voters: str
    whole_milliseconds: float
    exact_whole_milliseconds: float
    whole_times_faster: float


def measure_search(
    view: View, queries: int, *, seed: int, ask: Callable[[View, Floats, int], object]
) -> SearchQuality:
    """Measures a view's own search against exact search.

    Args:
        view: of a collection; the snapshot it belongs to is still open.
        queries: how many to draw.
        seed: of the draw.
        ask: asks a view (Q, D) float32 queries for as many hits as the number says.
    """
    sample = draw_sample(view.segments, view.columns, queries, seed=seed)
    exact = view.exactly
    extra = 0 if sample.own is None else 1
    k = max(1, min(_LENGTH, len(view) - extra))
    found, truth = (one.search(sample.queries, k + extra) for one in (view, exact))
    if sample.own is not None:
        found, truth = without_self(found, sample.own), without_self(truth, sample.own)
    timed = sample.queries[:_TIMED]
    ours, theirs = _time((view.search, exact.search), timed, k)
    whole, exact_whole = _time((partial(ask, view), partial(ask, exact)), timed, k)
    voters = None if view.approximate is None else view.approximate.voters
    return SearchQuality(
        factory=FLAT if view.approximate is None else view.approximate.about.factory,
        images=len(view),
        queries=len(sample.queries),
        origin=sample.origin,
        length=k,
        recall=recall(found, truth),
        milliseconds=ours,
        exact_milliseconds=theirs,
        times_faster=1.0 if view.approximate is None else theirs / max(ours, 1e-9),
        voters=FLAT if voters is None else voters.about.factory,
        whole_milliseconds=whole,
        exact_whole_milliseconds=exact_whole,
        whole_times_faster=1.0 if view.approximate is None else exact_whole / max(whole, 1e-9),
    )


def _time(
    searches: tuple[Callable[[Floats, int], object], ...], queries: Floats, k: int
) -> list[float]:
    """The median milliseconds of each search; they take turns, so what slows one slows all."""
    spent: list[list[float]] = [[] for _ in searches]
    for query in queries:
        for search, times in zip(searches, spent, strict=True):
            start = perf_counter()
            search(query[None], k)
            times.append(1000 * (perf_counter() - start))
    return [median(times) if times else 0.0 for times in spent]
