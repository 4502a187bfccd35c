"""LightGlue with random weights against kornia asked directly, and without a network."""

from __future__ import annotations

import pickle
import sys
from urllib.error import URLError

import kornia.feature
import numpy as np
import pytest
import torch

from steeple.errors import InputError, MachineError, MissingExtraError
from steeple.geometry import lightglue as ours
from steeple.geometry.features import Features, compact, comparable
from steeple.geometry.lightglue import LightGlue


def make(seed, count, like=None):
    """Features at random places; the first of them those of another image, a little moved."""
    random = np.random.default_rng(seed)
    places = random.uniform(0, 300, (count, 2))
    vectors = random.standard_normal((count, 128))
    if like is not None:
        shared = min(count, len(like)) // 2
        places[:shared] = like.keypoints[:shared, :2] + 5
        vectors[:shared] = comparable(like.descriptors)[:shared]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    keypoints = np.concatenate([places, np.ones((count, 1))], axis=1).astype(np.float32)
    return Features(keypoints, compact(vectors.astype(np.float32)))


@pytest.fixture(scope="module")
def matcher():
    """One that keeps every mutual match, as random weights are sure of none."""
    ours._network.cache_clear()
    matcher = LightGlue("disk", "random")
    matcher.load().conf.filter_threshold = 0.0
    yield matcher
    ours._network.cache_clear()


@pytest.fixture(scope="module")
def pair():
    first = make(0, 40)
    return first, make(1, 50, like=first)


def test_what_kornia_matches_the_surest_first(matcher, pair):
    found = matcher(*pair)
    assert found.dtype == np.int32
    assert found.shape == (len(found), 2)
    assert len(found) > 5
    images = []
    for features in pair:
        places = torch.from_numpy(features.keypoints[None, :, :2].copy())
        vectors = torch.from_numpy(comparable(features.descriptors))[None]
        size = torch.floor(places.amax(dim=1)) + 1
        images.append({"keypoints": places, "descriptors": vectors, "image_size": size})
    with torch.no_grad():
        said = matcher.load()({"image0": images[0], "image1": images[1]})
    partners = {a: b for a, b in enumerate(said["matches0"][0].tolist()) if b >= 0}
    assert dict(found.tolist()) == partners
    scores = said["matching_scores0"][0].numpy()[found[:, 0]]
    assert (np.diff(scores) <= 0).all()


def test_every_feature_once_at_most(matcher, pair):
    found = matcher(*pair)
    for side, features in enumerate(pair):
        assert len(set(found[:, side].tolist())) == len(found)
        assert found[:, side].min() >= 0
        assert found[:, side].max() < len(features)


def test_the_order_of_the_images(matcher, pair):
    there, back = matcher(*pair), matcher(*pair[::-1])
    # Attention between the images runs both ways alike.
    assert set(map(tuple, there.tolist())) == {(a, b) for b, a in back.tolist()}


@pytest.mark.parametrize(("some", "others"), [(0, 0), (0, 5), (5, 0), (1, 5), (5, 1)])
def test_too_few_features_match_nothing(matcher, some, others):
    found = matcher(make(2, some), make(3, others))
    assert (found.shape, found.dtype) == ((0, 2), np.int32)


def test_two_features_at_one_place(matcher):
    features = make(4, 3)
    features.keypoints[:] = 0
    assert matcher(features, features).shape[1] == 2


@pytest.mark.parametrize(
    "descriptors", [np.zeros((4, 40), np.int8), np.zeros((4, 128), np.uint8)], ids=["delf", "sift"]
)
def test_features_of_another_kind_are_refused(matcher, pair, descriptors):
    other = Features(np.zeros((4, 3), np.float32), descriptors)
    with pytest.raises(InputError, match="give features of disk"):
        matcher(pair[0], other)


def test_it_travels_and_compares():
    matcher = LightGlue("aliked", "random")
    assert pickle.loads(pickle.dumps(matcher)) == matcher
    assert matcher != LightGlue("disk", "random")


def test_kinds_and_weights_that_are_not_there():
    with pytest.raises(InputError, match="no LightGlue for 'sift'; there is: disk, aliked"):
        LightGlue("sift", "random").load()
    with pytest.raises(InputError, match="no weights 'nix'"):
        LightGlue("disk", "nix").load()


def test_without_a_network_it_is_one_line(monkeypatch, pair):
    def download(kind):
        raise URLError("[Errno -2]\nName or service not known")

    monkeypatch.setattr(kornia.feature, "LightGlue", download)
    with pytest.raises(MachineError, match="weights of LightGlue for aliked cannot be") as raised:
        LightGlue("aliked")(*pair)
    assert "\n" not in str(raised.value)


def test_without_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "kornia.feature", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'steeple\[kornia\]'"):
        LightGlue("aliked", "random").load()
