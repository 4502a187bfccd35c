"""cirtorch's checkpoints say of photos what cirtorch would."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from steeple.embedding.checkpoints.importing import import_checkpoint, read_checkpoint
from steeple.embedding.learned import Learned
from steeple.embedding.storage import load_model
from steeple.errors import InputError

MEAN, STD = [0.4, 0.5, 0.45], [0.2, 0.25, 0.3]
"""Not ImageNet's: they must come from the file."""


@pytest.fixture(scope="module")
def network(published):
    return published.resnet(18)


@pytest.fixture
def stored(tmp_path):
    """Saves a checkpoint."""

    def save(content: dict, name: str = "network.pth", **how: bool):
        torch.save(content, tmp_path / name, **how)
        return tmp_path / name

    return save


def layer(published, seed: int, rows: int = 512) -> nn.Linear:
    made = nn.Linear(512, rows)
    made.weight.data = published.numbers(seed, rows, 512) / 20
    made.bias.data = published.numbers(seed + 1, rows) / 20
    return made


def said(model, photo: np.ndarray) -> np.ndarray:
    return Learned.of(model).encode([model.scales(photo)])[0]


def at_scales(model, photo, one) -> list[torch.Tensor]:
    """What cirtorch says of the photo at each of the scales."""
    return [one(image) for image in model.scales(photo)]


def test_whitening_layer(published, network, stored):
    whiten = layer(published, 1)
    content = published.cirtorch(network, p=2.6, whiten=whiten, mean=MEAN, std=STD)
    model, family = read_checkpoint(stored(content))

    @torch.no_grad()
    def one(image):
        x = published.unit(published.pooled(network, published.pixels(image, MEAN, STD), 2.6))
        return published.unit(whiten.weight.double() @ x + whiten.bias.double())

    assert family == "cirtorch"
    assert (model.max_side, model.network.dimension) == (1024, 512)
    for seed, shape in enumerate([(64, 96), (96, 64), (72, 72)]):
        photo = published.photo(seed, *shape)
        scales = at_scales(model, photo, one)
        assert len(scales) == 3
        expected = published.unit(sum(scales) / 3).numpy()
        np.testing.assert_allclose(said(model, photo), expected, atol=1e-5)


def test_power_mean_without_whitening(published, network, stored):
    model, _ = read_checkpoint(stored(published.cirtorch(network, p=2.9)))
    photo = published.photo(5)

    def one(image):
        return published.unit(published.pooled(network, published.pixels(image), 2.9))

    scales = at_scales(model, photo, one)
    power = published.unit((sum(x**2.9 for x in scales) / 3) ** (1 / 2.9)).numpy()
    plain = published.unit(sum(scales) / 3).numpy()
    assert abs(power - plain).max() > 1e-4  # or the test could not tell them apart
    np.testing.assert_allclose(said(model, photo), power, atol=1e-5)


def test_power_of_every_channel(published, network, stored):
    p = 2 + published.numbers(3, 512).abs()
    content = published.cirtorch(network, p=p, whiten=layer(published, 4), pooling="gemmp")
    model, _ = read_checkpoint(stored(content))
    whiten = layer(published, 4)
    photo = published.photo(6)

    @torch.no_grad()
    def one(image):
        x = published.unit(published.pooled(network, published.pixels(image), p))
        return published.unit(whiten.weight.double() @ x + whiten.bias.double())

    expected = published.unit(sum(at_scales(model, photo, one)) / 3).numpy()
    np.testing.assert_allclose(said(model, photo), expected, atol=1e-5)


@pytest.mark.parametrize("with_layer", [False, True])
def test_whitening_learned_afterwards(published, network, stored, tmp_path, with_layer):
    random = np.random.default_rng(8)
    learned = {
        name: {
            kind: {"m": random.normal(size=(512, 1)) / 30, "P": random.normal(size=(256, 512))}
            for kind in ("ss", "ms")
        }
        for name in ("retrieval-SfM-30k", "retrieval-SfM-120k")
    }
    whiten = layer(published, 9) if with_layer else None
    path = stored(published.cirtorch(network, whiten=whiten, Lw=learned))
    photo = published.photo(7)

    @torch.no_grad()
    def before(image):
        x = published.unit(published.pooled(network, published.pixels(image), 3))
        if whiten is not None:
            x = published.unit(whiten.weight.double() @ x + whiten.bias.double())
        return x

    for asked, used in ((None, "retrieval-SfM-120k"), ("retrieval-SfM-30k", "retrieval-SfM-30k")):
        done = import_checkpoint(path, tmp_path / str(asked), whitening=asked)
        model = load_model(tmp_path / str(asked))
        one = learned[used]["ss"]
        expected = one["P"] @ (before(photo).numpy() - one["m"][:, 0])
        expected /= np.linalg.norm(expected)
        assert len(model.scales.factors) == 1
        assert done.header.dimension == 256
        assert done.header.card.training["whitening"] == used
        np.testing.assert_allclose(said(model, photo), expected, atol=1e-5)

    model, _ = read_checkpoint(path, whitening="none")
    assert model.network.dimension == 512
    assert len(model.scales.factors) == 3
    with pytest.raises(InputError, match="no whitening 'paris'; it has: retrieval-SfM-120k, ret"):
        read_checkpoint(path, whitening="paris")


def test_average_pooling(published, network, stored):
    content = published.cirtorch(network, pooling="spoc")
    del content["state_dict"]["pool.p"]
    model, _ = read_checkpoint(stored(content))
    photo = published.photo(2)
    scales = at_scales(
        model,
        photo,
        lambda image: published.unit(published.pooled(network, published.pixels(image), 1.0)),
    )
    np.testing.assert_allclose(
        said(model, photo), published.unit(sum(scales) / 3).numpy(), atol=1e-5
    )


def test_old_format_of_files(published, network, stored):
    content = published.cirtorch(network)
    new, _ = read_checkpoint(stored(content))
    old, _ = read_checkpoint(stored(content, "old.pth", _use_new_zipfile_serialization=False))
    photo = published.photo(1)
    np.testing.assert_array_equal(said(new, photo), said(old, photo))


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        ({"architecture": "vgg16"}, "is of vgg16; of cirtorch's networks, those of ResNets"),
        ({"architecture": "resnet50"}, "name the network"),
        ({"pooling": "rmac"}, "pools by rmac; gem and spoc can be read"),
        ({"regional": True}, "has regional descriptors, which cannot be read"),
        ({"local_whitening": True}, "has local whitening descriptors"),
        ({"mean": [0.5]}, "no mean and std of three numbers each"),
        ({"Lw": {"a": {"ss": {}}}}, "whitenings 'Lw' cannot be understood"),
    ],
)
def test_others_are_refused(published, network, stored, meta, message):
    with pytest.raises(InputError, match=message) as error:
        read_checkpoint(stored(published.cirtorch(network, **meta)))
    assert "network.pth" in str(error.value)
    assert "\n" not in str(error.value)


def test_damage_is_refused(published, network, stored):
    content = published.cirtorch(network, whiten=layer(published, 3))
    weights = content["state_dict"]

    def refused(message, **changes):
        with pytest.raises(InputError, match=message):
            read_checkpoint(stored(content | {"state_dict": {**weights, **changes}}))

    refused(
        "features.0.weight is not finite",
        **{"features.0.weight": torch.full((64, 3, 7, 7), torch.nan)},
    )
    refused(
        r"conv1.weight is of shape \(9, 3, 7, 7\)", **{"features.0.weight": torch.ones(9, 3, 7, 7)}
    )
    refused("features.9.weight have no place in resnet18", **{"features.9.weight": torch.ones(3)})
    del weights["whiten.weight"]
    with pytest.raises(InputError, match="bias"):
        read_checkpoint(stored(content))


def test_backbone_is_checked(published, network, stored):
    path = stored(published.cirtorch(network))
    model, _ = read_checkpoint(path, backbone="resnet18.tv_in1k")
    assert model.network.architecture.backbone == "resnet18.tv_in1k"
    with pytest.raises(InputError, match="is of resnet18, not of resnet50; leave --backbone out"):
        read_checkpoint(path, backbone="resnet50")
