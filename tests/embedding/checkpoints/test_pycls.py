"""CVNet's and DELG's checkpoints say of photos what those projects would."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from steeple.embedding.checkpoints.importing import import_checkpoint, read_checkpoint
from steeple.embedding.learned import Learned
from steeple.embedding.storage import load_model
from steeple.errors import InputError

BGR_MEAN, BGR_STD = [0.406, 0.456, 0.485], [0.225, 0.224, 0.229]


@pytest.fixture(scope="module")
def network(published):
    """What those projects use."""
    return published.resnet(50, 2)


@pytest.fixture(scope="module")
def small(published):
    """What pycls has too, and is quick."""
    return published.resnet(18, 3)


def layer(published, channels):
    made = nn.Linear(channels, 128)
    made.weight.data = published.numbers(30, 128, channels) / 40
    made.bias.data = published.numbers(31, 128) / 10
    return made


def head(fc, prefix):
    return {
        f"{prefix}head.pool.p": torch.full((1,), 2.7),
        f"{prefix}head.fc.weight": fc.weight.detach(),
        f"{prefix}head.fc.bias": fc.bias.detach(),
    }


@pytest.fixture
def save(tmp_path):
    def to(content):
        torch.save(content, tmp_path / "net.pyth")
        return tmp_path / "net.pyth"

    return to


@torch.no_grad()
def expected(published, network, fc, model, photo):
    scales = []
    for image in model.scales(photo):
        given = published.pixels(image, BGR_MEAN, BGR_STD, bgr=True)
        x = published.pooled(network, given, 2.7)
        scales.append(published.unit(fc.weight.double() @ x + fc.bias.double()))
    assert len(scales) == 3
    return published.unit(sum(scales) / 3).numpy()


REST = {
    "encoder_q.": {
        "conv2ds.0.weight": torch.ones(2, 2),
        "cv_learner.block1.0.weight": torch.ones(3),
    },
    "globalmodel.": {
        "desc_cls.weight": torch.ones(7, 128),
        "desc_cls.t": torch.zeros(1),
        "localmodel.conv1.weight": torch.ones(2, 2),
        "att_cls.fc.weight": torch.ones(7, 2),
    },
    "": {},
}


@pytest.mark.parametrize("prefix", REST)
def test_descriptors(published, network, small, save, tmp_path, prefix):
    used = network if prefix == "encoder_q." else small
    fc = layer(published, used.fc.in_features)
    weights = published.pycls(used, prefix) | head(fc, prefix) | REST[prefix]
    done = import_checkpoint(save({"epoch": 1, "model_state": weights}), tmp_path / "model")
    model = load_model(tmp_path / "model")
    assert done.family == "pycls"
    assert (done.header.dimension, done.header.max_side) == (128, 1024)
    assert done.left_out == tuple(sorted({name.rpartition(".")[0] for name in REST[prefix]}))
    photo = published.photo(4, 64, 80)
    found = Learned.of(model).encode([model.scales(photo)])[0]
    np.testing.assert_allclose(found, expected(published, used, fc, model, photo), atol=1e-5)
    # Red is not blue: or the order of colours would go untested.
    swapped = Learned.of(model).encode([model.scales(photo[:, :, ::-1])])[0]
    assert abs(found - swapped).max() > 2e-4


def test_a_classifier_becomes_a_network_alone(published, small, save):
    weights = published.pycls(small, "") | {
        "head.fc.weight": torch.ones(1000, 512),
        "head.fc.bias": torch.ones(1000),
    }
    path = save({"model_state": weights})
    model, family = read_checkpoint(path)
    assert family == "pycls"
    assert model.network.dimension == 512
    assert model.card.training["left_out"] == ["head.fc"]
    photo = published.photo(9, 64, 64)
    one = published.pooled(small, published.pixels(photo, BGR_MEAN, BGR_STD, bgr=True), 3)
    found = model.describe(photo[None])[0]
    np.testing.assert_allclose(found.numpy(), published.unit(one).numpy(), atol=1e-5)


def test_others_are_refused(published, small, save):
    fc = layer(published, 512)
    weights = published.pycls(small, "globalmodel.")
    with pytest.raises(InputError, match="DOLG"):
        read_checkpoint(save({"model_state": weights | REST["globalmodel."]}))
    both = weights | head(fc, "globalmodel.")
    with pytest.raises(InputError, match="is of resnet18, not of resnet101"):
        read_checkpoint(save({"model_state": both}), backbone="resnet101")
    with pytest.raises(InputError, match="no whitening 'pca'; it has none"):
        read_checkpoint(save({"model_state": both}), whitening="pca")
    with pytest.raises(InputError, match=r"s4.b2.se.weight have no place in resnet18"):
        read_checkpoint(
            save({"model_state": both | {"globalmodel.s4.b2.se.weight": torch.ones(1)}})
        )
    both["globalmodel.s4.b2.f.b.weight"] = torch.ones(3, 3)
    with pytest.raises(InputError, match=r"layer4.1.conv2.weight is of shape \(3, 3\)"):
        read_checkpoint(save({"model_state": both}))
    del both["globalmodel.s4.b2.f.b.weight"]
    with pytest.raises(InputError, match=r"layer4.1.conv2.weight missing"):
        read_checkpoint(save({"model_state": both}))
    del both["globalmodel.head.fc.weight"]
    with pytest.raises(InputError, match=r"head.fc.weight is missing"):
        read_checkpoint(save({"model_state": both}))
    with pytest.raises(InputError, match=r"stem.conv.weight is missing"):
        read_checkpoint(save({"model_state": {"a": torch.ones(1)}}), family="pycls")
