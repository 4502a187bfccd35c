"""DELF as an extractor: what it returns, in this process and in others, and how it is named."""

from __future__ import annotations

import os
import pickle
import shutil
import sys

import numpy as np
import pytest
from loky import ProcessPoolExecutor

from steeple.errors import InputError, MissingExtraError
from steeple.geometry.base import create_extractor
from steeple.geometry.delf import Delf, open_delf
from steeple.geometry.delf.detection import detect
from steeple.geometry.delf.storage import load_delf
from steeple.geometry.features import comparable


@pytest.mark.parametrize("kind", ["trained", "plain"])
def test_features_in_order_of_attention(request, draw, kind):
    folder = request.getfixturevalue(kind)
    features = open_delf(folder)(draw(20))
    model = load_delf(folder)
    found = detect(model.backbone, model.attention, draw(20))
    np.testing.assert_array_equal(features.keypoints, found.keypoints)
    assert features.keypoints.dtype == np.float32
    assert features.descriptors.dtype == np.int8
    assert features.descriptors.shape == (len(features), 40)
    assert 50 < len(features) <= 1000
    # An int8 is off by half a 127th at most, and 40 of them add up.
    lengths = np.linalg.norm(features.descriptors / 127.0, axis=1)
    np.testing.assert_allclose(lengths, 1, atol=0.5 / 127 * 40**0.5)
    exact = model.reduction.apply(found.vectors)
    np.testing.assert_allclose(
        np.sum(exact * comparable(features.descriptors), axis=1), 1, atol=1e-3
    )


def test_a_thousand_at_most(plain, draw):
    photo = draw(21, 200, 220)
    assert len(open_delf(plain)(photo)) == 1000
    some = open_delf(plain, max_features=7)(photo)
    np.testing.assert_array_equal(some.keypoints, open_delf(plain)(photo).keypoints[:7])


def test_scales_can_be_chosen(plain, draw):
    features = open_delf(plain, scales=(1.0,))(draw(22))
    assert set(features.keypoints[:, 2]) == {211}


def test_trained_attention_is_another_order(trained, plain, draw):
    ours, theirs = open_delf(trained)(draw(23)), open_delf(plain)(draw(23))
    assert not np.array_equal(ours.keypoints, theirs.keypoints)


@pytest.mark.parametrize("shape", [(1, 1, 3), (8, 300, 3)])
def test_tiny_images_have_none(trained, shape):
    features = open_delf(trained)(np.full(shape, 90, dtype=np.uint8))
    assert len(features) == 0
    assert (features.keypoints.shape, features.descriptors.shape) == ((0, 3), (0, 40))
    assert features.descriptors.dtype == np.int8


def test_one_colour_and_small(trained):
    for side in (16, 64):
        features = open_delf(trained)(np.full((side, side, 3), 200, dtype=np.uint8))
        assert len(features) > 0
        assert np.isfinite(features.keypoints).all()


def test_a_worker_finds_the_same(trained, draw):
    extractor = open_delf(trained)
    assert len(pickle.dumps(extractor)) < 1000  # a path, not a network
    here = extractor(draw(24))
    with ProcessPoolExecutor(max_workers=1) as executor:
        there = executor.submit(extractor, draw(24)).result()
    np.testing.assert_allclose(there.keypoints, here.keypoints)
    # One thread there, several here, may round a value the other way.
    difference = there.descriptors.astype(int) - here.descriptors
    assert np.abs(difference).max() <= 1


def test_equal_by_model_and_settings(trained, plain, monkeypatch):
    monkeypatch.chdir(trained.parent)
    assert open_delf(trained) == open_delf(trained.name)
    assert hash(open_delf(trained)) == hash(open_delf(trained.name))
    assert open_delf(trained) != open_delf(plain)
    assert open_delf(trained) != open_delf(trained, max_features=5)
    assert (open_delf(trained).name, open_delf(trained).max_side) == ("delf", 640)


class TestNames:
    """How it is asked for."""

    def test_by_the_folder_of_a_model(self, trained):
        extractor = create_extractor(str(trained))
        assert isinstance(extractor, Delf)
        assert extractor == open_delf(trained)

    def test_the_bare_name_says_how_to_make_one(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(InputError, match="steeple delf PHOTOS --out MODEL"):
            create_extractor("delf")

    def test_a_model_may_be_called_delf(self, trained, tmp_path, monkeypatch):
        shutil.copytree(trained, tmp_path / "delf")
        monkeypatch.chdir(tmp_path)
        assert create_extractor("delf").folder == tmp_path / "delf"

    def test_a_folder_of_something_else(self, tmp_path):
        with pytest.raises(InputError, match="holds no DELF model"):
            create_extractor(str(tmp_path))

    def test_unknown_names_list_the_known(self):
        with pytest.raises(
            InputError, match="'nix'; there are: sift, disk, aliked, and the folder"
        ):
            create_extractor("nix")

    @pytest.mark.parametrize("missing", ["torch", "timm"])
    def test_without_the_extra_it_is_said_before_any_photo(self, trained, monkeypatch, missing):
        monkeypatch.setitem(sys.modules, missing, None)
        with pytest.raises(MissingExtraError, match=r"pip install 'steeple\[torch\]'"):
            create_extractor(os.fspath(trained))
