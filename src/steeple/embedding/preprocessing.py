"""From the pixels of a photo to what a network takes: sizes, scales and colours.

Needs no PyTorch: worker processes do it while the network runs elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from steeple.embedding.values import is_number, is_whole
from steeple.errors import InputError

__all__ = ["GLDV2", "ONE", "REVISITED", "SCALES", "Colours", "Scales", "Sized"]

RGB: TypeAlias = npt.NDArray[np.uint8]

Sized: TypeAlias = tuple[RGB, ...]
"""One photo at every scale: (H, W, 3) uint8 each."""

_MOST = 16  # a photo at more scales, or a larger one, is a mistake in a file
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's photos


@dataclass(frozen=True)
class Scales:
    """At which sizes a photo is looked at, and how the answers become one.

    Args:
        name: it is asked for by.
        factors: of the sides of the photo.
        multiple: sides are floored to a multiple of so many pixels,
        least: but never below so many.
        normalise: whether the answers are L2-normalised before they are put together.
        power: of the mean that puts them together; 1 is the ordinary one.
    """

    name: str
    factors: tuple[float, ...] = (1.0,)
    multiple: int = 1
    least: int = 32
    normalise: bool = False
    power: float = 1.0

    def __post_init__(self) -> None:
        """Refuses what is no size, and no mean.

        Raises:
            InputError: if a value is of another type, or a number out of range.
        """
        if not isinstance(self.name, str) or not isinstance(self.normalise, bool):
            raise InputError(
                f"scales called {self.name!r}, normalised: {self.normalise!r}; "
                "give a name, and true or false"
            )
        fits = all(is_number(factor) and 0 < factor <= _MOST for factor in self.factors)
        if not fits or not 1 <= len(self.factors) <= _MOST:
            raise InputError(
                f"photos cannot be looked at at scales {self.factors}; give 1 to {_MOST} numbers "
                f"above 0, {_MOST} at most"
            )
        for side in (self.multiple, self.least):
            if not is_whole(side) or not 1 <= side <= 1024:
                raise InputError(f"sides cannot be held to {side!r} pixels; give 1 to 1024")
        if not is_number(self.power) or not 0 < self.power <= 100:
            raise InputError(
                f"there is no mean of power {self.power!r}; give one above 0, such as 1"
            )

    def size(self, width: int, height: int, factor: float) -> tuple[int, int]:
        """Width and height, in pixels, at one of the scales."""
        wide, high = (
            max(self.least, int(side * factor + 1e-6) // self.multiple * self.multiple)
            for side in (width, height)
        )
        return wide, high

    def __call__(self, image: RGB) -> Sized:
        """A photo at every scale.

        Args:
            image: (H, W, 3) uint8 RGB, its long side as long as scale 1 wants it.
        """
        height, width = image.shape[:2]
        return tuple(_resize(image, *self.size(width, height, factor)) for factor in self.factors)

    def mean(self, found: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """What a network says at S scales, put together: (n, S, D) float32 to (n, D) float32.

        The power mean of signed numbers: sign(m) |m|^(1/p), where m is the mean of sign(x) |x|^p.
        """
        if self.power == 1:
            return np.asarray(found.mean(axis=1), dtype=np.float32)
        powers = np.sign(found) * np.abs(found) ** np.float32(self.power)
        means = powers.mean(axis=1)
        return np.asarray(np.sign(means) * np.abs(means) ** (1 / self.power), dtype=np.float32)


ONE = Scales("one")
"""The photo as it is."""

GLDV2 = Scales("gldv2", (0.75, 1.0, 1.25), multiple=32, least=128)
"""The paper's (its published recipe): raw features are averaged, then L2-normalised."""

REVISITED = Scales("revisited", (0.5**0.5, 1.0, 2**0.5), normalise=True)
"""As Revisited Oxford and Paris are evaluated (Radenovic et al., CVPR 2018), at 1024 pixels: each
scale is L2-normalised; the mean of them, or their power mean where a model says so."""

SCALES = {scales.name: scales for scales in (ONE, GLDV2, REVISITED)}
"""The conventions by name."""


@dataclass(frozen=True)
class Colours:
    """What a network expects of colours.

    Args:
        mean: (3,) subtracted, 0..1, in the order of `channels`.
        std: (3,) then divided by.
        channels: ``RGB`` or ``BGR``.
    """

    mean: tuple[float, float, float] = _MEAN
    std: tuple[float, float, float] = _STD
    channels: str = "RGB"

    def __post_init__(self) -> None:
        """Refuses what is no colour.

        Raises:
            InputError: if the channels have another order, or a number is out of range.
        """
        if self.channels not in ("RGB", "BGR"):
            raise InputError(f"channels in the order {self.channels!r}; give RGB or BGR")
        numbers = all(is_number(value) for value in (*self.mean, *self.std))
        if not numbers or len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise InputError(
                f"colours of mean {self.mean} and deviation {self.std} are none; "
                "give three numbers each, deviations above 0"
            )

    def normalise(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """(B, H, W, 3) uint8 RGB to (B, 3, H, W) float32: the literal form, for ONNX Runtime."""
        pixels = images[..., :: -1 if self.channels == "BGR" else 1].astype(np.float32) / 255
        normal = (pixels - np.array(self.mean, dtype=np.float32)) / np.array(
            self.std, dtype=np.float32
        )
        return np.ascontiguousarray(normal.transpose(0, 3, 1, 2), dtype=np.float32)


def _resize(image: RGB, width: int, height: int) -> RGB:
    import cv2

    if image.shape[:2] == (height, width):
        return image
    shrinks = width * height < image.shape[0] * image.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width, height), interpolation=how), dtype=np.uint8)
