"""From files to folders, and what the catalogue expects of files."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
import timm
import torch

from steeple.embedding.checkpoints import CATALOGUE, FAMILIES, catalogue, find, import_checkpoint
from steeple.embedding.checkpoints.detection import family_of
from steeple.embedding.checkpoints.inspection import inspect_model
from steeple.embedding.checkpoints.stored import Stored
from steeple.embedding.storage import is_model, read_header
from steeple.errors import InputError


@pytest.fixture
def file(tmp_path):
    """A tiny network of timm's as a file."""
    torch.manual_seed(0)
    path = tmp_path / "tiny-0123abcd.pth"
    torch.save(timm.create_model("test_resnet", pretrained=False).state_dict(), path)
    return path


@pytest.fixture
def entry(file, monkeypatch):
    """An entry of the catalogue that expects this very file."""
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    made = replace(
        find("tv-resnet18"),
        name="tiny",
        backbone="test_resnet",
        file=file.name,
        sha256=digest[:8],
        licence="MIT",
    )
    monkeypatch.setattr(catalogue, "CATALOGUE", (made, *CATALOGUE))
    return made


@pytest.mark.parametrize("name", [None, "tiny"])
def test_the_catalogue_knows_the_file(file, entry, tmp_path, name):
    done = import_checkpoint(file, tmp_path / "out", name=name)
    card = read_header(tmp_path / "out").card
    assert (card.name, card.licence) == ("tiny", "MIT")
    assert card.source == f"pytorch/vision, {file.name}"
    assert card.training["file"] == file.name
    assert card.training["file_sha256"] == done.sha256
    assert done.sha256.startswith(done.expected)
    assert done.header.architecture["backbone"] == "test_resnet"


def test_another_file_of_that_name_is_refused(file, entry, tmp_path):
    file.write_bytes(file.read_bytes() + b"x")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    with pytest.raises(
        InputError, match=f"its sha256 is {digest}, and should begin with {entry.sha256}"
    ):
        import_checkpoint(file, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_family_asks_for_no_digest(file, entry, tmp_path):
    done = import_checkpoint(
        file, tmp_path / "out", name="plain", backbone="test_resnet", licence="mine"
    )
    assert (done.expected, done.header.card.name) == ("", "tiny-0123abcd")
    assert done.header.card.licence == "mine"


def test_what_is_there_stays(file, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        import_checkpoint(file, tmp_path / "out", backbone="test_resnet")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_nothing_is_left_of_a_refused_file(file, tmp_path):
    weights = torch.load(file, weights_only=True)
    weights["conv1.0.weight"] = weights["conv1.0.weight"] * torch.inf
    torch.save(weights, file)
    with pytest.raises(InputError, match="is not finite"):
        import_checkpoint(file, tmp_path / "out", backbone="test_resnet")
    with pytest.raises(InputError, match="No such file"):
        import_checkpoint(tmp_path / "none.pth", tmp_path / "out")
    with pytest.raises(InputError, match="'tv-resnet19'; did you mean tv-resnet1"):
        import_checkpoint(file, tmp_path / "out", name="tv-resnet19")
    torch.save({"epoch": 3}, file)
    with pytest.raises(InputError, match="holds no weights"):
        import_checkpoint(file, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_families_are_told_apart_by_names(tmp_path):
    one = torch.ones(1)

    def family(**content):
        return family_of(Stored(tmp_path / "a.pth", content))

    assert family(meta={}, state_dict={"features.0.weight": one}) == "cirtorch"
    assert family(state_dict={"module.adpool.p": one}) == "deep-image-retrieval"
    assert family(state_dict={"conv1.weight": one}, model_options={}) == "deep-image-retrieval"
    for prefix in ("encoder_q.", "globalmodel.", "module.globalmodel.", "module.", ""):
        assert family(model_state={f"{prefix}stem.conv.weight": one}) == "pycls"
    assert family(**{"conv1.weight": one}) == "plain"
    assert family(meta={}, state_dict={"conv1.weight": one}) == "plain"


def test_inspection(file, tmp_path):
    import_checkpoint(file, tmp_path / "out", backbone="test_resnet")
    found = inspect_model(tmp_path / "out")
    network = timm.create_model("test_resnet", pretrained=False, num_classes=0)
    assert found.parameters == sum(p.numel() for p in network.parameters()) + 1  # and p
    weights = tmp_path / "out" / "model.safetensors"
    assert found.bytes == weights.stat().st_size
    for content in (b"", b"short", b"\xff" * 64, (2).to_bytes(8, "little") + b"[]"):
        weights.write_bytes(content)
        with pytest.raises(InputError, match="is damaged"):
            inspect_model(tmp_path / "out")
    weights.unlink()
    with pytest.raises(InputError, match="No such file"):
        inspect_model(tmp_path / "out")


def test_catalogue():
    names = [entry.name for entry in CATALOGUE]
    assert len(set(names)) == len(names)
    assert not {*names} & {*FAMILIES}
    files = [entry.file for entry in CATALOGUE if entry.file]
    assert len(set(files)) == len(files)
    for entry in CATALOGUE:
        assert entry.family in FAMILIES
        assert timm.is_model(entry.backbone)
        assert entry.url.startswith(("http://", "https://"))
        assert entry.channels == ("BGR" if entry.family == "pycls" else "RGB")
        if entry.sha256:
            assert f"-{entry.sha256}." in entry.file
            assert int(entry.sha256, 16) > 0
        assert find(entry.name) is entry
        assert catalogue.by_file("") is None


@pytest.mark.parametrize(
    "entry", [e for e in CATALOGUE if "dinov2" in e.name], ids=lambda e: e.name
)
def test_dimensions_of_transformers(entry):
    with torch.device("meta"):
        network = timm.create_model(entry.backbone, pretrained=False)
    assert network.num_features == entry.dimension


def test_shipped_models(tmp_path, monkeypatch, file):
    import_checkpoint(file, tmp_path / "shipped" / "small", backbone="test_resnet")
    (tmp_path / "shipped" / "no-model").mkdir()
    monkeypatch.setattr(catalogue, "_SHIPPED", tmp_path / "shipped")
    assert [folder.name for folder in catalogue.shipped()] == ["small"]
    assert is_model(catalogue.shipped()[0])
    monkeypatch.setattr(catalogue, "_SHIPPED", tmp_path / "nothing")
    assert catalogue.shipped() == ()
