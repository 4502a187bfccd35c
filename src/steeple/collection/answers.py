"""From descriptors of queries to hits."""

from __future__ import annotations

import numpy as np

from steeple.collection.hits import Hit, Hits, Origin
from steeple.collection.store import Image, LocalStore
from steeple.collection.view import View
from steeple.retrieval.reranking import Chain, QueryExpansion
from steeple.retrieval.reranking.gated import likely
from steeple.retrieval.types import PAD, Floats, Ids

__all__ = ["answer", "origins"]


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
    shown = likely(beliefs, 0.5)
    shows = likely(view.beliefs, 0.5).labels[found]
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


def origins(ranked: Ids, neighbours: Ids) -> list[Origin]:
    """How each image came to its place.

    Args:
        ranked: (n,) int64, the list in its final order.
        neighbours: (K,) int64, the list before; -1 pads.

    Returns:
        ``inserted`` for what was not in the list, ``sorted`` for what has overtaken something,
        ``retrieved`` for the rest.
    """
    before = {int(image): place for place, image in enumerate(neighbours) if image != PAD}
    places = np.array([before.get(int(image), -1) for image in ranked], dtype=np.int64)
    kept = places >= 0
    # An image has overtaken another if one that stood before it now stands behind it.
    behind = np.full(len(ranked) + 1, np.iinfo(np.int64).max)
    for place in range(len(ranked) - 1, -1, -1):
        own = places[place] if kept[place] else behind[place + 1]
        behind[place] = min(behind[place + 1], own)
    overtook = behind[1:] < places
    return [
        "inserted" if not was_there else "sorted" if moved else "retrieved"
        for was_there, moved in zip(kept.tolist(), overtook.tolist(), strict=True)
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
