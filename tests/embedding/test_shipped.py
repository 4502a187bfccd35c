"""The model that comes with steeple: small, named, and better than none."""

from __future__ import annotations

import numpy as np
import pytest

from steeple.datasets.gldv2 import GldV2
from steeple.demo import build_city
from steeple.embedding import create_embedder
from steeple.embedding.checkpoints.catalogue import shipped
from steeple.embedding.model import Model
from steeple.embedding.network import Architecture, new_network
from steeple.embedding.storage import read_header
from steeple.images import read_image

SMALL = next(folder for folder in shipped() if folder.name == "small")


def test_it_is_small_and_says_where_it_comes_from():
    assert sum(file.stat().st_size for file in SMALL.iterdir()) <= 12_000_000
    card = read_header(SMALL).card
    assert card.name == "small"
    assert card.licence == "Apache-2.0"
    assert "toy" in card.source
    assert card.training["settings"]["model"]["backbone"] == "mobilenetv4_conv_small"


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Photos of six landmarks that it never saw, and which landmark each shows."""
    root = tmp_path_factory.mktemp("unseen") / "city"
    build_city(root, photos=48, landmarks=6, seed=77, size=256, training_only=True, workers=1)
    city = GldV2.read(root)
    paths = [city.photo("train", name) for name in city.train]
    return [read_image(path) for path in paths], np.array(list(city.train.values()))


def precision(descriptors, landmarks) -> float:
    """The share of photos whose nearest other photo shows the same landmark."""
    similar = descriptors @ descriptors.T
    np.fill_diagonal(similar, -1)
    return float((landmarks[similar.argmax(axis=1)] == landmarks).mean())


def test_it_knows_landmarks_apart_that_it_never_saw(photos):
    images, landmarks = photos
    small = create_embedder("small")
    found = small.encode([small.prepare(image) for image in images])
    assert found.shape == (48, small.dimension)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    header = read_header(SMALL)
    blank = Model(new_network(Architecture(**header.architecture)).eval(), header.card)
    untrained = type(small).of(blank).looking(side=header.max_side)
    others = untrained.encode([untrained.prepare(image) for image in images])
    assert precision(found, landmarks) > precision(others, landmarks) + 0.15
