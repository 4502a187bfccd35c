"""Weights of a network alone: torchvision's, timm's, DINOv2's. Needs the extra ``torch``.

Nothing behind the map was learned, so the descriptor is what `imagenet_model` makes of published
weights: GeM with p = 3 and L2.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

import torch
from torch import nn

from steeple.embedding.card import Card
from steeple.embedding.checkpoints.stored import (
    Looks,
    Stored,
    assemble,
    check_backbone,
    resnet_name,
)
from steeple.embedding.model import Model
from steeple.embedding.network import Architecture
from steeple.networks.trunk import new_trunk

__all__ = ["read"]

_CLASSIFIERS = ("fc.", "head.", "head_dist.", "classifier.", "last_linear.")


def read(
    stored: Stored, card: Card, *, backbone: str | None = None, whitening: str | None = None
) -> Model:
    """The weights of a network as a model.

    Args:
        stored: the file.
        card: of the model.
        backbone: timm's name of the network; None finds out for ResNets, and for files that say.
        whitening: ``none`` or None: there is none beside the network.

    Raises:
        InputError: if it is of another network, or damaged, or nobody knows of which.
    """
    if whitening not in (None, "none"):
        raise stored.refuse(f"has no whitening {whitening!r}; it has none")
    said = stored.content.get("arch")  # as the training scripts of PyTorch and timm write it
    found = said if isinstance(said, str) else resnet_name(stored.weights)
    # Other networks have the names of ResNets too, so what the user says counts.
    backbone = check_backbone(stored, found if backbone is None else None, backbone)
    architecture = Architecture(backbone, dimension=None)
    trunk, _ = new_trunk(backbone)
    inner = _converted(stored.weights, trunk.network)
    weights = {f"trunk.network.{name}": value for name, value in inner.items()}
    weights["pool.p"] = torch.full((1,), architecture.p)
    aside = tuple(f"trunk.network.{name}" for name in _CLASSIFIERS)
    return assemble(stored, architecture, weights, card, Looks(), aside=aside)


def _converted(
    weights: Mapping[str, torch.Tensor], network: nn.Module
) -> Mapping[str, torch.Tensor]:
    """The weights by timm's names, where timm knows those that the publishers use (DINOv2)."""
    shapes = {name: value.shape for name, value in network.state_dict().items()}
    if all(name in weights and weights[name].shape == shape for name, shape in shapes.items()):
        return weights
    convert = getattr(sys.modules[type(network).__module__], "checkpoint_filter_fn", None)
    if convert is None:
        return weights
    try:
        found: Mapping[str, torch.Tensor] = convert(dict(weights), network)
    except (KeyError, IndexError, RuntimeError, ValueError, AttributeError, TypeError):
        return weights  # of something else altogether: what is missing is said when it is filled in
    return found
