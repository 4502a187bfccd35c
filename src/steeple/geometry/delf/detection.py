"""The features of an image at several scales, before they are reduced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from steeple.geometry.delf.attention import attend
from steeple.geometry.delf.reduction import unit
from steeple.networks.backbone import Backbone

if TYPE_CHECKING:
    import torch

__all__ = ["SCALES", "Found", "detect"]

SCALES = tuple(2.0 ** (step / 2) for step in range(-4, 3))
"""0.25 to 2 by factors of the square root of 2: the image pyramid of section 3.1 of the paper."""

_CELLS = 2  # a map of fewer cells along a side is mostly what the network makes of the border


@dataclass(frozen=True)
class Found:
    """Features as the network gives them, those of most attention first.

    Args:
        keypoints: (M, 3) float32: x, y and scale, the side of the receptive field, in pixels.
        vectors: (M, C) float32, of unit length.
        attention: (M,) float32, more than 0.
    """

    keypoints: npt.NDArray[np.float32]
    vectors: npt.NDArray[np.float32]
    attention: npt.NDArray[np.float32]

    def __len__(self) -> int:
        """M, how many there are; possibly 0."""
        return len(self.attention)

    def strongest(self, count: int) -> Found:
        """The `count` of most attention; of equals, the earlier."""
        order = np.argsort(-self.attention, kind="stable")[:count]
        return Found(self.keypoints[order], self.vectors[order], self.attention[order])


def detect(
    backbone: Backbone,
    attention: torch.nn.Module | None,
    image: npt.NDArray[np.uint8],
    *,
    scales: Sequence[float] = SCALES,
    count: int = 1000,
) -> Found:
    """Finds the features of an image. A scale at which it is too small is skipped.

    Args:
        backbone: gives the feature maps.
        attention: see `attend`.
        image: (H, W, 3) uint8 RGB.
        scales: factors of the image's size.
        count: how many to keep, those of most attention over all scales.
    """
    found = [Found(*(np.zeros(shape, np.float32) for shape in ((0, 3), (0, backbone.channels), 0)))]
    for scale in scales:
        resized = _resize(image, scale)
        if min(resized.shape[:2]) >= _CELLS * backbone.receptive.stride:
            found.append(_detect_at(backbone, attention, resized, image.shape, count))
    return Found(
        np.concatenate([one.keypoints for one in found]),
        np.concatenate([one.vectors for one in found]),
        np.concatenate([one.attention for one in found]),
    ).strongest(count)


def _detect_at(
    backbone: Backbone,
    attention: torch.nn.Module | None,
    resized: npt.NDArray[np.uint8],
    shape: tuple[int, ...],
    count: int,
) -> Found:
    """The strongest features at one scale, in pixels of the image of this shape."""
    import torch

    with torch.inference_mode():
        maps = backbone.maps(resized[None])
        weights = attend(attention, maps)[0].flatten().cpu().numpy()
        height, width = maps.shape[2:]
        # Only what may be kept leaves the device. Cells where nothing answers describe nothing.
        order = np.argsort(-weights, kind="stable")[:count]
        order = order[weights[order] > 0]
        vectors = maps[0].flatten(1)[:, torch.from_numpy(order).to(maps.device)].T.cpu().numpy()
    order, vectors = order[vectors.any(axis=1)], vectors[vectors.any(axis=1)]
    factors = np.array([shape[1] / resized.shape[1], shape[0] / resized.shape[0]])
    centres = backbone.receptive.centres(height, width)[order]
    # The left edge of the first pixel, -0.5, stays where it is.
    centres = (centres + 0.5) * factors - 0.5
    sizes = np.full((len(order), 1), backbone.receptive.size * factors.mean())
    return Found(
        np.concatenate([centres, sizes], axis=1).astype(np.float32), unit(vectors), weights[order]
    )


def _resize(image: npt.NDArray[np.uint8], scale: float) -> npt.NDArray[np.uint8]:
    import cv2

    height, width = image.shape[:2]
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if size == (width, height):
        return image
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size, interpolation=how), dtype=np.uint8)
