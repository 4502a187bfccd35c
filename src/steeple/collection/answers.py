"""From descriptors of queries to hits."""

from __future__ import annotations

import numpy as np

from steeple.collection.hits import Hit, Hits, Recognition
from steeple.collection.store import Image, LocalStore
from steeple.collection.view import View
from steeple.retrieval.origins import origins
from steeple.retrieval.reranking import Chain, QueryExpansion
from steeple.retrieval.reranking.gated import LIKELY, likely
from steeple.retrieval.types import PAD, Floats, Ids, Votes

__all__ = ["answer", "name_photos"]


def answer(store: LocalStore, view: View, queries: Floats, k: int, reranker: Chain) -> list[Hits]:
    """Searches, re-ranks, and names what was found.

    Args:
        store: the collection.
        view: a view of it; the snapshot it belongs to is still open.
        queries: (Q, D) float32.
        k: how many images to find.
        reranker: what is done to the neighbours.
    """
    context = view.context(queries)
    neighbours = view.search(queries, k)
    ranking = neighbours
    for link in reranker.links:
        ranking = link.rerank(ranking, context)
        if isinstance(link, QueryExpansion):  # a second search finds, it does not insert
            neighbours = ranking
    found = np.unique(ranking.ids[ranking.ids != PAD])
    images = store.find_rows(view.rows[found])
    beliefs = context.need("query_beliefs")
    shown = likely(beliefs, LIKELY)
    shows = likely(view.beliefs, LIKELY).labels[found]
    names = store.landmark_names([*shown.labels.tolist(), *shows.tolist()])
    by_id = {
        int(number): (images[int(view.rows[number])], names.get(int(label)))
        for number, label in zip(found, shows, strict=True)
    }
    out = []
    for query, ids in enumerate(ranking.ids):
        listed = ids[ids != PAD]
        scores = view[listed] @ queries[query]
        hits = _hits(listed, neighbours.ids[query], scores, by_id, view)
        name = names.get(int(shown.labels[query]))
        out.append(Hits(hits, name, float(beliefs.scores[query])))
    return out


def name_photos(store: LocalStore, view: View, queries: Floats) -> list[Recognition]:
    """Names what photos show, without searching the index: (Q, D) float32 to Q recognitions."""
    beliefs: Votes = view.context(queries).need("query_beliefs")
    shown = likely(beliefs, LIKELY).labels.tolist()
    names = store.landmark_names(shown)
    return [
        Recognition(names.get(label), score)
        for label, score in zip(shown, beliefs.scores.tolist(), strict=True)
    ]


def _hits(
    listed: Ids,
    neighbours: Ids,
    scores: Floats,
    by_id: dict[int, tuple[Image, str | None]],
    view: View,
) -> tuple[Hit, ...]:
    rank = {int(image): place for place, image in enumerate(neighbours)}
    hits = []
    for number, score, origin in zip(listed, scores, origins(listed, neighbours), strict=True):
        image, landmark = by_id[int(number)]
        hits.append(
            Hit(
                id=image.id,
                score=float(score),
                origin=origin,
                landmark=landmark,
                probability=float(view.beliefs.scores[number]),
                rank=rank.get(int(number)),
                path=image.path,
            )
        )
    return tuple(hits)
