"""Where the images of a re-ranked list came from."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

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
