"""LightGlue: matching learned together with the features.

Lindenberger, Sarlin, Pollefeys: "LightGlue: Local Feature Matching at Light Speed", ICCV 2023, as
kornia has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from steeple.errors import InputError
from steeple.extras import need
from steeple.geometry.features import Features, comparable
from steeple.geometry.kornia import LENGTH, published
from steeple.networks.machine import choose_device

if TYPE_CHECKING:
    import torch

__all__ = ["LightGlue"]

_KINDS = ("disk", "aliked")


@dataclass(frozen=True)
class LightGlue:
    """Matches the features of two images, which must be those it was trained with.

    Args:
        kind: ``disk`` or ``aliked``.
        weights: ``published``, downloaded by kornia when first needed, or ``random``, for tests.
    """

    kind: str = "disk"
    weights: str = "published"

    def load(self) -> torch.nn.Module:
        """The network; read once per process.

        Raises:
            InputError: if there are no such weights.
            MachineError: if the weights cannot be downloaded.
            MissingExtraError: if kornia is not installed.
        """
        return _network(self.kind, self.weights)

    def __call__(self, a: Features, b: Features) -> npt.NDArray[np.int32]:
        """Matches the features of two images.

        Returns:
            (n, 2) int32: positions in `a` and in `b`, each at most once, the surest first.

        Raises:
            InputError: if the features are not of its kind.
        """
        if min(len(a), len(b)) < 2:  # one point has no surroundings to tell it by
            return np.zeros((0, 2), dtype=np.int32)
        import torch

        network = self.load()
        with torch.inference_mode():
            found = network({"image0": _image(a, self.kind), "image1": _image(b, self.kind)})
        order = np.argsort(-found["scores"][0].cpu().numpy(), kind="stable")
        return np.asarray(found["matches"][0].cpu().numpy()[order], dtype=np.int32)


def _image(features: Features, kind: str) -> dict[str, torch.Tensor]:
    """The features of an image as kornia wants them."""
    import torch

    if features.descriptors.shape[1] != LENGTH or features.descriptors.dtype == np.uint8:
        raise InputError(
            f"LightGlue for {kind} cannot match descriptors of {features.descriptors.shape[1]} "
            f"{features.descriptors.dtype} values; give features of {kind}"
        )
    device = choose_device()
    places = np.asarray(features.keypoints[:, :2], dtype=np.float32)
    # Of the size of the image, only its order of magnitude matters: positions are told apart by
    # their differences.
    size = np.floor(places.max(axis=0, keepdims=True)) + 1
    return {
        "keypoints": torch.from_numpy(places)[None].to(device),
        "descriptors": torch.from_numpy(comparable(features.descriptors))[None].to(device),
        "image_size": torch.from_numpy(size).to(device),
    }


@lru_cache(maxsize=2)
def _network(kind: str, weights: str) -> torch.nn.Module:
    if kind not in _KINDS:
        raise InputError(f"there is no LightGlue for {kind!r}; there is: {', '.join(_KINDS)}")
    feature = need("kornia.feature", "kornia")
    return published(
        f"LightGlue for {kind}",
        weights,
        lambda: feature.LightGlue(None, input_dim=LENGTH),
        lambda: feature.LightGlue(kind),
    )
