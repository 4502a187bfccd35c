"""Checkpoints of cirtorch (Radenovic, Tolias, Chum, TPAMI 2019). Needs the extra ``torch``.

A file is ``{'meta', 'state_dict'}``. The descriptor: map, GeM, L2; where there is a whitening
layer, FC and L2 again. At several scales those are averaged, or put together by a power mean with
the p of GeM where nothing whitens. ``meta['Lw']`` may hold whitenings y = P(x - m) learned
afterwards, for one scale (``ss``) and for several (``ms``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from steeple.embedding.card import Card
from steeple.embedding.checkpoints.stored import (
    Looks,
    Stored,
    assemble,
    check_backbone,
    linear,
    power,
)
from steeple.embedding.checkpoints.whitening import choose
from steeple.embedding.model import Model
from steeple.embedding.network import Architecture
from steeple.embedding.preprocessing import ONE, REVISITED, Colours

__all__ = ["read"]

_CHILDREN = {
    "0": "conv1",
    "1": "bn1",
    "4": "layer1",
    "5": "layer2",
    "6": "layer3",
    "7": "layer4",
}
"""The network is kept as the list of its children: those of torchvision's ResNet, numbered."""

_RESNETS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
_SIDE = 1024  # pixels; what their tests look at


def read(
    stored: Stored, card: Card, *, backbone: str | None = None, whitening: str | None = None
) -> Model:
    """A checkpoint of cirtorch as a model.

    Args:
        stored: the file.
        card: of the model.
        backbone: what the user takes it to be.
        whitening: of those in ``meta['Lw']``; ``none`` for none, None for ``retrieval-SfM-120k``
            or what there is. A whitening layer that was trained with the network is part of it
            either way.

    Raises:
        InputError: if it is of another kind of network, or damaged.
    """
    meta = _checked_meta(stored)
    backbone = check_backbone(stored, str(meta["architecture"]), backbone)
    given = dict(stored.weights)
    weights = {_renamed(name): value for name, value in given.items()}
    if meta["pooling"] == "spoc":
        p, per_channel = 1.0, False
        weights["pool.p"] = torch.ones(1)
    else:
        p, per_channel = power(stored, weights, "pool.p")
        weights["pool.p"] = weights["pool.p"].reshape(-1)
    layer = "fc.weight" in weights
    learned = choose(stored, _learned(stored, meta), whitening, "retrieval-SfM-120k")
    if learned is not None:
        weights |= linear(stored, "whitening" if layer else "fc", *learned[1])
        card = replace(card, training=card.training | {"whitening": learned[0]})
    architecture = Architecture(
        backbone,
        dimension=len(weights["fc.weight"]) if "fc.weight" in weights else None,
        p=p,
        p_per_channel=per_channel,
        normalise_pooled=True,
        bias="fc.bias" in weights,
        batch_norm=False,
        whitening=len(weights["whitening.weight"]) if "whitening.weight" in weights else None,
    )
    several = replace(REVISITED, power=1.0 if layer or per_channel else p)
    # What is learned afterwards belongs behind the mean over scales: here it is exact for one.
    looks = Looks(_colours(stored, meta), several if learned is None else ONE, _SIDE)
    return assemble(stored, architecture, weights, card, looks)


def _checked_meta(stored: Stored) -> Mapping[str, Any]:
    meta = stored.content.get("meta")
    if not isinstance(meta, Mapping) or not {"architecture", "pooling"} <= set(meta):
        raise stored.refuse("is no checkpoint of cirtorch: it has no 'meta' with an architecture")
    if meta["architecture"] not in _RESNETS:
        raise stored.refuse(
            f"is of {meta['architecture']}; of cirtorch's networks, those of ResNets can be read"
        )
    if meta["pooling"] not in ("gem", "gemmp", "spoc"):
        raise stored.refuse(f"pools by {meta['pooling']}; gem and spoc can be read")
    for name in ("regional", "local_whitening"):
        if meta.get(name):
            raise stored.refuse(f"has {name.replace('_', ' ')} descriptors, which cannot be read")
    return meta


def _renamed(name: str) -> str:
    """The name in `EmbeddingNetwork`; itself where there is none."""
    first, _, rest = name.partition(".")
    if first == "whiten":
        return f"fc.{rest}"
    child, _, inner = rest.partition(".")
    if first == "features" and child in _CHILDREN:
        return f"trunk.network.{_CHILDREN[child]}.{inner}"
    return name


def _learned(stored: Stored, meta: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Data set -> P and m of the whitening for one scale."""
    try:
        return {
            str(name): (both["ss"]["P"], both["ss"]["m"])
            for name, both in (meta.get("Lw") or {}).items()
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise stored.refuse("its whitenings 'Lw' cannot be understood; replace the file") from error


def _colours(stored: Stored, meta: Mapping[str, Any]) -> Colours:
    try:
        red, green, blue = (float(value) for value in meta["mean"])
        deviations = [float(value) for value in meta["std"]]
        return Colours((red, green, blue), (deviations[0], deviations[1], deviations[2]))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise stored.refuse("'meta' has no mean and std of three numbers each") from error
