"""Several embedders looking at one photo: each sees it at its own size, and its result is a part.

Also what stands for a photo that was described already, so that nobody keeps its pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from steeple.embedding.base import RGB, Embedder
from steeple.images import resize

__all__ = ["Condensing", "Known", "Part", "Parts", "condense", "each_part", "encode_mixed"]


@dataclass(frozen=True)
class Part:
    """What one embedder does with the pixels of a photo.

    Args:
        prepare: the embedder's.
        max_side: long side, in pixels, of the image that it sees.
    """

    prepare: Callable[[RGB], Any]
    max_side: int


@dataclass(frozen=True)
class Parts:
    """What several embedders do with the pixels of a photo; runs in worker processes.

    Args:
        parts: one for each embedder.
    """

    parts: tuple[Part, ...]

    def __call__(self, image: RGB) -> tuple[Any, ...]:
        """The results of the parts; those that do the same share one.

        Args:
            image: (H, W, 3) uint8 RGB, large enough for the part that wants most.
        """
        done: list[tuple[Part, Any]] = []
        for part in self.parts:
            same = next((result for other, result in done if other == part), None)
            result = part.prepare(resize(image, part.max_side)) if same is None else same
            done.append((part, result))
        return tuple(result for _, result in done)


def each_part(
    prepare: Callable[[RGB], Any], max_side: int, result: Any
) -> Iterator[tuple[Part, Any]]:
    """Everything that was done with a photo, and what came of it, however deep it lies.

    Args:
        prepare: an embedder's.
        max_side: long side, in pixels, of the image that it saw.
        result: what it returned.
    """
    if isinstance(prepare, Parts):
        for part, one in zip(prepare.parts, result, strict=True):
            yield from each_part(part.prepare, part.max_side, one)
    else:
        yield Part(prepare, max_side), result


@dataclass(frozen=True, eq=False)
class Known:
    """Stands for what `prepare` returned of a photo that has been described since.

    Args:
        descriptor: (D,) float32.
    """

    descriptor: npt.NDArray[np.float32]


@runtime_checkable
class Condensing(Protocol):
    """An embedder that can learn from less than `prepare` returns."""

    def condense(self, prepared: Sequence[Any]) -> list[Any]:
        """The same photos, as small as `fit` and `encode` can take them."""


def condense(embedder: Embedder, prepared: Sequence[Any]) -> list[Any]:
    """Prepared photos, as small as the makers of ensembles and reductions can keep them.

    An embedder that has nothing to learn describes them at once: a photo of a network is some
    megabytes of pixels, and an embedder learns from two thousand.
    """
    if embedder.learned_from is not None:
        return [Known(row) for row in encode_mixed(embedder, prepared)]
    return embedder.condense(prepared) if isinstance(embedder, Condensing) else list(prepared)


def encode_mixed(embedder: Embedder, prepared: Sequence[Any]) -> npt.NDArray[np.float32]:
    """Descriptors of prepared photos, some of which are `Known`: (n, D) float32."""
    out = np.zeros((len(prepared), embedder.dimension), dtype=np.float32)
    fresh = [place for place, one in enumerate(prepared) if not isinstance(one, Known)]
    for place, one in enumerate(prepared):
        if isinstance(one, Known):
            out[place] = one.descriptor
    if fresh:
        out[fresh] = embedder.encode([prepared[place] for place in fresh])
    return out
