"""From descriptors of queries to hits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from steeple.collection.describing import PhotoLike
from steeple.collection.explaining import Explainer
from steeple.collection.hits import Hit, Hits, Recognition
from steeple.collection.store import Image, LocalStore
from steeple.collection.view import View
from steeple.errors import InputError
from steeple.geometry import batch
from steeple.geometry.features import Features
from steeple.progress import Progress, silent
from steeple.retrieval.origins import Origin, origins
from steeple.retrieval.reranking import Chain
from steeple.retrieval.reranking.base import Context, Verified
from steeple.retrieval.reranking.gated import LIKELY, likely
from steeple.retrieval.types import PAD, Floats, Ids, Ranking, Votes

__all__ = ["SHORTLIST", "Question", "answer", "name_photos"]

SHORTLIST = 100
"""Neighbours that are looked for and re-ranked at least, however few images are asked for."""


@dataclass(frozen=True)
class Question:
    """What is looked for.

    Args:
        descriptors: (Q, D) float32.
        features: Q times local features; None if they are not known.
        photos: Q photos, for explanations; None if they are not at hand.
        max_side: long side, in pixels, at which local features were looked for.
    """

    descriptors: Floats
    features: Sequence[Features | None] | None = None
    photos: Sequence[PhotoLike] | None = None
    max_side: int = 640


def answer(
    store: LocalStore,
    view: View,
    asked: Question,
    k: int,
    reranker: Chain,
    *,
    told: Progress = silent,
) -> list[Hits]:
    """Searches, re-ranks, and names what was found.

    Args:
        store: the collection.
        view: a view of it; the snapshot it belongs to is still open.
        asked: the queries.
        k: how many images to find.
        reranker: what is done to the neighbours.
        told: called with the stage, images done and their number while the re-ranker computes
            something for the whole index.

    Raises:
        InputError: if k < 1, or the re-ranker needs what the question lacks.
    """
    if k < 1:
        raise InputError(f"k is {k}; at least one image must be asked for")
    context = view.context(asked.descriptors, asked.features, told=told)
    neighbours, ranking = _rank(view, context, min(k, max(1, len(view))), reranker)
    beliefs = context.need("query_beliefs")
    shown = likely(beliefs, LIKELY)
    found = np.unique(ranking.ids[ranking.ids != PAD])
    shows = likely(view.beliefs, LIKELY).labels[found]
    names = store.landmark_names([*shown.labels.tolist(), *shows.tolist()])
    images = store.find_rows(view.rows[found])
    by_id = {
        int(number): (images[int(view.rows[number])], names.get(int(label)))
        for number, label in zip(found, shows, strict=True)
    }
    seen = None if context.verify is None else context.verify.seen(ranking.ids)
    out = []
    for query, ids in enumerate(ranking.ids):
        shows_query = Recognition(names.get(int(shown.labels[query])), float(beliefs.scores[query]))
        listed = ids[ids != PAD]
        hits = _Listing(
            ids=listed,
            scores=view[listed] @ asked.descriptors[query],
            origins=origins(listed, neighbours.ids[query]),
            ranks={int(image): place for place, image in enumerate(neighbours.ids[query])},
            seen=None if seen is None else _row(seen, query),
            explainer=_explainer(view, asked, query, shows_query),
        ).hits(by_id, view)
        out.append(Hits(hits, shows_query.landmark, shows_query.confidence))
    return out


def name_photos(
    store: LocalStore,
    view: View,
    asked: Question,
    *,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Recognition]:
    """Names what photos show, without searching the index: one recognition a query."""
    context = view.context(asked.descriptors, asked.features, workers=workers, progress=progress)
    beliefs: Votes = context.need("query_beliefs")
    shown = likely(beliefs, LIKELY).labels.tolist()
    names = store.landmark_names(shown)
    return [
        Recognition(names.get(label), score)
        for label, score in zip(shown, beliefs.scores.tolist(), strict=True)
    ]


def _rank(view: View, context: Context, k: int, reranker: Chain) -> tuple[Ranking, Ranking]:
    """What a search finds, and what the re-ranker makes of it, cut to k."""
    neighbours = view.search(context.need("queries"), max(k, SHORTLIST) if reranker.links else k)
    ranking = neighbours
    for link in reranker.links:
        ranking = link.rerank(ranking, context)
        if getattr(link, "finds", False):  # a second search finds, it does not insert
            neighbours = ranking
    return neighbours, Ranking(ranking.ids[:, :k], ranking.scores[:, :k])


def _row(seen: Verified, query: int) -> Verified:
    return batch.Verified(seen.inliers[query], seen.surprises[query])


def _explainer(view: View, asked: Question, query: int, shown: Recognition) -> Explainer:
    """What explains the hits of one query; it reads nothing before it is asked."""
    stored, index = view.features, view.columns.index
    return Explainer(
        photo=None if asked.photos is None else asked.photos[query],
        features=None if asked.features is None else asked.features[query],
        stored=None if stored is None else lambda number: stored[int(index[number])],
        query=shown,
        max_side=asked.max_side,
    )


@dataclass(frozen=True)
class _Listing:
    """One query's ranking, its n columns side by side.

    Args:
        ids: (n,) int64, positions in the index.
        scores: (n,) float32, similarities.
        origins: how each came to its place.
        ranks: image -> its place before re-ranking.
        seen: what was verified; None where nothing can be.
        explainer: of the query.
    """

    ids: Ids
    scores: Floats
    origins: Sequence[Origin]
    ranks: dict[int, int]
    seen: Verified | None
    explainer: Explainer

    def hits(self, by_id: dict[int, tuple[Image, str | None]], view: View) -> tuple[Hit, ...]:
        out = []
        for place, number in enumerate(self.ids.tolist()):
            image, landmark = by_id[number]
            verified = self.seen is not None and not np.isnan(self.seen.surprises[place])
            out.append(
                Hit(
                    id=image.id,
                    score=float(self.scores[place]),
                    origin=self.origins[place],
                    landmark=landmark,
                    probability=float(view.beliefs.scores[number]),
                    rank=self.ranks.get(number),
                    path=image.path,
                    inliers=int(self.seen.inliers[place]) if self.seen and verified else None,
                    surprise=float(self.seen.surprises[place]) if self.seen and verified else None,
                    _explainer=self.explainer.of(number),
                )
            )
        return tuple(out)
