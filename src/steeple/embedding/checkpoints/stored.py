"""A checkpoint that was read, and how its parts become a model. Needs the extra ``torch``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from steeple.embedding.card import Card
from steeple.embedding.checkpoints.unpickling import read_stored
from steeple.embedding.model import Model, on_device
from steeple.embedding.network import Architecture, new_network
from steeple.embedding.preprocessing import ONE, Colours, Scales
from steeple.errors import InputError
from steeple.networks.weights import fill

__all__ = ["Looks", "Stored", "assemble", "check_backbone", "linear", "power", "resnet_name"]

_NESTED = ("state_dict", "model_state", "model", "state_dict_ema")
_RESNETS: dict[tuple[bool, tuple[int, ...]], str] = {
    (False, (2, 2, 2, 2)): "resnet18",
    (False, (3, 4, 6, 3)): "resnet34",
    (True, (3, 4, 6, 3)): "resnet50",
    (True, (3, 4, 23, 3)): "resnet101",
    (True, (3, 8, 36, 3)): "resnet152",
}
"""By whether the blocks are bottlenecks, and how many each stage has."""


@dataclass(frozen=True)
class Stored:
    """What a file holds.

    Args:
        path: of the file.
        content: what it holds, by name.
    """

    path: Path
    content: Mapping[str, Any]

    @classmethod
    def open(cls, path: Path) -> Stored:
        """Reads a file.

        Raises:
            InputError: if it cannot be read, or could only be read by running what it says.
        """
        return cls(path, read_stored(path))

    @cached_property
    def weights(self) -> dict[str, torch.Tensor]:
        """Name -> tensor; names without the ``module.`` of DataParallel.

        Raises:
            InputError: if there are none, or one is not finite.
        """
        found: Any = self.content
        for name in _NESTED:
            if isinstance(found.get(name), Mapping):
                found = found[name]
                break
        tensors = {
            str(name).removeprefix("module."): value
            for name, value in found.items()
            if isinstance(value, torch.Tensor)
        }
        if not tensors:
            raise self.refuse("holds no weights; give the file of a network")
        for name, value in tensors.items():
            if not value.isfinite().all():
                raise self.refuse(f"{name} is not finite; the file is damaged, replace it")
        return tensors

    def refuse(self, reason: str) -> InputError:
        """The error that this file is no such checkpoint."""
        return InputError(f"{self.path}: {reason}")


@dataclass(frozen=True)
class Looks:
    """How a model looks at photos.

    Args:
        colours: what the network expects; None takes what timm says of the backbone.
        scales: at which sizes.
        max_side: long side, in pixels, at scale 1.
    """

    colours: Colours | None = None
    scales: Scales = ONE
    max_side: int = 512


def assemble(
    stored: Stored,
    architecture: Architecture,
    weights: Mapping[str, torch.Tensor],
    card: Card,
    looks: Looks,
    *,
    aside: tuple[str, ...] = (),
) -> Model:
    """A model out of the parts of a checkpoint.

    Args:
        stored: the file they come from.
        architecture: of the network.
        weights: by the names of `EmbeddingNetwork`.
        card: of the model; what was left out is noted in its record.
        looks: how it looks at photos.
        aside: beginnings of names that are known to be no part of a descriptor, such as those of a
            classifier.

    Raises:
        InputError: if weights are missing, of another shape, or there are more of them than the
            network has places.
    """
    network = new_network(architecture)
    wanted = network.state_dict()
    over = [name for name in weights if name not in wanted]
    unknown = [name for name in over if not name.startswith(aside)] if aside else over
    if unknown:
        first = unknown[0].removeprefix("trunk.network.")
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        raise stored.refuse(
            f"{first}{more} have no place in {architecture.backbone}; "
            "name the network that the weights belong to (--backbone)"
        )
    fill(network, {name: weights[name] for name in weights if name in wanted}, str(stored.path))
    trunk = network.trunk
    colours = looks.colours or Colours(trunk.mean, trunk.std)
    layers = {name.rpartition(".")[0] or name for name in over}
    left = sorted(name.removeprefix("trunk.network.") for name in layers)
    card = replace(card, training=card.training | {"left_out": left})
    return Model(on_device(network), card, colours, looks.scales, looks.max_side)


def resnet_name(weights: Mapping[str, torch.Tensor]) -> str | None:
    """Which ResNet has weights of these names (torchvision's); None if none has.

    ResNet-50 and ResNeXt-50 have the same names: whether it is one shows in the shapes, which
    `assemble` checks.
    """
    stages = tuple(
        len({name.split(".")[1] for name in weights if name.startswith(f"layer{stage}.")})
        for stage in (1, 2, 3, 4)
    )
    return _RESNETS.get(("layer1.0.conv3.weight" in weights, stages))


def check_backbone(stored: Stored, found: str | None, asked: str | None) -> str:
    """The backbone that a file has and the one that was asked for, if they agree.

    Raises:
        InputError: if they do not, or nobody knows one.
    """
    if found is None and asked is None:
        raise stored.refuse("does not say what network it is of; name it (--backbone resnet101)")
    if found is not None and asked is not None and asked.partition(".")[0] != found:
        raise stored.refuse(f"is of {found}, not of {asked}; leave --backbone out")
    return asked or str(found)


def power(stored: Stored, weights: Mapping[str, torch.Tensor], name: str) -> tuple[float, bool]:
    """The power of GeM, its mean where every channel has its own, and whether it has.

    Raises:
        InputError: if it is not there.
    """
    if name not in weights:
        raise stored.refuse(f"{name} is missing, so it is not pooled by GeM; this cannot be read")
    p = weights[name].float()
    return float(p.mean()), p.numel() > 1


def linear(
    stored: Stored, name: str, matrix: npt.NDArray[Any], mean: npt.NDArray[Any]
) -> dict[str, torch.Tensor]:
    """The whitening y = P(x - m) as weight P and bias -Pm, computed in float64.

    Args:
        stored: the file it comes from.
        name: of the layer: weights are called ``name.weight`` and ``name.bias``.
        matrix: P, (D', D).
        mean: m, D numbers in any shape.

    Raises:
        InputError: if the shapes do not fit, or a number is not finite.
    """
    matrix, mean = np.asarray(matrix, np.float64), np.asarray(mean, np.float64).reshape(-1)
    if matrix.ndim != 2 or mean.shape != matrix.shape[1:]:
        raise stored.refuse(
            f"its whitening has a matrix of {matrix.shape} and a mean of {mean.shape}; "
            "the file is damaged, replace it"
        )
    if not (np.isfinite(matrix).all() and np.isfinite(mean).all()):
        raise stored.refuse("its whitening is not finite; the file is damaged, replace it")
    return {
        f"{name}.weight": torch.from_numpy(matrix).float(),
        f"{name}.bias": torch.from_numpy(-matrix @ mean).float(),
    }
