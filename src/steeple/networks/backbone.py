"""A network cut off at a stage: images in, feature maps out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from steeple.errors import InputError
from steeple.extras import need
from steeple.networks.machine import choose_device
from steeple.networks.receptive import Receptive, measure_receptive
from steeple.networks.weights import fill, imagenet_file, read_weights

if TYPE_CHECKING:
    import torch

__all__ = ["Backbone", "load_backbone"]

_COLOUR = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # mean and spread of ImageNet's photos


@dataclass(frozen=True)
class Backbone:
    """The first stages of a network.

    Args:
        name: timm's, such as ``resnet50``.
        network: takes (B, 3, H, W) float32; the last of its outputs is the map. In eval mode.
        channels: C, of the map.
        receptive: which pixels the cells of the map look at.
        mean: (3,) of the colours that the network expects, 0..1.
        std: (3,) their standard deviations.
    """

    name: str
    network: torch.nn.Module
    channels: int
    receptive: Receptive
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def device(self) -> torch.device:
        """Where the network lies."""
        return next(self.network.parameters()).device

    def maps(self, images: npt.NDArray[np.uint8]) -> torch.Tensor:
        """The feature maps of images. Whether gradients are kept is for the caller to say.

        Args:
            images: (B, H, W, 3) uint8 RGB, of any size the network can take.

        Returns:
            (B, C, h, w) float32 on the device of the network.
        """
        import torch

        # Channels last in memory, as images are: convolutions are a fifth faster so.
        pixels = torch.from_numpy(np.ascontiguousarray(images)).to(self.device)
        mean = torch.tensor(self.mean, device=self.device) * 255
        std = torch.tensor(self.std, device=self.device) * 255
        result: torch.Tensor = self.network(((pixels - mean) / std).permute(0, 3, 1, 2))[-1]
        return result


def load_backbone(
    name: str, *, stride: int = 16, weights: str = "imagenet", seed: int = 0
) -> Backbone:
    """A network of timm's, cut off after the last stage of a stride.

    Args:
        name: timm's, such as ``resnet50``, or ``resnet50.tv_in1k`` for certain published weights.
        stride: pixels from one cell of the map to the next.
        weights: ``imagenet``, as published, downloaded when first asked for; ``random``; or the
            path of a state dict, ``.safetensors`` or ``.pth``.
        seed: of random weights.

    Raises:
        InputError: if there is no such network, stage or file, or they do not fit together.
        MachineError: if published weights cannot be downloaded.
        MissingExtraError: if PyTorch or timm is not installed.
    """
    need("torch", "torch")
    need("timm", "torch")
    import torch

    device = choose_device()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network: Any = _cut(name, stride)
    config: dict[str, Any] = getattr(network, "pretrained_cfg", None) or {}
    if weights == "imagenet":
        file = imagenet_file(config, name)
        fill(network, read_weights(file), str(file))
    elif weights != "random":
        if not Path(weights).is_file():
            raise InputError(
                f"{weights}: no such file of weights; give one, or 'imagenet' or 'random'"
            )
        fill(network, read_weights(Path(weights)), weights)
    mean, std = config.get("mean", _COLOUR[0]), config.get("std", _COLOUR[1])
    return Backbone(
        name,
        network.eval().to(device, memory_format=torch.channels_last),
        int(network.feature_info.channels()[-1]),
        measure_receptive(network, name),
        tuple(mean),
        tuple(std),
    )


def _cut(name: str, stride: int) -> torch.nn.Module:
    import timm

    try:
        whole: Any = timm.create_model(name, features_only=True)
        strides = whole.feature_info.reduction()
        stages = [stage for stage, found in enumerate(strides) if found == stride]
        if stages:
            network: torch.nn.Module = timm.create_model(
                name, features_only=True, out_indices=(stages[-1],)
            )
            return network
    except (RuntimeError, ValueError, TypeError, AttributeError, AssertionError) as error:
        # timm checks little, so what a network cannot do shows in many ways.
        raise InputError(
            f"timm has no network {name!r} that can be cut at a stage "
            f"({' '.join(str(error).split())}); choose another, such as resnet50"
        ) from error
    raise InputError(
        f"{name} has no stage of stride {stride}; there are: {', '.join(map(str, strides))}"
    )
