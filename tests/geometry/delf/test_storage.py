"""The model's folder: what goes in comes out, and damage is one line."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from steeple.errors import InputError, StorageError
from steeple.geometry.delf import open_delf, storage
from steeple.geometry.delf.attention import new_attention
from steeple.geometry.delf.detection import detect
from steeple.geometry.delf.reduction import Reduction
from steeple.geometry.delf.storage import Model, load_delf, read_header, save_delf


@pytest.fixture
def copy(trained, tmp_path):
    """A model that a test may damage."""
    return Path(shutil.copytree(trained, tmp_path / "model"))


def refused(folder, *words):
    with pytest.raises(InputError) as raised:
        load_delf(folder)
    assert "\n" not in str(raised.value)
    assert str(folder) in str(raised.value)
    for word in words:
        assert word in str(raised.value)


def rewrite(folder, **changes):
    file = folder / "delf.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


@pytest.mark.parametrize("attention", [True, False])
def test_what_is_saved_is_loaded(backbone, tmp_path, draw, attention):
    random = np.random.default_rng(0)
    model = Model(
        replace(backbone, mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6)),
        new_attention(backbone.channels).eval() if attention else None,
        Reduction(
            random.standard_normal(256).astype(np.float32),
            random.standard_normal((256, 40)).astype(np.float32),
        ),
    )
    save_delf(model, tmp_path / "model")
    loaded = load_delf(tmp_path / "model")
    assert (loaded.attention is None) == (not attention)
    assert (loaded.backbone.mean, loaded.backbone.std) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    np.testing.assert_array_equal(loaded.reduction.basis, model.reduction.basis)
    before = detect(model.backbone, model.attention, draw(1))
    after = detect(loaded.backbone, loaded.attention, draw(1))
    np.testing.assert_array_equal(after.keypoints, before.keypoints)
    np.testing.assert_array_equal(after.vectors, before.vectors)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["delf.json", "delf.safetensors", "model"]


def test_an_empty_folder_is_a_free_place(trained, tmp_path):
    (tmp_path / "model").mkdir()
    save_delf(load_delf(trained), tmp_path / "model")
    assert read_header(tmp_path / "model") == read_header(trained)


def test_nothing_is_written_over(trained, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "letter.txt").write_text("dear")
    for place in (tmp_path / "model", tmp_path / "model" / "letter.txt"):
        with pytest.raises(InputError, match="not empty"):
            save_delf(load_delf(trained), place)
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["letter.txt"]


def test_a_full_disk_leaves_nothing(trained, tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    model = load_delf(trained)
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StorageError, match="No space left"):
        save_delf(model, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_no_model_says_how_to_make_one(tmp_path):
    refused(tmp_path, f"steeple delf PHOTOS --out {tmp_path}")
    refused(tmp_path / "nix", "holds no DELF model")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"format": 1}', '{"format": "1"}', "\N{SNOWMAN}"]
)
def test_a_damaged_header(copy, text):
    (copy / "delf.json").write_text(text)
    refused(copy, "delf.json", "make the model again")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": 2}, "format 2, this version reads 1"),
        ({"backbone": 18}, "backbone is 18"),
        ({"dimension": "40"}, "dimension is '40'"),
        ({"mean": [0.5]}, "mean is [0.5]"),
        ({"std": ["a", "b", "c"]}, "std is"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_header_of_something_else(copy, changes, words):
    rewrite(copy, **changes)
    refused(copy, words)


@pytest.mark.parametrize("how", ["cut", "flipped", "gone"])
def test_damaged_tensors(copy, how):
    file = copy / "delf.safetensors"
    data = bytearray(file.read_bytes())
    if how == "cut":
        file.write_bytes(data[: len(data) // 2])
    elif how == "flipped":
        data[-1000] ^= 1
        file.write_bytes(data)
    else:
        file.unlink()
    refused(copy, "delf.safetensors", "make the model again")


def test_the_weights_of_another_network(copy):
    rewrite(copy, backbone="resnet34")
    refused(copy, "delf.safetensors", "missing")
    rewrite(copy, backbone="nix")
    with pytest.raises(InputError, match="no network 'nix'"):
        load_delf(copy)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("backbone.conv1.weight", torch.nan, "not finite"),
        ("attention.0.bias", torch.inf, "not finite"),
        ("reduction.mean", torch.nan, "reduction is not finite"),
        ("attention.2.weight", None, "2.weight missing"),
        ("reduction.basis", None, "no reduction to 40 dimensions"),
    ],
)
def test_tensors_that_were_written_wrong(copy, name, value, words):
    file = copy / "delf.safetensors"
    tensors = load_file(file)
    if value is None:
        del tensors[name]
    else:
        tensors[name] = torch.full_like(tensors[name], value)
    save_file(tensors, file)
    rewrite(copy, digest=storage._digest(file.read_bytes()))
    refused(copy, "delf.safetensors", words)


def test_a_model_that_was_replaced_is_not_taken_for_the_first(copy, plain, draw):
    first = open_delf(copy)
    shutil.rmtree(copy)
    shutil.copytree(plain, copy)
    assert open_delf(copy) != first
    with pytest.raises(InputError, match="another model than before"):
        first(draw(1))
