"""A model's folder: there and back, and every way in which someone may have spoilt it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from steeple.embedding.card import Card
from steeple.embedding.model import Model
from steeple.embedding.network import Architecture, new_network
from steeple.embedding.preprocessing import REVISITED, Colours
from steeple.embedding.storage import (
    HEADER,
    WEIGHTS,
    is_model,
    load_model,
    new_header,
    read_header,
    save_model,
)
from steeple.errors import InputError, StorageError

_CARD = Card(
    "tiny",
    source="steeple train",
    licence="CC0",
    landmarks=("Köln \u2028", "a\udcffb", "x"),
    training={"rate": 0.1, "loss": float("nan"), "steps": [1, 2]},
)


def _model() -> Model:
    architecture = Architecture("test_resnet", 8, p=2.5, learn_p=True, p_per_channel=True)
    network = new_network(architecture, seed=2).eval()
    network.to(memory_format=torch.channels_last)
    return Model(network, _CARD, Colours(channels="BGR"), replace(REVISITED, power=2.0), 96)


@pytest.fixture(scope="module")
def model() -> Model:
    return _model()


@pytest.fixture(scope="module")
def saved(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    save_model(model, folder)
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "model"))


def _edit(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    stored = json.loads((folder / HEADER).read_text())
    change(stored)
    (folder / HEADER).write_text(json.dumps(stored))


def _replace_weights(folder: Path, weights: dict[str, torch.Tensor]) -> None:
    save_file(weights, folder / WEIGHTS)
    digest = sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    _edit(folder, lambda stored: stored.update(sha256=digest))


def test_there_and_back(model: Model, saved: Path) -> None:
    again = load_model(saved)
    assert again.network.architecture == model.network.architecture
    assert (again.colours, again.scales, again.max_side) == (model.colours, model.scales, 96)
    assert str(again.card) == str(model.card)  # NaN is not equal to itself
    ours, theirs = model.network.state_dict(), again.network.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name].cpu()) for name in ours)
    images = np.random.default_rng(1).integers(0, 256, (2, 40, 56, 3), dtype=np.uint8)
    torch.testing.assert_close(again.describe(images).cpu(), model.describe(images))


def test_the_folder_is_two_files_and_the_header_needs_no_weights(
    model: Model, folder: Path
) -> None:
    assert sorted(path.name for path in folder.iterdir()) == [HEADER, WEIGHTS]
    digest = sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    (folder / WEIGHTS).unlink()
    assert is_model(folder)
    header = read_header(folder)
    assert str(header) == str(replace(new_header(model), sha256=digest))


def test_the_same_model_is_the_same_bytes(model: Model, saved: Path, tmp_path: Path) -> None:
    save_model(model, tmp_path / "again")
    for name in (HEADER, WEIGHTS):
        assert (tmp_path / "again" / name).read_bytes() == (saved / name).read_bytes()


def test_a_header_is_read_without_pytorch(saved: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from steeple.embedding.storage import read_header;"
        "print(read_header(Path(sys.argv[1])).dimension, 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, saved], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["8", "False"]


def test_a_place_that_is_taken(model: Model, folder: Path) -> None:
    with pytest.raises(InputError, match="exists and is not empty"):
        save_model(model, folder)


def test_a_disk_that_is_full(saved: Path, tmp_path: Path) -> None:
    # A limit on the size of files stands for a full disk: the error is of the same kind.
    code = (
        "import sys, resource; from pathlib import Path;"
        "from steeple.embedding.storage import load_model, save_model;"
        "model = load_model(Path(sys.argv[1]));"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536));"
        "save_model(model, Path(sys.argv[2]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, saved, tmp_path / "new"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f"{StorageError.__module__}.{StorageError.__name__}")
    assert "the model cannot be written" in last
    assert "File too large" in last
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [None, b"", b"[]", b"{}", b"{", b"\xff\xfe", b'{"format": 2}'])
def test_no_header(folder: Path, content: bytes | None) -> None:
    if content is None:
        (folder / HEADER).unlink()
        assert not is_model(folder)
    else:
        (folder / HEADER).write_bytes(content)
    for read in (read_header, load_model):
        with pytest.raises(InputError) as caught:
            read(folder)
        assert str(folder) in str(caught.value)
        assert "\n" not in str(caught.value)


_FIELDS = {
    "format": [None, "1", 2, 1.0, True],
    "architecture": [None, 5, [], {"backbone": "resnet-of-dreams"}, {"backbone": 3}, {"x": 1}],
    "dimension": [None, 0, -8, "8", 8.0, True, 9, 10**9],
    "max_side": [None, 0, "96", 96.5, True, 10**9],
    "colours": [None, [], {}, "RGB"],
    "scales": [None, [], {}, "one"],
    "card": [None, [], {}, "tiny"],
    "sha256": ["", "0" * 64, "zz"],
}
_INNER = {
    ("colours", "mean"): [None, 0.5, [], [0.5, 0.5], ["a", "b", "c"], "abc", [float("nan")] * 3],
    ("colours", "std"): [None, [1, 1, 0], [1, 1, -1], [float("inf")] * 3],
    ("colours", "channels"): [None, "GRB", 3],
    ("scales", "name"): [None, 3],
    ("scales", "factors"): [None, [], 1.0, [0], ["1"], [float("nan")], [1e9], [1] * 100],
    ("scales", "multiple"): [None, 0, 1.5, "32"],
    ("scales", "least"): [None, 0, -1, 1e9],
    ("scales", "normalise"): [None, 1, "yes"],
    ("scales", "power"): [None, 0, float("nan"), "1"],
    ("card", "name"): [None, 5],
    ("card", "source"): [None, {}],
    ("card", "licence"): [None, 1],
    ("card", "landmarks"): [None, "abc", [1], {}],
    ("card", "training"): [None, [], "no"],
    ("architecture", "backbone"): [None, "", 7, "resnet-of-dreams", "resnet18"],
    ("architecture", "dimension"): [0, "8", 9, True, 1.5, [], None],
    ("architecture", "p"): [None, 0, "3", float("nan")],
    ("architecture", "p_per_channel"): [None, False, "no"],
    ("architecture", "bias"): [None, 0, False],
    ("architecture", "batch_norm"): [None, False, "x"],
    ("architecture", "whitening"): [4, "a", True],
}


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, vs in _FIELDS.items() for v in vs])
def test_every_field_wrong_in_turn(folder: Path, name: str, value: Any) -> None:
    _edit(folder, lambda stored: stored.update({name: value}))
    _refused(folder)


@pytest.mark.parametrize("name", _FIELDS)
def test_every_field_missing_in_turn(folder: Path, name: str) -> None:
    _edit(folder, lambda stored: stored.pop(name))
    _refused(folder)


@pytest.mark.parametrize(("place", "value"), [(p, v) for p, vs in _INNER.items() for v in vs])
def test_every_inner_field_wrong_in_turn(folder: Path, place: tuple[str, str], value: Any) -> None:
    group, name = place
    known = json.loads((folder / HEADER).read_text())[group]
    assert name in known
    _edit(folder, lambda stored: stored[group].update({name: value}))
    if place in {("architecture", "batch_norm"), ("architecture", "bias")} and value is False:
        # Then the file has more than is asked for; a hand that does this wants it.
        load_model(folder)
    else:
        _refused(folder)


@pytest.mark.parametrize("group", ["architecture", "colours", "scales", "card"])
def test_fields_of_the_future(folder: Path, group: str) -> None:
    _edit(folder, lambda stored: stored[group].update(beauty=1))
    _refused(folder)


def _refused(folder: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_model(folder)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [0, 0.5, 0.999])
def test_weights_cut_short(folder: Path, share: float) -> None:
    data = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(data[: int(share * len(data))])
    with pytest.raises(InputError, match="is damaged: it is not what was written"):
        load_model(folder)
    digest = sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    _edit(folder, lambda stored: stored.update(sha256=digest))
    with pytest.raises(InputError, match="no weights can be read"):
        load_model(folder)


def test_no_weights(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    with pytest.raises(InputError, match="No such file"):
        load_model(folder)


def test_weights_of_another_model(folder: Path) -> None:
    other = new_network(Architecture("test_resnet", 8, p_per_channel=True), seed=9)
    save_file(other.state_dict(), folder / WEIGHTS)
    with pytest.raises(InputError, match="is damaged"):
        load_model(folder)
    _replace_weights(folder, new_network(Architecture("resnet10t", 8)).state_dict())
    with pytest.raises(InputError, match="name the network that the weights belong to"):
        load_model(folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite(folder: Path, value: float) -> None:
    weights = load_file(folder / WEIGHTS)
    weights["fc.weight"][0, 0] = value
    _replace_weights(folder, weights)
    with pytest.raises(InputError, match=r"fc.weight is not finite"):
        load_model(folder)
