"""The paper's network: its parts in order, in double precision by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from steeple.embedding.network import Architecture, EmbeddingNetwork, new_network
from steeple.errors import InputError

_TINY = "test_resnet"


def _images(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def _lived(architecture: Architecture) -> EmbeddingNetwork:
    """A network whose batch norms have seen something."""
    network = new_network(architecture, seed=3)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm1d):
                generator = torch.Generator().manual_seed(5)
                for values in (module.running_mean, module.bias):
                    assert values is not None
                    values.copy_(torch.randn(len(values), generator=generator))
                for values in (module.running_var, module.weight):
                    assert values is not None
                    values.copy_(torch.rand(len(values), generator=generator) + 0.5)
    return network.eval()


@pytest.mark.parametrize("normalise", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("whitening", [None, 5])
def test_every_part_by_hand(
    normalise: bool, bias: bool, batch_norm: bool, whitening: int | None
) -> None:
    network: Any = _lived(
        Architecture(
            _TINY,
            8,
            normalise_pooled=normalise,
            bias=bias,
            batch_norm=batch_norm,
            whitening=whitening,
        )
    )
    images = _images(3, 3, 48, 64)
    with torch.no_grad():
        found = network(images).numpy()
        maps = network.trunk(images).double().numpy()
    x = (np.maximum(maps, 1e-6) ** 3).mean(axis=(2, 3)) ** (1 / 3)
    if normalise:
        x /= np.linalg.norm(x, axis=1, keepdims=True)
    x = x @ network.fc.weight.detach().double().numpy().T
    if bias:
        x += network.fc.bias.detach().double().numpy()
    if batch_norm:
        bn = network.bn
        mean, var = bn.running_mean.double().numpy(), bn.running_var.double().numpy()
        gain, shift = bn.weight.detach().double().numpy(), bn.bias.detach().double().numpy()
        x = (x - mean) / np.sqrt(var + 1e-5) * gain + shift
    if whitening:
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        weight = network.whitening.weight.detach().double().numpy()
        x = x @ weight.T + network.whitening.bias.detach().double().numpy()
    assert network.dimension == (whitening or 8)
    np.testing.assert_allclose(network.raw(images).detach().numpy(), x, rtol=1e-4, atol=1e-5)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    np.testing.assert_allclose(found, x, rtol=1e-4, atol=1e-5)


def test_without_an_fc_the_pooled_features_remain() -> None:
    network = new_network(Architecture(_TINY, None)).eval()
    images = _images(1, 3, 32, 64)
    with torch.no_grad():
        assert torch.equal(network.raw(images), network.pool(network.trunk(images)))
    assert network.dimension == 96
    assert not [name for name in network.state_dict() if name.startswith(("fc", "bn"))]


def test_the_paper_s_is_the_default() -> None:
    with torch.device("meta"):
        network: Any = EmbeddingNetwork(Architecture(), torch.nn.Identity(), 2048)  # type: ignore[arg-type]
    assert Architecture().backbone == "resnet101"
    assert network.fc.weight.shape == (512, 2048)
    assert network.fc.bias.shape == (512,)
    assert network.bn.num_features == 512
    assert (Architecture().p, network.pool.p.requires_grad) == (3.0, False)


@settings(max_examples=10)
@given(st.integers(32, 100), st.integers(32, 100))
def test_photos_of_any_shape_alone_and_together(height: int, width: int) -> None:
    network = _lived(Architecture(_TINY, 8))
    images = _images(3, 3, height, width)
    with torch.no_grad():
        together = network(images)
        alone = torch.cat([network(image[None]) for image in images])
        again = network(images)
    assert torch.equal(together, again)
    assert (together - alone).abs().max() < 1e-5
    torch.testing.assert_close(together.norm(dim=1), torch.ones(3))


def test_it_follows_the_seed() -> None:
    first, same, other = (new_network(Architecture(_TINY, 8), seed=s) for s in (1, 1, 2))
    pairs = zip(first.state_dict().values(), same.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert not torch.equal(first.fc.weight, other.fc.weight)  # type: ignore[arg-type]
    assert first.training


def test_learned_powers_get_gradients_and_fixed_ones_do_not() -> None:
    for learn in (False, True):
        network = new_network(Architecture(_TINY, 8, learn_p=learn, p_per_channel=True))
        assert network.pool.p.shape == (96,)
        network.raw(_images(2, 3, 32, 32)).sum().backward()
        assert (network.pool.p.grad is not None) == learn


def test_half_precision_gives_float32() -> None:
    network = _lived(Architecture(_TINY, 8))
    images = _images(2, 3, 64, 48)
    with torch.no_grad():
        expected = network(images)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = network(images)
    assert found.dtype == torch.float32
    assert ((found * expected).sum(dim=1) > 0.995).all()


@pytest.mark.parametrize(
    "wrong",
    [
        {"backbone": 5},
        {"backbone": ""},
        {"dimension": 0},
        {"dimension": True},
        {"dimension": "512"},
        {"dimension": 1.5},
        {"whitening": -1},
        {"p": 0},
        {"p": 101},
        {"p": "3"},
        {"p": float("nan")},
        {"p": None},
        {"learn_p": 1},
        {"p_per_channel": "no"},
        {"normalise_pooled": None},
        {"bias": 0},
        {"batch_norm": []},
    ],
)
def test_what_makes_no_network(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        Architecture(**wrong)
