"""Checkpoints in pycls' names: CVNet, which SuperGlobal uses too, and DELG. Needs ``torch``.

Lee et al., CVPR 2022; Shao et al., ICCV 2023; Cao et al., ECCV 2020. A file is ``{'model_state'}``.
The descriptor: map, GeM, FC, L2, averaged over the three scales of Revisited Oxford and Paris.
Photos are BGR. What belongs to re-ranking or to local features is left out. SuperGlobal's own
changes to pooling are no part of its weights, which are CVNet's.
"""

from __future__ import annotations

import re

import torch

from steeple.embedding.card import Card
from steeple.embedding.checkpoints.stored import (
    Looks,
    Stored,
    assemble,
    check_backbone,
    power,
    resnet_name,
)
from steeple.embedding.model import Model
from steeple.embedding.network import Architecture
from steeple.embedding.preprocessing import REVISITED, Colours

__all__ = ["PREFIX", "read"]

PREFIX = re.compile(r"(encoder_q\.|globalmodel\.|)stem\.conv\.weight")
"""The name of the first convolution: what stands before it stands before all of the network."""

_COLOURS = Colours((0.406, 0.456, 0.485), (0.225, 0.224, 0.229), "BGR")
_SIDE = 1024  # pixels
_STEM = {"stem.conv": "conv1", "stem.bn": "bn1"}
_BLOCK = {"proj": "downsample.0", "bn": "downsample.1"} | {
    f"f.{letter}{ours}": f"{theirs}{number}"
    for number, letter in enumerate("abc", 1)
    for ours, theirs in (("", "conv"), ("_bn", "bn"))
}
"""Inside a block: torchvision's names. The stride is in the second convolution in both."""


def read(
    stored: Stored, card: Card, *, backbone: str | None = None, whitening: str | None = None
) -> Model:
    """A checkpoint of CVNet or DELG as a model.

    Args:
        stored: the file.
        card: of the model.
        backbone: what the user takes it to be.
        whitening: ``none`` or None: there is none beside the network.

    Raises:
        InputError: if it is of another kind of network, or damaged.
    """
    if whitening not in (None, "none"):
        raise stored.refuse(f"has no whitening {whitening!r}; it has none")
    prefix = _prefix(stored)
    inner = {
        _renamed(name.removeprefix(prefix)): value
        for name, value in stored.weights.items()
        if name.startswith(prefix)
    }
    backbone = check_backbone(stored, resnet_name(inner), backbone)
    # Without GeM it is a classifier of pycls, and its last layer tells classes, not landmarks.
    embeds = "head.pool.p" in inner
    if not embeds and any(name.startswith("localmodel.") for name in stored.weights):
        raise stored.refuse(
            "has local features and no GeM: a network such as DOLG, whose descriptor mixes both, "
            "cannot be read"
        )
    p, per_channel = power(stored, inner, "head.pool.p") if embeds else (3.0, False)
    weights: dict[str, torch.Tensor] = {} if embeds else {"pool.p": torch.full((1,), p)}
    for name, value in inner.items():
        weights[_placed(name, embeds)] = value
    rest = {name: value for name, value in stored.weights.items() if not name.startswith(prefix)}
    architecture = Architecture(
        backbone,
        dimension=_dimension(stored, weights) if embeds else None,
        p=p,
        p_per_channel=per_channel,
        bias="fc.bias" in weights,
        batch_norm=False,
    )
    looks = Looks(_COLOURS, REVISITED, _SIDE)
    aside = (*rest, "head.")
    return assemble(stored, architecture, weights | rest, card, looks, aside=aside)


def _prefix(stored: Stored) -> str:
    for name in stored.weights:
        match = PREFIX.fullmatch(name)
        if match:
            return match[1]
    raise stored.refuse("stem.conv.weight is missing: it is no checkpoint in pycls' names")


def _dimension(stored: Stored, weights: dict[str, torch.Tensor]) -> int:
    if "fc.weight" not in weights:
        raise stored.refuse("head.fc.weight is missing; the file is damaged, replace it")
    return len(weights["fc.weight"])


def _renamed(name: str) -> str:
    """The name that torchvision has; itself where there is none."""
    for theirs, ours in _STEM.items():
        if name.startswith(f"{theirs}."):
            return ours + name.removeprefix(theirs)
    match = re.fullmatch(r"s([1-4])\.b(\d+)\.(.+)\.(\w+)", name)
    if match is None or match[3] not in _BLOCK:
        return name
    return f"layer{match[1]}.{int(match[2]) - 1}.{_BLOCK[match[3]]}.{match[4]}"


def _placed(name: str, embeds: bool) -> str:
    """The name in `EmbeddingNetwork` of torchvision's."""
    if name.startswith("head."):
        return name.removeprefix("head.") if embeds else name
    return f"trunk.network.{name}"
