"""FishNet: what it gives, its published size, and the names of the authors' weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from steeple.networks.fishnet import FishNet, fishnet150, fishnet_names
from steeple.networks.weights import fill

_CLASSIFIER = 1056 * 1000 + 1000  # a 1 x 1 convolution with a bias: the 1000 classes of ImageNet


@pytest.fixture(scope="module")
def network() -> FishNet:
    return _seeded(0).eval()


def _seeded(seed: int) -> FishNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return fishnet150()


def _images(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("height", "width", "cells"),
    [
        (64, 64, (2, 2)),
        (64, 96, (2, 3)),
        (96, 64, (3, 2)),
        (65, 97, (3, 4)),
        (70, 101, (3, 4)),
        (127, 66, (4, 3)),
        (64, 260, (2, 9)),
    ],
)
def test_any_size(network, height, width, cells):
    with torch.no_grad():
        maps = network(_images(1, 3, height, width))
    assert maps.shape == (1, network.num_features, *cells)
    assert network.num_features == 1056
    assert maps.dtype == torch.float32
    assert maps.isfinite().all()
    assert (maps >= 0).all()
    assert maps.std() > 0


@pytest.mark.parametrize("side", [65, 69, 73, 81, 95, 128, 129])
def test_the_stride_is_32_rounded_up(side):
    with torch.device("meta"):
        small = FishNet(blocks=(1,) * 10, transfers=(1,) * 6)
        assert small(torch.empty(1, 3, side, 200)).shape[-2:] == (-(-side // 32), 7)


def test_the_right_and_lower_edge_count(network):
    image = _images(1, 3, 65, 65).requires_grad_()
    network(image).sum().backward()
    assert image.grad is not None
    assert (image.grad[0, :, -1] != 0).any()
    assert (image.grad[0, :, :, -1] != 0).any()


def test_parameters_are_as_many_as_published():
    # Table 1 of the paper says 24.96 M; others count 24,959,400 and, of FishNet-99, 16,628,904.
    with torch.device("meta"):
        larger = fishnet150()
        smaller = FishNet(blocks=(2, 2, 6, 2, 1, 1, 1, 1, 2, 2), transfers=(1, 1, 1, 1, 1, 4))
    assert _count(larger) + _CLASSIFIER == 24_959_400
    assert _count(smaller) + _CLASSIFIER == 16_628_904


def _count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_work_is_as_much_as_published():
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        fishnet150()(torch.empty(1, 3, 224, 224))
    # The paper counts a multiplication and its addition as one.
    assert counter.get_total_flops() / 2 == pytest.approx(6.45e9, rel=0.01)


def test_weights_follow_the_seed():
    first, same, other = (_seeded(seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert not torch.equal(first["conv1.0.weight"], other["conv1.0.weight"])


def test_gradients_reach_every_parameter(network):
    # In eval mode: in training, batch normalisation takes away what a bias before it has added.
    network.zero_grad()
    maps = network(_images(2, 3, 64, 96))
    (maps * _images(*maps.shape)).mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert (parameter.grad != 0).any(), name


def test_it_trains():
    network = _seeded(0).train()
    maps = network(_images(2, 3, 64, 96))
    (maps * _images(*maps.shape)).mean().backward()
    assert maps.isfinite().all()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
    assert (network.conv1[1].running_mean != 0).any()


def test_images_in_a_batch_do_not_mix(network):
    images = _images(3, 3, 70, 96)
    with torch.no_grad():
        together = network(images)
        alone = torch.cat([network(image[None]) for image in images])
        again = network(images)
    scale = together.abs().max()
    torch.testing.assert_close(together / scale, alone / scale, rtol=1e-4, atol=1e-5)
    assert torch.equal(together, again)


def test_counts_that_fit_no_fish_are_refused():
    with pytest.raises(ValueError, match="10 stages and 6 transfers, not 3 and 6"):
        FishNet(blocks=(1, 1, 1), transfers=(1,) * 6)


# The names and shapes that the authors' code gives, written down from it by hand.


def _norm(name: str, channels: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    for part in ("weight", "bias", "running_mean", "running_var"):
        yield f"{name}.{part}", (channels,)
    yield f"{name}.num_batches_tracked", ()


def _block(name: str, channels: int, out: int, shortcut: bool) -> Any:
    yield from _norm(f"{name}.bn1", channels)
    yield f"{name}.conv1.weight", (out // 4, channels, 1, 1)
    yield from _norm(f"{name}.bn2", out // 4)
    yield f"{name}.conv2.weight", (out // 4, out // 4, 3, 3)
    yield from _norm(f"{name}.bn3", out // 4)
    yield f"{name}.conv3.weight", (out, out // 4, 1, 1)
    if shortcut:
        yield from _norm(f"{name}.shortcut.0", channels)
        yield f"{name}.shortcut.2.weight", (out, channels, 1, 1)


_RESIDUAL = [  # stage and layer, channels in and out, blocks, whether the shortcut has weights
    ("0.0", 64, 128, 2, True),
    ("1.0", 128, 256, 4, True),
    ("2.0", 256, 512, 8, True),
    ("3.2", 1024, 512, 4, True),
    ("4.0", 512, 512, 2, False),
    ("4.1", 256, 256, 2, False),
    ("5.0", 768, 384, 2, False),
    ("5.1", 128, 128, 2, False),
    ("6.0", 512, 256, 2, False),
    ("6.1", 64, 64, 2, False),
    ("7.0", 320, 320, 2, False),
    ("7.1", 512, 512, 2, False),
    ("8.0", 832, 832, 2, False),
    ("8.1", 768, 768, 2, False),
    ("9.0", 1600, 1600, 4, False),
    ("9.1", 512, 512, 4, False),
]


def _published() -> Any:
    for name, channels, out in (("conv1", 3, 32), ("conv2", 32, 32), ("conv3", 32, 64)):
        yield f"{name}.0.weight", (out, channels, 3, 3)
        yield from _norm(f"{name}.1", out)
    for place, channels, out, count, shortcut in _RESIDUAL:
        yield from _block(f"fish.fish.{place}.0", channels, out, shortcut)
        for number in range(1, count):
            yield from _block(f"fish.fish.{place}.{number}", out, out, False)
    yield from _norm("fish.fish.3.0.0", 512)
    yield "fish.fish.3.0.2.weight", (256, 512, 1, 1)
    yield from _norm("fish.fish.3.0.3", 256)
    yield "fish.fish.3.1.weight", (1024, 256, 1, 1)
    yield "fish.fish.3.1.bias", (1024,)
    yield from _norm("fish.fish.3.3.0.0", 1024)
    yield "fish.fish.3.3.0.3.weight", (32, 1024, 1, 1)
    yield "fish.fish.3.3.0.3.bias", (32,)
    yield "fish.fish.3.3.0.5.weight", (512, 32, 1, 1)
    yield "fish.fish.3.3.0.5.bias", (512,)
    yield from _norm("fish.fish.9.3.0", 2112)
    yield "fish.fish.9.3.2.weight", (1056, 2112, 1, 1)
    yield from _norm("fish.fish.9.3.3", 1056)


def test_names_and_shapes_are_those_of_the_authors(network):
    found = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    assert found == dict(_published())


def _with_classifier(network: FishNet) -> dict[str, torch.Tensor]:
    classifier = {
        "fish.fish.9.4.1.weight": torch.zeros(1000, 1056, 1, 1),
        "fish.fish.9.4.1.bias": torch.zeros(1000),
    }
    return network.state_dict() | classifier


def test_weights_with_the_names_already_are_kept(network):
    weights = _with_classifier(network)
    assert fishnet_names(weights) == weights


def test_weights_of_the_older_code_are_read(network):
    older = [  # what the newer code calls it, what the older
        ("fish.fish.9.4.1.", "fish.fish.9.4.4."),
        ("fish.fish.3.1.", "fish.fish.3.1.3."),
        ("fish.fish.3.0.2.", "fish.fish.3.1.0."),
        ("fish.fish.3.0.3.", "fish.fish.3.1.1."),
        ("fish.fish.9.3.2.", "fish.fish.9.4.0."),
        ("fish.fish.9.3.3.", "fish.fish.9.4.1."),
    ]
    newer, weights = _with_classifier(network), {}
    for name, value in newer.items():
        began = next((pair for pair in older if name.startswith(pair[0])), ("", ""))
        weights[began[1] + name.removeprefix(began[0])] = value
    assert "fish.fish.9.4.1.running_mean" in weights
    assert not any(name.startswith("fish.fish.9.3.2.") for name in weights)

    assert fishnet_names(weights) == newer  # the same tensors, not only equal ones
    filled = _seeded(3).eval()
    fill(filled, fishnet_names(weights), "older")
    with torch.no_grad():
        image = _images(1, 3, 64, 64)
        assert torch.equal(filled(image), network(image))
