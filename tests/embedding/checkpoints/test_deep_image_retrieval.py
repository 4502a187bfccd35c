"""deep-image-retrieval's checkpoints say of photos what that project would."""

from __future__ import annotations

import sys
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import nn

from steeple.embedding.checkpoints.importing import import_checkpoint, read_checkpoint
from steeple.embedding.learned import Learned
from steeple.embedding.storage import load_model
from steeple.errors import InputError


@pytest.fixture(scope="module")
def network(published):
    return published.resnet(18, 4)


@pytest.fixture(scope="module")
def fc(published):
    made = nn.Linear(512, 512)
    made.weight.data = published.numbers(20, 512, 512) / 20
    made.bias.data = published.numbers(21, 512) / 2
    return made


@pytest.fixture
def pca(monkeypatch):
    """An object of the class that scikit-learn had when those files were made; it is gone now."""

    class PCA:
        def __getstate__(self):
            return {**self.__dict__, "_sklearn_version": "0.20.2"}

        def __setstate__(self, state):
            raise AssertionError("code of the class was run")

    PCA.__module__, PCA.__qualname__ = "sklearn.decomposition.pca", "PCA"
    module = ModuleType("sklearn.decomposition.pca")
    module.PCA = PCA
    monkeypatch.setitem(sys.modules, "sklearn.decomposition.pca", module)
    random = np.random.default_rng(3)
    made = PCA()
    made.whiten, made.n_components_, made.random_state = True, 300, None
    made.mean_ = (random.normal(size=512) / 30).astype(np.float32)
    made.components_ = np.asfortranarray(np.linalg.qr(random.normal(size=(512, 300)))[0].T)
    made.explained_variance_ = random.uniform(1e-4, 1e-1, 300)
    made.noise_variance_ = np.float64(0.1)
    return made


@pytest.fixture
def save(tmp_path):
    def to(content: dict):
        torch.save(content, tmp_path / "net.pt")
        return tmp_path / "net.pt"

    return to


def said(model, photo):
    return Learned.of(model).encode([model.scales(photo)])[0]


@torch.no_grad()
def before(published, network, fc, photo, p):
    x = published.pooled(network, published.pixels(photo), p)
    return published.unit(fc.weight.double() @ x + fc.bias.double()).numpy()


def whitened(pca, x):
    """Written component by component."""
    y = np.array(
        [
            component @ (x - pca.mean_.astype(np.float64)) / variance**0.25
            for component, variance in zip(pca.components_, pca.explained_variance_, strict=True)
        ]
    )
    return y / np.linalg.norm(y)


def test_network_and_pca(published, network, fc, pca, save, tmp_path, monkeypatch):
    content = published.naver(network, fc, p=2.2)
    path = save(content | {"pca": {"Landmarks_clean": pca, "Another": None}})
    monkeypatch.delitem(sys.modules, "sklearn.decomposition.pca")
    done = import_checkpoint(path, tmp_path / "model")
    model = load_model(tmp_path / "model")
    assert done.family == "deep-image-retrieval"
    assert done.header.dimension == 300
    assert done.header.card.training["whitening"] == "Landmarks_clean"
    for seed, shape in enumerate([(64, 96), (80, 56)]):
        photo = published.photo(seed, *shape)
        expected = whitened(pca, before(published, network, fc, photo, 2.2))
        np.testing.assert_allclose(said(model, photo), expected, atol=1e-5)


def test_without_pca_and_with_the_power_mean(published, network, fc, pca, save):
    path = save(published.naver(network, fc, p=2.2) | {"pca": pca})
    model, _ = read_checkpoint(path, whitening="none")
    photo = published.photo(3)
    scales = [before(published, network, fc, image, 2.2) for image in model.scales(photo)]
    mean = sum(np.sign(x) * abs(x) ** 3 for x in scales) / 3
    mean = np.sign(mean) * abs(mean) ** (1 / 3)
    np.testing.assert_allclose(said(model, photo), mean / np.linalg.norm(mean), atol=1e-5)


def test_without_fc(published, network, fc, pca, save):
    model, _ = read_checkpoint(
        save(published.naver(network, fc, without_fc=True) | {"pca": {"Landmarks_clean": pca}})
    )
    photo = published.photo(3)
    x = published.unit(published.pooled(network, published.pixels(photo), 3)).numpy()
    np.testing.assert_allclose(said(model, photo), whitened(pca, x), atol=1e-5)


def test_normalised_features_and_a_matrix(published, network, fc, save):
    random = np.random.default_rng(5)
    matrix = {"W": random.normal(size=(512, 40)), "means": random.normal(size=512) / 30}
    model, _ = read_checkpoint(
        save(published.naver(network, fc, norm_features=True) | {"pca": matrix})
    )
    photo = published.photo(3)
    with torch.no_grad():
        x = published.unit(published.pooled(network, published.pixels(photo), 3))
        x = published.unit(fc.weight.double() @ x + fc.bias.double()).numpy()
    expected = (x - matrix["means"]) @ matrix["W"]
    np.testing.assert_allclose(said(model, photo), expected / np.linalg.norm(expected), atol=1e-5)


def test_a_pca_of_todays_scikit_learn(published, network, fc, save):
    decomposition = pytest.importorskip("sklearn.decomposition")
    x = np.random.default_rng(6).normal(size=(60, 512))
    pca = decomposition.PCA(n_components=20, whiten=True, svd_solver="full").fit(x)
    model, _ = read_checkpoint(
        save(published.naver(network, fc) | {"pca": {"Landmarks_clean": pca}})
    )
    photo = published.photo(3)
    expected = whitened(pca, before(published, network, fc, photo, 3))
    np.testing.assert_allclose(said(model, photo), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pooling": "max"}, "pools by maximum"),
        ({"arch": "resnet101_rmac"}, "is of resnet101_rmac, and its weights of resnet18"),
        ({"arch": "resnet18_fpn_rmac"}, "is of resnet18_fpn_rmac"),
        ({"center_bias": 0.5}, "centre"),
    ],
)
def test_others_are_refused(published, network, fc, save, options, message):
    with pytest.raises(InputError, match=message):
        read_checkpoint(save(published.naver(network, fc, **options)))


def test_damaged_pcas_are_refused(published, network, fc, pca, save):
    content = published.naver(network, fc)
    pca.components_ = pca.components_[:, :500]
    with pytest.raises(InputError, match=r"matrix of \(300, 500\) and a mean of \(512,\)"):
        read_checkpoint(save(content | {"pca": pca}))
    pca.mean_ = np.full(500, np.nan, np.float32)
    with pytest.raises(InputError, match="whitening is not finite"):
        read_checkpoint(save(content | {"pca": pca}))
    del pca.mean_
    with pytest.raises(InputError, match="PCA cannot be understood"):
        read_checkpoint(save(content | {"pca": pca}))
    with pytest.raises(InputError, match="no whitening 'Paris'; it has: pca"):
        read_checkpoint(save(content | {"pca": pca}), whitening="Paris")
    with pytest.raises(InputError, match="no whitening 'Paris'; it has none"):
        read_checkpoint(save(content), whitening="Paris")
