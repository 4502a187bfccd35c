"""Photos at several scales to descriptors: batches of one shape through whatever computes them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from steeple.embedding.preprocessing import Scales, Sized
from steeple.errors import InputError

__all__ = ["BATCH", "Describe", "Run", "describe_sized"]

BATCH = 32
"""Images of 512 x 512 pixels that go through a network together at most; of larger ones, fewer."""

Describe: TypeAlias = Callable[[npt.NDArray[np.uint8]], npt.ArrayLike]
"""What a network says of images of one size: (B, H, W, 3) uint8 RGB to (B, D) float32, or what will
be that when NumPy asks for it."""

Run: TypeAlias = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]
"""How a function is applied to batches: like `map`, and several at a time where that is faster."""


def describe_sized(
    describe: Describe,
    photos: Sequence[Sized],
    scales: Scales,
    dimension: int,
    *,
    batch: int = BATCH,
    run: Run = map,
) -> npt.NDArray[np.float32]:
    """Descriptors of photos at several scales: batches by shape, one descriptor out of the scales.

    Args:
        describe: what a network says of images of one size.
        photos: each at every scale.
        scales: how the answers become one.
        dimension: D.
        batch: images of 512 x 512 pixels together at most; of larger ones, fewer.
        run: how `describe` is applied to the batches.

    Returns:
        (n, D) float32, L2-normalised.

    Raises:
        InputError: if what the network says is not finite.
    """
    places = list(_batches(photos, batch))
    # Batches are stacked as they are needed: while a GPU works on one, the next gets ready.
    answers = run(lambda some: describe(np.stack([photos[n][s] for n, s in some])), places)
    found = np.zeros((len(photos), len(scales.factors), dimension), dtype=np.float32)
    for some, answer in zip(places, list(answers), strict=True):
        numbers, which = zip(*some, strict=True)
        found[list(numbers), list(which)] = np.asarray(answer)
    mean = scales.mean(found)
    if not np.isfinite(mean).all():
        raise InputError(
            "the network gives numbers that are not finite; use another model, or "
            "precision=float32 if it was another"
        )
    length = np.linalg.norm(mean, axis=1, keepdims=True)
    return np.asarray(mean / np.maximum(length, 1e-12), dtype=np.float32)


def _batches(photos: Sequence[Sized], most: int) -> Iterator[list[tuple[int, int]]]:
    """Numbers of photos and of scales whose images are of one shape, the largest shapes first."""
    shapes: dict[tuple[int, ...], list[tuple[int, int]]] = defaultdict(list)
    for number, photo in enumerate(photos):
        for scale, image in enumerate(photo):
            shapes[image.shape].append((number, scale))
    # Threads that end together waste least: what takes longest comes first.
    for shape in sorted(shapes, key=lambda shape: shape[0] * shape[1], reverse=True):
        size = max(1, min(most, most * 512 * 512 // (shape[0] * shape[1])))
        for start in range(0, len(shapes[shape]), size):
            yield shapes[shape][start : start + size]
