"""DISK and ALIKED: learned keypoints, as kornia has them.

DISK: Tyszkiewicz, Fua, Trulls, "DISK: Learning local features with policy gradient", NeurIPS 2020.
ALIKED: Zhao et al., "ALIKED: A Lighter Keypoint and Descriptor Extraction Network via Deformable
Transformation", IEEE Transactions on Instrumentation and Measurement, 2023.

Both find features at one scale, the image's own, so that the third column of their keypoints is 1.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from steeple.errors import InputError, MachineError
from steeple.extras import need
from steeple.geometry.features import Features, compact
from steeple.networks.machine import choose_device

if TYPE_CHECKING:
    import torch

__all__ = ["LENGTH", "Aliked", "Disk", "published"]

LENGTH = 128
"""Of the descriptors of both."""

_SMALLEST = 32  # pixels; halved four and five times, a smaller image is less than a pixel
_NONE = Features(np.zeros((0, 3), dtype=np.float32), np.zeros((0, LENGTH), dtype=np.int8))


@dataclass(frozen=True)
class _Learned:
    """What both have in common.

    Args:
        max_features: how many keypoints to keep at most, the strongest.
        weights: ``published``, downloaded by kornia when first needed, or ``random``, for tests.
    """

    max_features: int = 1000
    weights: str = "published"

    @property
    def max_side(self) -> int:
        """640 pixels."""
        return 640


@dataclass(frozen=True)
class Disk(_Learned):
    """Finds and describes the DISK features of an image.

    Args:
        max_features: how many keypoints to keep at most, the strongest.
        weights: ``published``, downloaded by kornia when first needed, or ``random``, for tests.
    """

    @property
    def name(self) -> str:
        """``disk``."""
        return "disk"

    def load(self) -> torch.nn.Module:
        """The network; read once per process.

        Raises:
            InputError: if there are no such weights.
            MachineError: if the weights cannot be downloaded.
            MissingExtraError: if kornia is not installed.
        """
        return _disk(self.weights)

    def __call__(self, image: npt.NDArray[np.uint8]) -> Features:
        """The features of an image, (H, W, 3) uint8 RGB, with (M, 128) int8 descriptors."""
        return _features(
            image,
            self.max_features,
            lambda pixels: self.load()(pixels, n=self.max_features, pad_if_not_divisible=True)[0],
            "detection_scores",
        )


@dataclass(frozen=True)
class Aliked(_Learned):
    """Finds and describes the ALIKED features of an image.

    Args:
        max_features: how many keypoints to keep at most, the strongest.
        weights: ``published``, downloaded by kornia when first needed, or ``random``, for tests.
    """

    @property
    def name(self) -> str:
        """``aliked``."""
        return "aliked"

    def load(self) -> torch.nn.Module:
        """The network; read once per process.

        Raises:
            InputError: if there are no such weights.
            MachineError: if the weights cannot be downloaded.
            MissingExtraError: if kornia is not installed.
        """
        return _aliked(self.weights, self.max_features)

    def __call__(self, image: npt.NDArray[np.uint8]) -> Features:
        """The features of an image, (H, W, 3) uint8 RGB, with (M, 128) int8 descriptors."""
        return _features(
            image, self.max_features, lambda pixels: self.load()(pixels)[0], "keypoint_scores"
        )


def _features(
    image: npt.NDArray[np.uint8],
    count: int,
    network: Callable[[torch.Tensor], Any],
    scores: str,
) -> Features:
    """The strongest features of an image, of what a network of kornia's says of it.

    Args:
        image: (H, W, 3) uint8 RGB.
        count: how many to keep.
        network: takes (1, 3, H, W) float32 in 0..1.
        scores: what it calls the strength of its keypoints.
    """
    if min(image.shape[:2]) < _SMALLEST:
        return _NONE
    import torch

    pixels = torch.from_numpy(np.ascontiguousarray(image)).to(choose_device())
    with torch.inference_mode():
        found = network(pixels.permute(2, 0, 1)[None].float() / 255)
    order = np.argsort(-getattr(found, scores).cpu().numpy(), kind="stable")[:count]
    places = found.keypoints.cpu().numpy()[order]
    keypoints = np.concatenate([places, np.ones((len(places), 1))], axis=1).astype(np.float32)
    return Features(keypoints, compact(found.descriptors.cpu().numpy()[order]))


@lru_cache(maxsize=2)
def _disk(weights: str) -> torch.nn.Module:
    feature = need("kornia.feature", "kornia")
    return published("DISK", weights, feature.DISK, lambda: feature.DISK.from_pretrained("depth"))


@lru_cache(maxsize=2)
def _aliked(weights: str, count: int) -> torch.nn.Module:
    feature = need("kornia.feature", "kornia")
    # A threshold of 0 keeps the strongest; more would leave out all but those above it.
    settings = {"max_num_keypoints": count, "detection_threshold": 0.0}
    return published(
        "ALIKED",
        weights,
        lambda: feature.ALIKED(**settings),
        lambda: feature.ALIKED.from_pretrained(**settings),
    )


def published(
    name: str,
    weights: str,
    empty: Callable[[], torch.nn.Module],
    download: Callable[[], torch.nn.Module],
) -> torch.nn.Module:
    """A network of kornia's, ready to be asked.

    Args:
        name: what to call it in messages.
        weights: ``published`` or ``random``.
        empty: makes it with random weights.
        download: makes it with published weights.

    Raises:
        InputError: if there are no such weights.
        MachineError: if they cannot be downloaded.
    """
    import torch

    if weights not in ("published", "random"):
        raise InputError(f"{name} has no weights {weights!r}; there are: published, random")
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # kornia warns of each address it tries in vain
        torch.manual_seed(0)
        try:
            network = empty() if weights == "random" else download()
        except Exception as error:  # every layer of the network has errors of its own
            first: BaseException = error
            while first.__cause__:  # what kornia makes of it fills a screen
                first = first.__cause__
            raise MachineError(
                f"the weights of {name} cannot be had ({' '.join(str(first).split())}); connect to "
                f"the internet once, or put kornia's file into {torch.hub.get_dir()}/checkpoints"
            ) from error
    return network.eval().to(choose_device())
