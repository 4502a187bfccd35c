"""The mean of the weights against a literal one, and networks that get it and give it back."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from steeple.training.averaging import Average


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


def walk(network: nn.Module, average: Average, steps: int) -> list[dict[str, np.ndarray]]:
    """Changes all weights at random; returns what they were after each step."""
    seen = []
    for step in range(steps):
        with torch.no_grad():
            for value in network.parameters():
                value.add_(torch.randn_like(value))
        network(torch.randn(5, 3) + step)  # moves the statistics and the counter
        average.update()
        seen.append({k: v.clone().numpy() for k, v in network.state_dict().items()})
    return seen


@pytest.mark.parametrize("decay", [0.5, 0.9, 0.999])
def test_against_the_formula(network: nn.Module, decay: float) -> None:
    expected = {k: v.clone().numpy() for k, v in network.state_dict().items()}
    average = Average(network, decay)
    for n, weights in enumerate(walk(network, average, 30), start=1):
        d = min(decay, (1 + n) / (10 + n))
        expected = {k: d * expected[k] + (1 - d) * weights[k] for k in expected}
    assert average.updates == 30
    for name, value in average.state().items():
        if name.endswith("num_batches_tracked"):
            assert int(value) == 30
        else:
            np.testing.assert_allclose(value.numpy(), expected[name], rtol=1e-5, atol=1e-6)


def test_constant_weights_are_their_own_mean(network: nn.Module) -> None:
    average = Average(network, 0.99)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    for _ in range(5):
        average.update()
    for name, value in average.state().items():
        torch.testing.assert_close(value, before[name])


def test_applied_for_a_while_and_for_good(network: nn.Module) -> None:
    average = Average(network, 0.9)
    walk(network, average, 3)
    own = {name: value.clone() for name, value in network.state_dict().items()}
    with average.applied():
        for name, value in network.state_dict().items():
            assert torch.equal(value, average.state()[name])
    assert all(torch.equal(value, own[name]) for name, value in network.state_dict().items())
    average.apply()
    assert not torch.equal(network.state_dict()["0.weight"], own["0.weight"])
    average.state()["0.weight"].zero_()
    assert network.state_dict()["0.weight"].any()  # a copy, not the mean itself


def test_goes_on_from_a_stored_one(network: nn.Module) -> None:
    average = Average(network, 0.99)
    walk(network, average, 4)
    stored = {name: value.clone() for name, value in average.state().items()}
    other = Average(network, 0.99)
    other.restore(stored, average.updates)
    for one in (average, other):
        one.update()
    assert all(torch.equal(v, other.state()[name]) for name, v in average.state().items())
