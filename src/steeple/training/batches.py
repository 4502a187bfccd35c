"""Which photos go through the network together: those of about the same shape, in random order.

Photos differ in shape, the images of a batch must not, and none is to be squashed. So there are
buckets, oblong ones and a square, and each photo goes into that whose shape is nearest to its own
(method of the published recipe; section 4.1 of the paper). Needs no PyTorch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from steeple.training.photos import Ids, Sizes, TrainingSet
from steeple.training.settings import Settings

__all__ = ["Batch", "buckets", "epoch_batches"]

_FULL_SIDE = 512
_FULL_BUCKETS = ((512, 352), (512, 384), (448, 448), (384, 512), (352, 512))
_STRIDE, _SMALL_STRIDE, _SMALL = 32, 16, 256  # pixels
_LEAST = 2  # photos of a batch: a batch norm learns nothing from one


@dataclass(frozen=True)
class Batch:
    """Photos that go through the network together.

    Args:
        numbers: (B,) int64, of photos in the training set.
        width: pixels, of the images they become.
        height: pixels.
    """

    numbers: Ids
    width: int
    height: int


def buckets(side: int) -> tuple[tuple[int, int], ...]:
    """The shapes of images at a long side, from the widest to the tallest.

    At 512 these are 512 x 352, 512 x 384, 448 x 448, 384 x 512 and 352 x 512. At other sides the
    same in proportion, floored to a multiple of 32 pixels, of 16 where the side is below 256;
    so small that two become one, there are fewer.

    Args:
        side: pixels, 32 or more.

    Returns:
        (width, height) each.
    """
    stride = _STRIDE if side >= _SMALL else _SMALL_STRIDE

    def scaled(length: int) -> int:
        return max(1, length * side // (_FULL_SIDE * stride)) * stride

    return tuple(dict.fromkeys((scaled(wide), scaled(high)) for wide, high in _FULL_BUCKETS))


def epoch_batches(training_set: TrainingSet, settings: Settings, epoch: int) -> list[Batch]:
    """The batches of an epoch, in order.

    Every photo is in one batch, or, with ``per_epoch``, so many photos are: those of one epoch are
    not drawn again before there are too few others left for an epoch. The photos of a bucket are
    dealt out evenly, so that no batch is a small rest, from which batch norms would learn nonsense.
    A bucket with less than half a batch of them hands them to its neighbour. So a batch has half
    of ``batch`` or more, unless the epoch itself has fewer, and no photo is left out. An odd one
    makes three of a batch of two.

    Args:
        training_set: the photos.
        settings: ``side``, ``per_epoch``, ``batch`` and ``seed`` of them count.
        epoch: from 0. The same epoch of the same photos has the same batches.
    """
    shapes = buckets(settings.data.side)
    size = settings.schedule.batch
    chosen = _drawn(len(training_set), settings.data.per_epoch, settings.run.seed, epoch)
    nearest = _nearest(training_set.sizes[chosen], shapes)
    nearest = _merged(nearest, len(shapes), max(_LEAST, size // 2))
    batches = []
    for place, (width, height) in enumerate(shapes):
        inside = chosen[nearest == place]
        if len(inside):
            count = min(-(-len(inside) // size), max(1, len(inside) // _LEAST))
            parts = np.array_split(inside, count)
            batches += [Batch(part, width, height) for part in parts]
    order = np.random.default_rng((settings.run.seed, epoch, 1)).permutation(len(batches))
    return [batches[place] for place in order.tolist()]


def _drawn(photos: int, wanted: int, seed: int, epoch: int) -> Ids:
    """The photos of an epoch in random order: all of them, or the next part of a shuffled pass."""
    wanted = min(wanted, photos) or photos
    passed, part = divmod(epoch, photos // wanted)
    shuffled = np.random.default_rng((seed, passed, 0)).permutation(photos)
    return shuffled[part * wanted : (part + 1) * wanted]


def _nearest(sizes: Sizes, shapes: tuple[tuple[int, int], ...]) -> Ids:
    """(n, 2) sizes to the (n,) buckets whose proportions are nearest, as a ratio."""
    wide, high = np.array(shapes, dtype=np.float64).T
    ratios = np.log(sizes[:, 0] / sizes[:, 1])
    return np.asarray(np.abs(ratios[:, None] - np.log(wide / high)).argmin(axis=1), dtype=np.int64)


def _merged(nearest: Ids, count: int, least: int) -> Ids:
    """The same once buckets with fewer photos than `least` have handed them on.

    The smallest begins, and hands them to the fuller of the two next to it that are not empty.
    """
    owners, held = np.arange(count), np.bincount(nearest, minlength=count)
    while np.count_nonzero(held) > 1:
        filled = np.flatnonzero(held)
        place = int(held[filled].argmin())
        if held[filled[place]] >= least:
            break
        beside = filled[[i for i in (place - 1, place + 1) if 0 <= i < len(filled)]]
        heir = beside[held[beside].argmax()]
        owners[owners == filled[place]] = heir
        held[heir] += held[filled[place]]
        held[filled[place]] = 0
    return np.asarray(owners[nearest], dtype=np.int64)
