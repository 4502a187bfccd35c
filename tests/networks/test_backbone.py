"""Networks cut at a stage: what they give, on what they are taught, and what is refused."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from steeple.errors import InputError, MissingExtraError
from steeple.networks.backbone import load_backbone


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).integers(0, 256, (70, 101, 3), dtype=np.uint8)


def test_the_map_is_that_of_the_whole_network(whole, weights, image):
    backbone = load_backbone("resnet18", weights=str(weights))
    with torch.no_grad():
        found = backbone.maps(image[None])
        # As timm's own examples prepare an image.
        pixels = torch.from_numpy(image).permute(2, 0, 1)[None] / 255
        mean, std = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])[..., None, None]
        maps = whole.forward_intermediates((pixels - mean) / std, intermediates_only=True)
    assert found.shape == (1, 256, 5, 7)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, maps[3], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("stride", "channels"), [(4, 64), (8, 128), (32, 512)])
def test_any_stage(stride, channels, image):
    backbone = load_backbone("resnet18", stride=stride, weights="random")
    maps = backbone.maps(np.stack([image, image]))
    assert maps.shape == (2, channels, -(-70 // stride), -(-101 // stride))
    assert (backbone.channels, backbone.receptive.stride) == (channels, stride)


def test_gradients_are_kept_for_those_who_train(image):
    backbone = load_backbone("resnet18", stride=4, weights="random")
    assert not backbone.network.training
    backbone.maps(image[None]).sum().backward()
    assert next(backbone.network.parameters()).grad is not None


def test_other_families():
    backbone = load_backbone("convnext_atto", weights="random")
    assert (backbone.channels, backbone.receptive.stride) == (160, 16)
    assert backbone.receptive.start == 7.5  # patches of 16 x 16 pixels, side by side


def test_random_weights_follow_the_seed_and_disturb_nobody():
    state = torch.get_rng_state()
    first, same, other = (
        load_backbone("resnet18", stride=4, weights="random", seed=seed) for seed in (1, 1, 2)
    )
    torch.testing.assert_close(torch.get_rng_state(), state)
    ours, equal, theirs = (next(b.network.parameters()) for b in (first, same, other))
    assert torch.equal(ours, equal)
    assert not torch.equal(ours, theirs)


@pytest.mark.parametrize(
    ("name", "stride", "words"),
    [
        ("nix", 16, "timm has no network 'nix'"),
        ("resnet18.nix", 16, "Invalid pretrained tag"),
        ("resnet18", 64, "no stage of stride 64; there are: 2, 4, 8, 16, 32"),
        ("vit_tiny_patch16_224", 16, "does not take images of any size"),
    ],
)
def test_what_cannot_be_had_is_one_line(name, stride, words):
    with pytest.raises(InputError) as raised:
        load_backbone(name, stride=stride, weights="random")
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("missing", ["torch", "timm"])
def test_without_the_extra(monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingExtraError, match=rf"needs {missing},.*'steeple\[torch\]'"):
        load_backbone("resnet18", weights="random")
