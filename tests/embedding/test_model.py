"""A model: pixels in, descriptors out, where and how precisely it is asked to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import timm
import torch
from safetensors.torch import save_file

from steeple.embedding import model as module
from steeple.embedding.card import Card
from steeple.embedding.model import Model, imagenet_model, on_device
from steeple.embedding.network import Architecture, new_network
from steeple.embedding.preprocessing import GLDV2, REVISITED, Colours
from steeple.errors import InputError, MachineError
from steeple.networks import trunk

_COLOURS = Colours((0.4, 0.5, 0.6), (0.2, 0.3, 0.25))


def _model(**about: Any) -> Model:
    network = on_device(new_network(Architecture("test_resnet", 8), seed=1))
    return Model(network, Card("tiny"), **about)


def _images(count: int = 3, height: int = 40, width: int = 56) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("channels", ["RGB", "BGR"])
def test_pixels_are_those_of_the_literal_form(channels: str) -> None:
    colours = Colours(_COLOURS.mean, _COLOURS.std, channels)
    pixels = _model(colours=colours).pixels(_images())
    assert pixels.is_contiguous(memory_format=torch.channels_last)
    assert not pixels.is_inference()
    np.testing.assert_allclose(pixels.cpu().numpy(), colours.normalise(_images()), atol=1e-5)


def test_images_that_are_views_of_others() -> None:
    model = _model()
    mirrored = _images()[:, :, ::-1]
    expected = model.describe(np.ascontiguousarray(mirrored))
    assert torch.equal(model.describe(mirrored), expected)


def test_it_is_ready_to_describe() -> None:
    model = _model()
    assert not any(part.training for part in model.network.modules())
    weight = model.network.trunk.network.conv1[0].weight  # type: ignore[union-attr,index]
    assert weight.is_contiguous(memory_format=torch.channels_last)  # type: ignore[union-attr,operator]


def test_raw_answers_unless_its_scales_are_normalised_one_by_one() -> None:
    raw, normal = (_model(scales=scales).describe(_images()) for scales in (GLDV2, REVISITED))
    assert raw.shape == (3, 8)
    assert not torch.allclose(raw.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(normal, torch.nn.functional.normalize(raw, dim=1))


def test_nothing_is_kept_for_gradients_and_nothing_changes() -> None:
    model = _model()
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    found = model.describe(_images())
    assert not found.requires_grad
    assert torch.equal(found, model.describe(_images()))
    for name, value in model.network.state_dict().items():
        assert torch.equal(value, before[name])


def test_half_precision_is_near_and_comes_out_in_full() -> None:
    model = _model(scales=REVISITED)
    full, half = (model.describe(_images(), p) for p in ("float32", "bfloat16"))
    assert half.dtype == torch.float32
    assert not torch.equal(full, half)
    assert ((full * half).sum(dim=1) > 0.995).all()


def test_a_network_with_its_published_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = timm.create_model("test_resnet").eval()
    file = tmp_path / "weights.safetensors"
    save_file(whole.state_dict(), file)
    monkeypatch.setattr(trunk, "imagenet_file", lambda config, name: file)
    model = imagenet_model("test_resnet")
    config = whole.pretrained_cfg
    assert model.card.name == "test_resnet"
    assert model.card.source == config["hf_hub_id"]
    assert model.card.licence == config["license"] != ""
    assert (model.colours.mean, model.colours.std) == (config["mean"], config["std"])
    with torch.no_grad():
        maps = whole.forward_features(model.pixels(_images()))
        expected = maps.clamp(min=1e-6).pow(3).mean(dim=(2, 3)).pow(1 / 3)
    torch.testing.assert_close(model.describe(_images()), expected, rtol=1e-4, atol=1e-5)


def test_no_network_of_this_name() -> None:
    with pytest.raises(InputError, match="timm has no network 'resnet-of-dreams'"):
        imagenet_model("resnet-of-dreams")


def test_a_gpu_too_small_for_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate\n2 GiB")

    monkeypatch.setattr(module, "choose_device", fail)
    with pytest.raises(MachineError, match="too little memory for test_resnet") as caught:
        on_device(new_network(Architecture("test_resnet", 8)))
    assert "\n" not in str(caught.value)
