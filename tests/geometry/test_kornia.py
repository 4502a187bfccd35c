"""DISK and ALIKED with random weights against kornia asked directly, and without a network."""

from __future__ import annotations

import pickle
import sys
from urllib.error import URLError

import cv2
import kornia.feature
import numpy as np
import pytest
import torch

from steeple.errors import InputError, MachineError, MissingExtraError
from steeple.geometry import create_extractor
from steeple.geometry import kornia as ours
from steeple.geometry.features import comparable
from steeple.geometry.kornia import Aliked, Disk

KINDS = pytest.mark.parametrize("kind", [Disk, Aliked])


@pytest.fixture(autouse=True)
def forget():
    """Every test loads its own networks, and leaves none to the others."""
    yield
    ours._disk.cache_clear()
    ours._aliked.cache_clear()


@pytest.fixture(scope="module")
def image():
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (20, 25, 3)).astype(np.uint8)
    return cv2.resize(coarse, (121, 97), interpolation=cv2.INTER_CUBIC)


def literal(extractor, image):
    """Keypoints, scores and descriptors as kornia gives them, in its own order."""
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None] / 255
    with torch.no_grad():
        if isinstance(extractor, Disk):
            found = extractor.load()(pixels, pad_if_not_divisible=True)[0]
            scores = found.detection_scores
        else:
            found = extractor.load()(pixels)[0]
            scores = found.keypoint_scores
    return found.keypoints.numpy(), scores.numpy(), found.descriptors.numpy()


@KINDS
def test_the_strongest_of_what_kornia_finds(kind, image):
    extractor = kind(weights="random")
    places, scores, descriptors = literal(extractor, image)
    order = np.argsort(-scores, kind="stable")
    features = extractor(image)
    assert 10 < len(features) == len(places) <= 1000
    np.testing.assert_allclose(features.keypoints[:, :2], places[order], atol=1e-4)
    assert (features.keypoints[:, 2] == 1).all()
    assert features.keypoints.dtype == np.float32
    assert (features.descriptors.dtype, features.descriptors.shape[1]) == (np.int8, 128)
    alike = np.sum(comparable(features.descriptors) * descriptors[order], axis=1)
    np.testing.assert_allclose(alike, 1, atol=2e-3)
    assert features.keypoints[:, :2].min() >= 0
    assert (features.keypoints[:, :2].max(axis=0) <= [120, 96]).all()


@KINDS
def test_so_many_at_most(kind, image):
    some, all_of_them = (kind(most, "random")(image) for most in (7, 1000))
    assert len(some) == 7 < len(all_of_them)
    if kind is Disk:  # ALIKED has a network, with other random weights, per number
        np.testing.assert_array_equal(some.keypoints, all_of_them.keypoints[:7])


@KINDS
@pytest.mark.parametrize("shape", [(1, 1), (31, 200), (32, 32), (33, 70)])
def test_small_images(kind, shape):
    image = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    features = kind(weights="random")(image)
    assert features.keypoints.shape == (len(features), 3)
    assert features.descriptors.shape == (len(features), 128)
    assert features.descriptors.dtype == np.int8
    if min(shape) < 32:
        assert len(features) == 0


@KINDS
@pytest.mark.parametrize("colour", [0, 128, 255])
def test_one_colour(kind, colour):
    features = kind(weights="random")(np.full((64, 80, 3), colour, dtype=np.uint8))
    assert features.keypoints.shape == (len(features), 3)
    assert np.isfinite(features.keypoints).all()


@KINDS
def test_it_travels_and_compares(kind, image):
    extractor = kind(weights="random")
    copy = pickle.loads(pickle.dumps(extractor))
    assert copy == extractor
    assert copy != kind(weights="published")
    np.testing.assert_array_equal(copy(image).descriptors, extractor(image).descriptors)
    assert (extractor.name, extractor.max_side) == (kind.__name__.lower(), 640)


def test_random_weights_disturb_nobody():
    state = torch.get_rng_state()
    Disk(weights="random").load()
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", ["disk", "aliked"])
def test_without_a_network_it_is_one_line(monkeypatch, name):
    def download(*arguments, **settings):
        raise URLError("[Errno -2]\nName or service not known")

    monkeypatch.setattr(getattr(kornia.feature, name.upper()), "from_pretrained", download)
    with pytest.raises(MachineError) as raised:
        create_extractor(name)
    message = str(raised.value)
    assert name.upper() in message
    assert "connect to the internet once" in message
    assert "\n" not in message


def test_published_weights_come_from_kornia(monkeypatch):
    asked = []

    def download(checkpoint):
        asked.append(checkpoint)
        return kornia.feature.DISK()

    monkeypatch.setattr(kornia.feature.DISK, "from_pretrained", download)
    extractor = create_extractor("disk")
    assert extractor == Disk()
    assert not extractor.load().training
    assert asked == ["depth"]  # loaded once, kept


@KINDS
def test_other_weights_are_refused(kind):
    with pytest.raises(InputError, match="no weights 'nix'; there are: published, random"):
        kind(weights="nix").load()


@pytest.mark.parametrize("name", ["disk", "aliked"])
def test_without_the_extra(monkeypatch, name):
    monkeypatch.setitem(sys.modules, "kornia.feature", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'steeple\[kornia\]'"):
        create_extractor(name)
