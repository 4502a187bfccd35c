"""Tiny networks with random weights, and folders of them. Imported by path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from steeple.embedding.card import Card
from steeple.embedding.model import Model, on_device
from steeple.embedding.network import Architecture, EmbeddingNetwork, new_network
from steeple.embedding.storage import save_model
from steeple.networks.trunk import Trunk

BACKBONE = "test_resnet.r160_in1k"
HANDFUL = "a handful"  # of layers, for what takes time with every layer; cannot be read again


def small_model(
    name: str = "little",
    backbone: str = BACKBONE,
    *,
    dimension: int | None = 24,
    seed: int = 0,
    architecture: dict[str, Any] | None = None,
    **model: Any,
) -> Model:
    """A model that answers at once; its batch norms have seen something, its powers differ."""
    wanted = Architecture(backbone, dimension=dimension, **(architecture or {}))
    network = _handful(wanted, seed) if backbone == HANDFUL else new_network(wanted, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, value in network.named_buffers():
            if key.endswith("running_mean"):
                value.add_(0.1 * torch.randn(value.shape, generator=generator))
        if network.pool.p.numel() > 1:
            network.pool.p += torch.rand(network.pool.p.shape, generator=generator)
    card = Card(name, source="the tests", licence="CC0-1.0")
    return Model(on_device(network), card, **({"max_side": 96} | model))


def _handful(architecture: Architecture, seed: int) -> EmbeddingNetwork:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = torch.nn.Sequential(
            torch.nn.Conv2d(3, 12, 5, stride=4, padding=2, bias=False),
            torch.nn.BatchNorm2d(12),
            torch.nn.ReLU(),
            torch.nn.Conv2d(12, 20, 3, stride=2, padding=1),
        )
        return EmbeddingNetwork(architecture, Trunk(HANDFUL, layers), 20)


def save_small(folder: Path, name: str = "little", **options: Any) -> Path:
    """The folder of such a model."""
    save_model(small_model(name, **options), folder)
    return folder
