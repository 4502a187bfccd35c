"""The paper's network: backbone, GeM, FC, BN, L2. Needs the extra ``torch``.

Section 3 of the paper; what other groups publish differs from it in a few places, and
`Architecture` says in which.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from steeple.embedding.pooling import GeM
from steeple.embedding.values import is_number, is_whole
from steeple.errors import InputError
from steeple.networks.trunk import Trunk, new_trunk

__all__ = ["Architecture", "EmbeddingNetwork", "new_network"]


@dataclass(frozen=True)
class Architecture:
    """What a network is made of.

    Args:
        backbone: timm's name, or ``fishnet150``.
        dimension: of the descriptor; None leaves the pooled features as they are, without FC.
        p: the power of GeM to begin with; 1 averages.
        learn_p: whether training changes it.
        p_per_channel: whether each channel has its own.
        normalise_pooled: whether pooled features are L2-normalised before the FC.
        bias: whether the FC has one.
        batch_norm: whether a batch norm follows it.
        whitening: of a second FC, which is given the outcome of the first L2-normalised: the PCA
            whitening that some groups publish beside their network; None leaves it out.
    """

    backbone: str = "resnet101"
    dimension: int | None = 512
    p: float = 3.0
    learn_p: bool = False
    p_per_channel: bool = False
    normalise_pooled: bool = False
    bias: bool = True
    batch_norm: bool = True
    whitening: int | None = None

    def __post_init__(self) -> None:
        """Refuses what makes no network.

        Raises:
            InputError: if a value is of another type, or a number out of range.
        """
        if not isinstance(self.backbone, str) or not self.backbone:
            raise InputError(
                f"no network is called {self.backbone!r}; choose one, such as resnet101"
            )
        for name in ("learn_p", "p_per_channel", "normalise_pooled", "bias", "batch_norm"):
            if not isinstance(getattr(self, name), bool):
                raise InputError(f"{name} is {getattr(self, name)!r}; say true or false")
        for dimension in (self.dimension, self.whitening):
            if dimension is not None and not (is_whole(dimension) and dimension > 0):
                raise InputError(f"a descriptor of {dimension!r} numbers is none; ask for 512")
        if not is_number(self.p) or not 0 < self.p <= 100:
            raise InputError(f"GeM has no power {self.p!r}; give one above 0, such as 3")


class EmbeddingNetwork(nn.Module):
    """Images to descriptors.

    Args:
        architecture: what it is made of.
        trunk: the backbone.
        channels: C, of its map.

    Attributes:
        dimension: D, of the descriptors.
    """

    def __init__(self, architecture: Architecture, trunk: Trunk, channels: int) -> None:
        super().__init__()
        self.architecture = architecture
        pooled = architecture.dimension or channels
        self.dimension = architecture.whitening or pooled
        self.trunk = trunk
        self.pool = GeM(
            architecture.p,
            learnable=architecture.learn_p,
            channels=channels if architecture.p_per_channel else None,
        )
        self.fc: nn.Module = nn.Identity()
        self.bn: nn.Module = nn.Identity()
        if architecture.dimension is not None:
            self.fc = nn.Linear(channels, architecture.dimension, bias=architecture.bias)
            if architecture.batch_norm:
                self.bn = nn.BatchNorm1d(architecture.dimension)
        self.whitening: nn.Module = nn.Identity()
        if architecture.whitening is not None:
            self.whitening = nn.Linear(pooled, architecture.whitening)

    def raw(self, images: torch.Tensor) -> torch.Tensor:
        """Descriptors before the last normalisation, which heads are trained on.

        Args:
            images: (B, 3, H, W) of any size, colours normalised.

        Returns:
            (B, D) float32.
        """
        pooled = self.pool(self.trunk(images))
        if self.architecture.normalise_pooled:
            pooled = functional.normalize(pooled, dim=1)
        found: torch.Tensor = self.bn(self.fc(pooled))
        if self.architecture.whitening is not None:
            found = self.whitening(functional.normalize(found, dim=1))
        return found.float()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Descriptors: (B, D) float32, L2-normalised."""
        return functional.normalize(self.raw(images), dim=1)


def new_network(architecture: Architecture, *, seed: int = 0) -> EmbeddingNetwork:
    """A network with random weights, in training mode.

    Raises:
        InputError: if there is no such backbone, or it takes images of one size only.
    """
    trunk, channels = new_trunk(architecture.backbone, seed=seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return EmbeddingNetwork(architecture, trunk, channels)
