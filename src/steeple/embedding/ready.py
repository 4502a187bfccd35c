"""What embedders made of a model have in common, whatever computes them: nothing left to learn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from steeple.embedding.preprocessing import SCALES, Scales, Sized
from steeple.embedding.storage import Header
from steeple.errors import InputError

__all__ = ["Ready"]

_SIDES = 32, 8192  # pixels; the shortest and the longest that a photo can have
_HELD = 1 << 28  # bytes of photos that wait to be described at most


@dataclass(frozen=True)
class Ready:
    """A model as an embedder. Nothing is learned from the collection's own photos.

    Args:
        header: what the model is.
        folder: where it lies; None for one that lies nowhere yet.
        scales: at which sizes photos are looked at.
        max_side: long side, in pixels, of a photo at scale 1.
    """

    header: Header
    folder: Path | None
    scales: Scales
    max_side: int

    @property
    def name(self) -> str:
        """The name on the model's card."""
        return self.header.card.name

    @property
    def dimension(self) -> int:
        """Length of a descriptor."""
        return self.header.dimension

    @property
    def learned_from(self) -> int:
        """0: of the collection's own photos, none."""
        return 0

    @property
    def prepare(self) -> Scales:
        """Resizes an image to every scale; runs in worker processes."""
        return self.scales

    def fit(
        self,
        prepared: Sequence[Sized],  # noqa: ARG002 - as all embedders
        *,
        landmarks: Sequence[str | None] | None = None,  # noqa: ARG002
        seed: int = 0,  # noqa: ARG002
    ) -> Self:
        """There is nothing to learn: itself."""
        return self

    def resized(self, scales: str | None, side: int | None) -> Self:
        """The same model, looking at photos at other sizes.

        Args:
            scales: one of `SCALES`; None leaves them.
            side: long side of a photo at scale 1, in pixels; None leaves it.

        Raises:
            InputError: if there are no such scales, or the side is out of range.
        """
        if scales is not None and scales not in SCALES:
            raise InputError(f"no scales are called {scales!r}; there are: {', '.join(SCALES)}")
        least, most = _SIDES
        if side is not None and not least <= side <= most:
            raise InputError(f"a side of {side} pixels cannot be looked at; give {least} to {most}")
        own = self.scales
        if scales is not None:
            # The power of the mean belongs to the model, whatever the sizes.
            own = replace(SCALES[scales], power=own.power)
        return replace(self, scales=own, max_side=side or self.max_side)

    def held(self, most: int) -> int:
        """How many photos to describe at a time: `most`, or as many as memory should hold."""
        pixels = self.max_side**2 * sum(factor**2 for factor in self.scales.factors)
        return max(8, min(most, int(_HELD / (3 * pixels))))
