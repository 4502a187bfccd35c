"""A whole network without its classifier: images in, the last feature map out.

What `backbone` cuts off at a stage for local features, this takes to the end for descriptors.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from steeple.errors import InputError
from steeple.networks.fishnet import fishnet150, fishnet_names
from steeple.networks.weights import fill, imagenet_file, read_weights

__all__ = ["COLOUR", "FISHNET", "Trunk", "fill_trunk", "load_imagenet", "new_trunk"]

COLOUR = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and standard deviation of the colours of ImageNet's photos, RGB, 0..1."""

FISHNET = "fishnet150"
"""The network that timm lacks."""

_PROBE = 128, 160  # pixels; not square, because photos are not


class Trunk(nn.Module):
    """A network that ends with its last feature map.

    Args:
        name: timm's, or ``fishnet150``.
        network: takes (B, 3, H, W); gives maps, or tokens where it is a transformer.

    Attributes:
        config: timm's ``pretrained_cfg``: where its published weights are, their colours, their
            licence; empty where timm knows of none.
    """

    def __init__(self, name: str, network: nn.Module) -> None:
        super().__init__()
        self.name = name
        self.network = network
        self.config: dict[str, Any] = dict(getattr(network, "pretrained_cfg", None) or {})

    @property
    def mean(self) -> tuple[float, float, float]:
        """The mean of the colours that the published weights expect, RGB, 0..1."""
        red, green, blue = self.config.get("mean") or COLOUR[0]
        return red, green, blue

    @property
    def std(self) -> tuple[float, float, float]:
        """Their standard deviations."""
        red, green, blue = self.config.get("std") or COLOUR[1]
        return red, green, blue

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The last feature map.

        Args:
            images: (B, 3, H, W), colours normalised.

        Returns:
            (B, C, h, w).
        """
        found: torch.Tensor = self.network(images)
        if found.dim() == 3:
            return self._grid(found, images.shape[-2], images.shape[-1])
        if getattr(self.network, "output_fmt", "NCHW") == "NHWC":
            return found.permute(0, 3, 1, 2)
        return found

    def _grid(self, tokens: torch.Tensor, height: int, width: int) -> torch.Tensor:
        """The tokens of a transformer as a map; those that stand for no patch are left out."""
        network: Any = self.network
        patches = tokens[:, getattr(network, "num_prefix_tokens", 0) :]
        along_y, along_x = network.patch_embed.patch_size
        cells = math.ceil(height / along_y), math.ceil(width / along_x)
        return patches.transpose(1, 2).reshape(len(tokens), -1, *cells)


def new_trunk(name: str, *, seed: int = 0) -> tuple[Trunk, int]:
    """A network with random weights, in training mode.

    Args:
        name: timm's, such as ``resnet101``, or ``resnet101.tv_in1k`` for certain published weights;
            or ``fishnet150``.
        seed: of the weights.

    Returns:
        The network, and C, the channels of its map.

    Raises:
        InputError: if there is no such network, or it takes images of one size only.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        trunk = Trunk(name, _create(name))
    return trunk, _channels(name)


def load_imagenet(trunk: Trunk) -> None:
    """Gives a network its published weights, downloaded when first asked for.

    Raises:
        InputError: if nobody has published weights of this network.
        MachineError: if they cannot be downloaded.
    """
    file = imagenet_file(trunk.config, trunk.name)
    fill_trunk(trunk, read_weights(file), str(file))


def fill_trunk(trunk: Trunk, weights: Mapping[str, torch.Tensor], source: str) -> None:
    """Puts weights into a network, under the names that those who published them gave them.

    Args:
        trunk: the network.
        weights: name -> tensor, as `steeple.networks.weights.read_weights` gives them; a classifier
            may be among them.
        source: what to call them in messages.

    Raises:
        InputError: if one is missing, of another shape, or not finite.
    """
    if trunk.name == FISHNET:
        weights = fishnet_names(weights)
    fill(trunk.network, weights, source)


def _create(name: str) -> nn.Module:
    """A network of this name that ends with its map."""
    if name == FISHNET:
        return fishnet150()
    import timm

    if not timm.is_model(name):
        raise InputError(f"timm has no network {name!r}; choose another, such as resnet101")
    whole: dict[str, Any] = {"num_classes": 0, "global_pool": ""}
    try:
        try:
            # What transformers need to take images of any size; other networks do not know it.
            network: nn.Module = timm.create_model(
                name, dynamic_img_size=True, dynamic_img_pad=True, **whole
            )
        except TypeError:
            network = timm.create_model(name, **whole)
    except (RuntimeError, ValueError, TypeError) as error:
        raise InputError(
            f"{name} cannot be made ({_line(error)}); choose another network, such as resnet101"
        ) from error
    return network


def _channels(name: str) -> int:
    """Sends an image without content through a network without weights, and sees what comes out.

    Raises:
        InputError: if it takes images of one size only, or gives no map.
    """
    with torch.device("meta"), torch.no_grad():
        trunk = Trunk(name, _create(name)).eval()
        try:
            found = trunk(torch.empty(1, 3, *_PROBE))
        except (AssertionError, RuntimeError, ValueError, AttributeError) as error:
            # timm checks little, so what a network cannot do shows in many ways.
            raise InputError(
                f"{name} does not take images of any size ({_line(error)}); "
                "choose another network, such as resnet101"
            ) from error
    if found.dim() != 4:
        raise InputError(f"{name} gives no feature map; choose another, such as resnet101")
    return int(found.shape[1])


def _line(error: Exception) -> str:
    return " ".join((str(error) or type(error).__name__).split())
