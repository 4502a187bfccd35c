"""Whole networks: the maps of every kind, and weights under the names they are published by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import torch

from steeple.errors import InputError
from steeple.networks import trunk as module
from steeple.networks.fishnet import fishnet150
from steeple.networks.trunk import COLOUR, Trunk, fill_trunk, load_imagenet, new_trunk

_KINDS = [  # name, channels, pixels of a cell
    ("resnet101", 2048, 32),
    ("seresnext101_32x4d", 2048, 32),
    ("efficientnet_b0", 1280, 32),
    ("resnet10t", 512, 32),
    ("fishnet150", 1056, 32),
]


def _on_paper(name: str) -> Trunk:
    """A network without numbers: its shapes cost nothing."""
    with torch.device("meta"):
        return Trunk(name, module._create(name)).eval()


@pytest.mark.parametrize(("name", "channels", "cell"), _KINDS)
def test_the_map_of_a_photo_of_any_size(name: str, channels: int, cell: int) -> None:
    assert module._channels(name) == channels
    with torch.no_grad():
        maps = _on_paper(name)(torch.empty(2, 3, 75, 101, device="meta"))
    assert maps.shape == (2, channels, -(-75 // cell), -(-101 // cell))


def test_a_network_that_leaves_the_rest_out_rounds_down() -> None:
    with torch.no_grad():
        maps = _on_paper("convnext_tiny")(torch.empty(1, 3, 75, 101, device="meta"))
    assert maps.shape == (1, 768, 2, 3)


@pytest.mark.parametrize(
    ("name", "patch"),
    [
        ("vit_small_patch16_224", 16),
        ("vit_small_patch14_dinov2", 14),
        ("vit_small_patch14_reg4_dinov2", 14),
        ("test_vit", 16),
    ],
)
@pytest.mark.parametrize(("height", "width"), [(75, 101), (112, 224), (33, 32)])
def test_a_transformer_pads_what_its_patches_do_not_divide(
    name: str, patch: int, height: int, width: int
) -> None:
    with torch.no_grad():
        maps = _on_paper(name)(torch.empty(1, 3, height, width, device="meta"))
    assert maps.shape[-2:] == (-(-height // patch), -(-width // patch))


def test_the_tokens_of_a_transformer_lie_where_their_patches_do() -> None:
    trunk, _ = new_trunk("test_vit")
    network: Any = trunk.eval().network
    image = torch.randn(1, 3, 48, 80, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        maps, tokens = trunk(image), network.forward_features(image)
    prefix = network.num_prefix_tokens
    for y in range(3):
        for x in range(5):
            assert torch.equal(maps[0, :, y, x], tokens[0, prefix + 5 * y + x])


def test_channels_last_in_the_network_come_first_in_the_map() -> None:
    class Swinlike(torch.nn.Module):
        output_fmt = "NHWC"

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.permute(0, 2, 3, 1)

    image = torch.randn(2, 3, 5, 7)
    assert torch.equal(Trunk("swinlike", Swinlike())(image), image)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("resnet1001", "timm has no network"),
        ("", "timm has no network"),
        ("swin_tiny_patch4_window7_224", "does not take images of any size"),
    ],
)
def test_what_is_no_network_for_photos(name: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason) as caught:
        new_trunk(name)
    assert "choose another" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_weights_follow_the_seed_and_leave_others_alone() -> None:
    torch.manual_seed(4)
    expected = torch.rand(3)
    torch.manual_seed(4)
    first, same, other = (new_trunk("test_resnet", seed=seed)[0] for seed in (1, 1, 2))
    assert torch.equal(torch.rand(3), expected)
    pairs = list(zip(first.parameters(), same.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b in pairs)
    assert any(
        not torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True)
    )
    assert first.training


@pytest.mark.parametrize(
    "name",
    [
        "resnet101",
        "seresnext101_32x4d",
        "convnext_tiny",
        "efficientnet_b0",
        "vit_small_patch16_224",
        "vit_small_patch14_dinov2",
    ],
)
def test_the_names_of_weights_are_those_of_the_whole_network(name: str) -> None:
    with torch.device("meta"):
        whole = timm.create_model(name).state_dict()
    for part, value in _on_paper(name).network.state_dict().items():
        assert whole[part].shape == value.shape


def test_published_weights_give_what_the_whole_network_gives(
    whole: Any, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def file(config: dict[str, Any], name: str) -> Path:
        asked.append((config["hf_hub_id"], name))
        return weights

    monkeypatch.setattr(module, "imagenet_file", file)
    trunk, channels = new_trunk("resnet18")
    load_imagenet(trunk)
    assert asked == [(trunk.config["hf_hub_id"], "resnet18")]
    assert channels == 512
    image = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        assert torch.equal(trunk.eval()(image), whole.forward_features(image))


def test_nobody_has_published_these() -> None:
    with pytest.raises(InputError, match="no weights of fishnet150 are published"):
        load_imagenet(new_trunk("fishnet150")[0])


def test_colours_are_those_of_the_network_or_of_imagenet() -> None:
    assert _on_paper("vit_base_patch16_siglip_224").mean == (0.5, 0.5, 0.5)
    assert _on_paper("vit_base_patch16_siglip_224").std == (0.5, 0.5, 0.5)
    fish = _on_paper("fishnet150")
    assert (fish.mean, fish.std) == COLOUR


def test_weights_of_the_older_code_of_fishnet() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        published = fishnet150().state_dict()
    older = {
        name.replace("fish.fish.3.1.", "fish.fish.3.1.3.")
        .replace("fish.fish.3.0.2.", "fish.fish.3.1.0.")
        .replace("fish.fish.3.0.3.", "fish.fish.3.1.1.")
        .replace("fish.fish.9.3.2.", "fish.fish.9.4.0.")
        .replace("fish.fish.9.3.3.", "fish.fish.9.4.1."): value
        for name, value in published.items()
    }
    assert older.keys() != published.keys()
    trunk, _ = new_trunk("fishnet150")
    fill_trunk(trunk, older, "older")
    for name, value in trunk.network.state_dict().items():
        assert torch.equal(value, published[name]), name


def test_weights_of_another_network() -> None:
    trunk, _ = new_trunk("resnet18")
    other = timm.create_model("test_resnet").state_dict()
    with pytest.raises(InputError, match="name the network that the weights belong to"):
        fill_trunk(trunk, other, "other.pth")


def test_a_damaged_weight() -> None:
    trunk, _ = new_trunk("test_resnet")
    weights = timm.create_model("test_resnet").state_dict()
    weights["conv1.0.weight"][0, 0, 0, 0] = float("nan")
    with pytest.raises(InputError, match=r"w\.pth: conv1\.0\.weight is not finite"):
        fill_trunk(trunk, weights, "w.pth")


def test_layout_in_memory_and_half_precision_change_little() -> None:
    trunk, _ = new_trunk("test_resnet")
    image = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = trunk.eval()(image)
        last = trunk.to(memory_format=torch.channels_last)(
            image.contiguous(memory_format=torch.channels_last)
        )
        with torch.autocast("cpu", dtype=torch.bfloat16):
            half = trunk(image).float()
    torch.testing.assert_close(last, expected, rtol=1e-4, atol=1e-5)
    assert (half - expected).norm() / expected.norm() < 0.03
