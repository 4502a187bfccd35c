"""The nearest training images of many images: their voters, found once and kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np

from steeple.arrays.files.descriptors import FileDescriptors
from steeple.arrays.method.searching import Searcher
from steeple.retrieval.leaving_out import without_self
from steeple.retrieval.offline.shelf import Arrays, Shelf
from steeple.retrieval.types import PAD, Ids, Ranking

__all__ = ["find_voters"]

_NOBODY = -2  # the id of no image, and of no pad
_BLOCK = 1 << 16  # images that look for their voters together, and are kept when they have them


def find_voters(
    images: FileDescriptors,
    search: Searcher,
    k: int,
    *,
    own: Ids | None,
    shelf: Shelf,
    told: Callable[[int, int], None],
) -> Ranking:
    """The k nearest training images of every image of a file, itself aside.

    Block by block: what was found before an interruption is kept.

    Args:
        images: N descriptors.
        search: in the training set.
        k: how many.
        own: (N,) int64, the position of each image in the training set, -1 where it is not in it;
            None where none is.
        shelf: keeps what was found; belongs to these images and this training set.
        told: hears how many images are done, and how many there are.

    Returns:
        Ranking of shape (N, k), positions in the training set; -1 pads.
    """
    ids = np.full((len(images), k), PAD, dtype=np.int64)
    scores = np.full((len(images), k), -np.inf, dtype=np.float32)
    for start in range(0, len(images), _BLOCK):
        stop = min(start + _BLOCK, len(images))
        block = slice(start, stop)

        def fill(arrays: Arrays, start: int = start, stop: int = stop) -> None:
            def share(done: float) -> None:
                told(start + int(done * (stop - start)), len(images))

            part = images.rows(start, stop)
            if own is None:
                found = search(part, k, share)
            else:
                # Somebody else's id is -1, like the pads, which are not to go.
                themselves = np.where(own[start:stop] == PAD, _NOBODY, own[start:stop])
                found = without_self(search(part, k + 1, share), themselves)
            arrays["ids"][:], arrays["scores"][:] = found.ids, found.scores

        shape = (stop - start, k)
        kept = shelf.once(
            f"voters-{k}-{start}-{stop}{_aside(own, block)}",
            {"ids": (shape, "int64"), "scores": (shape, "float32")},
            fill,
        )
        ids[block], scores[block] = kept["ids"], kept["scores"]
    return Ranking(ids, scores)


def _aside(own: Ids | None, block: slice) -> str:
    """What leaving out adds to a name: other ids find other images in both sets."""
    if own is None:
        return ""
    return f"-{hashlib.blake2b(own[block].tobytes(), digest_size=4).hexdigest()}"
