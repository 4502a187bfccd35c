"""All that learns: a network, a head behind it, and what changes their weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from steeple.embedding.network import EmbeddingNetwork
from steeple.embedding.preprocessing import Colours
from steeple.errors import InputError
from steeple.training.averaging import Average
from steeple.training.freezing import freeze_batch_norm
from steeple.training.heads import Head
from steeple.training.settings import ScheduleSettings

__all__ = ["Learner", "Trainee", "new_trainee"]


class Learner(nn.Module):
    """Photos and their landmarks in, a loss out.

    Args:
        network: describes the photos.
        head: compares descriptors with landmarks.
        colours: what the network expects.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, network: EmbeddingNetwork, head: Head, colours: Colours) -> None:
        super().__init__()
        self.network = network
        self.head = head
        self._reversed = colours.channels == "BGR"
        self.register_buffer("mean", torch.tensor(colours.mean) * 255, persistent=False)
        self.register_buffer("std", torch.tensor(colours.std) * 255, persistent=False)

    def forward(self, images: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The loss of a batch.

        Args:
            images: (B, H, W, 3) uint8 RGB; as they are, their channels are last in memory, and so
                they stay.
            targets: (B,) int64, landmarks.

        Returns:
            Scalar float32.
        """
        pixels = images.flip(-1) if self._reversed else images
        normal = ((pixels - self.mean) / self.std).permute(0, 3, 1, 2)
        loss: torch.Tensor = self.head(self.network.raw(normal), targets)
        return loss


class Trainee:
    """A learner, and everything that goes with it from step to step.

    Args:
        learner: where it trains.
        optimizer: of its parameters.
        scaler: of its gradients, which does nothing unless they are float16.
        average: of its network's weights; None if nobody wants one.
    """

    def __init__(
        self,
        learner: Learner,
        optimizer: torch.optim.Optimizer,
        scaler: torch.amp.GradScaler,
        average: Average | None,
    ) -> None:
        self.learner = learner
        self.optimizer = optimizer
        self.scaler = scaler
        self.average = average

    @property
    def network(self) -> EmbeddingNetwork:
        """The network alone."""
        return self.learner.network

    def parameters(self) -> dict[str, nn.Parameter]:
        """What the optimizer changes, by name."""
        named = self.learner.named_parameters()
        return {name: value for name, value in named if value.requires_grad}

    def set_rate(self, rate: float) -> None:
        """Sets the rate of the next step."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["factor"]


def new_trainee(
    network: EmbeddingNetwork,
    head: Head,
    colours: Colours,
    settings: ScheduleSettings,
    device: torch.device,
) -> Trainee:
    """Puts a network and a head where they train, ready for the first step.

    Weight decay is on every weight, as the paper's beta * ||W||^2, but on the power of GeM: that
    is no weight, and would be drawn to zero.

    Args:
        network: with the weights to begin with.
        head: likewise.
        colours: what the network expects.
        settings: of the descent.
        device: where they train.

    Raises:
        InputError: if the precision does not go with the head or the device.
    """
    _check_precision(head, settings, device)
    if settings.freeze_batch_norm:
        freeze_batch_norm(network.trunk)
    learner = Learner(network, head, colours)
    learner.to(device).to(memory_format=torch.channels_last)
    learner.train()
    powers = {id(value) for value in network.pool.parameters()}
    body = [value for value in network.parameters() if value.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [value for value in body if id(value) not in powers]},
        {"params": [value for value in body if id(value) in powers], "weight_decay": 0.0},
        {"params": list(head.parameters()), "factor": settings.head_rate},
    ]
    optimizer = _new_optimizer(
        [{"factor": 1.0, **group} for group in groups if group["params"]], settings
    )
    average = Average(network, settings.ema) if settings.ema else None
    scaler = torch.amp.GradScaler(device.type, enabled=settings.precision == "float16")
    return Trainee(learner, optimizer, scaler, average)


def _new_optimizer(
    groups: list[dict[str, Any]], settings: ScheduleSettings
) -> torch.optim.Optimizer:
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=settings.rate, weight_decay=settings.decay)
    return torch.optim.SGD(
        groups, lr=settings.rate, momentum=settings.momentum, weight_decay=settings.decay
    )


def _check_precision(head: Head, settings: ScheduleSettings, device: torch.device) -> None:
    if settings.precision != "float16":
        return
    if device.type == "cpu":
        raise InputError(
            "schedule.precision is 'float16', which needs a GPU; give bfloat16 or float32"
        )
    if not list(head.parameters()):
        raise InputError(
            "schedule.precision is 'float16', which does not go with a head of sampled landmarks "
            "(head.sampled); give bfloat16 or float32"
        )
