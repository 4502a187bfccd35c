"""The network that a training begins with: published weights, random ones, a file, or a model."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import nn

from steeple.embedding.network import Architecture, EmbeddingNetwork, new_network
from steeple.embedding.preprocessing import ONE, Colours, Scales
from steeple.embedding.storage import is_model, load_model, read_header
from steeple.errors import InputError
from steeple.networks.trunk import load_imagenet
from steeple.networks.weights import fill, read_weights
from steeple.training.settings import ModelSettings, Settings

__all__ = ["Start", "begin", "begin_again", "with_model"]


@dataclass(frozen=True)
class Start:
    """A network that is to be trained, and what will stay true of it.

    Args:
        network: on the processor, in training mode.
        colours: what it expects.
        scales: at which sizes it looks at photos once it is a model.
        licence: of its weights; empty where nobody knows, or they are random.
    """

    network: EmbeddingNetwork
    colours: Colours
    scales: Scales
    licence: str = ""

    def to_dict(self) -> dict[str, Any]:
        """All but the weights, for JSON; `begin_again` reads it."""
        return {
            "architecture": asdict(self.network.architecture),
            "colours": asdict(self.colours),
            "scales": asdict(self.scales),
            "licence": self.licence,
        }


def with_model(settings: Settings) -> Settings:
    """The settings once ``[model]`` says what the model is that the weights come from.

    Raises:
        InputError: if the weights are of a folder that holds no readable model.
    """
    folder = Path(settings.model.weights)
    if not is_model(folder):
        return settings
    header = read_header(folder)
    names = ("backbone", "p", "learn_p", "p_per_channel")
    same = {name: header.architecture.get(name) for name in names}
    return settings.merged(dimension=header.dimension, **same)


def begin(settings: Settings) -> Start:
    """Makes the network of ``[model]``.

    Of a model, everything is taken but its classifier, which no model has: the second stage of the
    paper's recipe, and the way to a new city.

    Raises:
        InputError: if there is no such network, or the weights are not its own.
        MachineError: if published weights cannot be downloaded.
    """
    model, weights = settings.model, Path(settings.model.weights)
    if is_model(weights):
        found = load_model(weights)
        network = found.network.cpu().train()
        return Start(network, found.colours, found.scales, found.card.licence)
    network = new_network(_architecture(model), seed=settings.run.seed)
    trunk, licence = network.trunk, ""
    if model.weights == "imagenet":
        load_imagenet(trunk)
        licence = str(trunk.config.get("license") or "")
    elif model.weights == "random":
        if settings.schedule.freeze_batch_norm and _has_batch_norm(trunk):
            raise InputError(
                "schedule.freeze_batch_norm keeps the batch norms as they are, and with "
                "model.weights 'random' they have learned nothing; set it to false"
            )
    elif weights.is_file():
        fill(trunk.network, _named(read_weights(weights), model.backbone), str(weights))
    else:
        raise InputError(
            f"model.weights is {model.weights!r}, which is no model and no file; give the path of "
            "one, or imagenet or random"
        )
    return Start(network, Colours(trunk.mean, trunk.std), ONE, licence)


def begin_again(stored: dict[str, Any]) -> Start:
    """The same network with random weights, for those of a checkpoint to be put into.

    Args:
        stored: what `Start.to_dict` gave.
    """
    colours, scales = dict(stored["colours"]), dict(stored["scales"])
    return Start(
        new_network(Architecture(**stored["architecture"])),
        Colours(tuple(colours["mean"]), tuple(colours["std"]), colours["channels"]),
        Scales(**scales | {"factors": tuple(scales["factors"])}),
        str(stored["licence"]),
    )


def _architecture(model: ModelSettings) -> Architecture:
    return Architecture(
        backbone=model.backbone,
        dimension=model.dimension,
        p=model.p,
        learn_p=model.learn_p,
        p_per_channel=model.p_per_channel,
    )


def _named(weights: dict[str, Any], backbone: str) -> dict[str, Any]:
    """Weights under the names that the network gives them."""
    if backbone != "fishnet150":
        return weights
    from steeple.networks.fishnet import fishnet_names

    return fishnet_names(weights)


def _has_batch_norm(network: nn.Module) -> bool:
    kinds = nn.modules.batchnorm._BatchNorm
    return any(isinstance(module, kinds) for module in network.modules())
