"""Batch norms that are frozen stay as they are, whatever is said to the network."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from steeple.networks.trunk import new_trunk
from steeple.training.freezing import freeze_batch_norm


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(), nn.Flatten(),
        nn.Sequential(nn.Linear(16, 5), nn.BatchNorm1d(5)),
    )  # fmt: skip


@pytest.mark.parametrize("copied", [False, True])
def test_statistics_and_scales_stay(network: nn.Module, copied: bool) -> None:
    names = list(network.state_dict())
    assert freeze_batch_norm(network) == 2
    network = copy.deepcopy(network) if copied else network
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network.train()
    optimizer = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=1.0)
    for _ in range(2):
        loss = network(torch.randn(6, 3, 4, 4)).square().sum()
        torch.autograd.backward(loss)
        optimizer.step()
    after = network.state_dict()
    assert list(after) == names
    changed = {name for name in names if not torch.equal(before[name], after[name])}
    assert changed == {"0.weight", "0.bias", "5.0.weight", "5.0.bias"}
    norms = [
        part for part in network.modules() if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d)
    ]
    assert all(not norm.training for norm in norms)
    assert network[3].training  # type: ignore[index]


def test_those_of_timm_are_found() -> None:
    trunk, _ = new_trunk("test_efficientnet")
    count = sum("running_mean" in name for name in trunk.state_dict())
    assert freeze_batch_norm(trunk) == count > 5
    assert freeze_batch_norm(new_trunk("test_vit")[0]) == 0
