"""Weights of torchvision, timm and DINOv2 give the maps that those networks give."""

from __future__ import annotations

import numpy as np
import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file

from steeple.embedding.checkpoints.importing import import_checkpoint, read_checkpoint
from steeple.embedding.learned import Learned
from steeple.embedding.storage import load_model
from steeple.errors import InputError


def said(model, photo):
    return Learned.of(model).encode([model.scales(photo)])[0]


def gem(cells: torch.Tensor) -> np.ndarray:
    """(C, n) to (C,), L2-normalised."""
    x = (cells.double().clamp(min=1e-6) ** 3).mean(dim=1) ** (1 / 3)
    return (x / x.norm()).numpy()


@pytest.fixture
def save(tmp_path):
    def to(content, name="resnet.pth"):
        torch.save(content, tmp_path / name)
        return tmp_path / name

    return to


@pytest.mark.parametrize("nested", [False, True])
def test_torchvision(published, save, tmp_path, nested):
    network = published.resnet(18, 6)
    weights = network.state_dict()
    content = {"arch": "resnet18", "state_dict": {f"module.{k}": v for k, v in weights.items()}}
    path = save(content if nested else weights)
    done = import_checkpoint(path, tmp_path / "model", licence="BSD")
    model = load_model(tmp_path / "model")
    photo = published.photo(1)
    expected = published.unit(published.pooled(network, published.pixels(photo), 3)).numpy()
    np.testing.assert_allclose(said(model, photo), expected, atol=1e-5)
    assert done.family == "plain"
    assert done.left_out == ("fc",)
    assert (model.card.name, model.card.licence) == ("resnet", "BSD")
    assert model.card.training["family"] == "plain"


def test_no_classifier_and_safetensors(published, tmp_path):
    network = published.resnet(18, 6)
    path = tmp_path / "resnet.safetensors"
    save_file({k: v for k, v in network.state_dict().items() if not k.startswith("fc.")}, path)
    model, _ = read_checkpoint(path)
    photo = published.photo(1)
    expected = published.unit(published.pooled(network, published.pixels(photo), 3)).numpy()
    np.testing.assert_allclose(said(model, photo), expected, atol=1e-5)
    assert model.card.training["left_out"] == []


@pytest.mark.parametrize("depth", [34, 50, 101, 152])
def test_depths_are_told_apart(published, depth):
    from steeple.embedding.checkpoints.stored import resnet_name

    with torch.device("meta"):
        network = getattr(torchvision.models, f"resnet{depth}")(weights=None)
    assert resnet_name(network.state_dict()) == f"resnet{depth}"
    assert resnet_name({"layer1.0.conv1.weight": torch.ones(1)}) is None


def test_timm_by_name(published, save):
    torch.manual_seed(3)
    network = timm.create_model("test_convnext", pretrained=False).eval()
    path = save(network.state_dict())
    with pytest.raises(InputError, match="does not say what network it is of"):
        read_checkpoint(path)
    model, _ = read_checkpoint(path, backbone="test_convnext")
    photo = published.photo(1)
    colours = model.colours
    with torch.no_grad():
        map_ = network.forward_features(published.pixels(photo, colours.mean, colours.std))
        map_ = network.head.norm(map_)
    np.testing.assert_allclose(said(model, photo), gem(map_[0].flatten(1)), atol=1e-5)
    with pytest.raises(InputError, match="timm has no network 'nothing'"):
        read_checkpoint(path, backbone="nothing")


def test_dinov2_with_registers(published, save):
    """The publishers' own file: other names, and places for the class token in the positions."""
    torch.manual_seed(3)
    name = "vit_small_patch14_reg4_dinov2"
    network = timm.create_model(name, pretrained=False, dynamic_img_size=True, dynamic_img_pad=True)
    weights = dict(network.eval().state_dict())
    token = torch.randn(1, 1, 384) / 50
    theirs = dict(weights)
    theirs["register_tokens"] = theirs.pop("reg_token")
    theirs["cls_token"] = weights["cls_token"] - token
    theirs["pos_embed"] = torch.cat([token, weights["pos_embed"]], dim=1)
    theirs["mask_token"] = torch.ones(1, 384)
    model, _ = read_checkpoint(save(theirs), backbone=name)
    photo = published.photo(1, 56, 72)
    with torch.no_grad():
        tokens = network.forward_features(published.pixels(photo))
    cells = tokens[0, 5:].T
    assert cells.shape == (384, 4 * 6)
    np.testing.assert_allclose(said(model, photo), gem(cells), atol=1e-5)


def test_what_has_no_place_is_refused(published, save):
    network = timm.create_model("seresnet18", pretrained=False)
    path = save(network.state_dict())
    with pytest.raises(InputError, match=r"se\..* have no place in resnet18; name the network"):
        read_checkpoint(path)
    model, _ = read_checkpoint(path, backbone="seresnet18")
    assert model.network.architecture.backbone == "seresnet18"
    weights = {k: v for k, v in network.state_dict().items() if ".se." not in k}
    path = save(weights | {"layer4.1.conv1.weight": torch.ones(512, 8, 3, 3)})
    with pytest.raises(InputError, match="but the network has"):  # as ResNeXt's are
        read_checkpoint(path)
    with pytest.raises(InputError, match="no place in test_vit; name the network"):
        read_checkpoint(path, backbone="test_vit")
    with pytest.raises(InputError, match="no whitening 'pca'; it has none"):
        read_checkpoint(path, whitening="pca")
