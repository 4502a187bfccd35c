"""Where the images of a re-ranked list came from."""

from __future__ import annotations

from bisect import bisect, insort
from typing import Literal, TypeAlias

from steeple.retrieval.types import PAD, Ids

__all__ = ["Origin", "origins"]

Origin: TypeAlias = Literal["retrieved", "sorted", "inserted"]
"""How an image came to its place: by similarity, by the sort-step, or by the insert-step."""


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
    out: list[Origin] = []
    met: list[int] = []  # old places of the images so far, ascending
    for image in ranked.tolist():
        place = before.get(image)
        if place is None:
            out.append("inserted")
            continue
        # Whoever stood before it and does not stand before it now was overtaken, be it that it
        # stands behind now or that the list was cut before it.
        out.append("retrieved" if bisect(met, place) == place else "sorted")
        insort(met, place)
    return out
