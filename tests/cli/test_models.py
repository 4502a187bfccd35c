"""steeple models: what people see of models, and published files as models."""

from __future__ import annotations

import json

import pytest
import timm
import torch

from steeple.embedding.checkpoints import CATALOGUE, catalogue, import_checkpoint


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A tiny network of timm's as a published file."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("published") / "tiny.pth"
    torch.save(timm.create_model("test_resnet", pretrained=False).state_dict(), path)
    return path


@pytest.fixture
def model(file, tmp_path):
    import_checkpoint(file, tmp_path / "tiny", backbone="test_resnet", licence="CC0")
    return tmp_path / "tiny"


@pytest.fixture
def shipped(file, tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue, "_SHIPPED", tmp_path / "shipped")
    import_checkpoint(file, tmp_path / "shipped" / "small", backbone="test_resnet", licence="CC0")
    return tmp_path / "shipped"


def test_list_names_all(steeple, shipped):
    out = steeple("models", "list").out
    for entry in CATALOGUE:
        assert f"\n{entry.name} " in out
        assert entry.url in out
        assert not entry.sha256 or entry.sha256 in out
    assert "small: " in out
    assert "licence: CC0" in out
    assert "any network of timm" in out
    assert "unknown" in out


def test_list_without_shipped_models(steeple, tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue, "_SHIPPED", tmp_path)
    ran = steeple("models", "list")
    assert ran.code == 0
    assert "come with steeple" not in ran.out
    assert steeple("models", "list", "--json").json["shipped"] == []


def test_list_as_json(steeple, shipped):
    found = steeple("models", "list", "--json").json
    assert [entry["name"] for entry in found["published"]] == [entry.name for entry in CATALOGUE]
    (small,) = found["shipped"]
    assert (small["model"], small["licence"], small["landmarks"]) == ("small", "CC0", 0)
    cvnet = next(entry for entry in found["published"] if entry["name"] == "cvnet-r50")
    assert cvnet["licence"] == cvnet["sha256_begins"] == "unknown"


def test_list_needs_no_pytorch(shell, tmp_path):
    """As where the extra is not installed."""
    for name in ("torch", "timm"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('not here')\n")
    assert shell("models", "list", PYTHONPATH=str(tmp_path)).code == 0
    ran = shell("models", "import", __file__, "--out", tmp_path / "x", PYTHONPATH=str(tmp_path))
    ran.refused(3, "pip install 'steeple[torch]'")


def test_import(steeple, file, tmp_path):
    ran = steeple("models", "import", file, "--out", tmp_path / "m", "--backbone", "test_resnet")
    assert ran.code == 0
    assert "test_resnet" in ran.out
    assert "licence: unknown" in ran.out
    assert "left out, no part of a descriptor: fc" in ran.out
    assert f"--embedder {tmp_path / 'm'}" in ran.out
    again = steeple("models", "import", file, "--out", tmp_path / "m", "--backbone", "test_resnet")
    again.refused(2, "not empty")


def test_import_as_json(steeple, file, tmp_path):
    words = ("--as", "plain", "--backbone", "test_resnet", "--licence", "MIT", "--json")
    found = steeple("models", "import", file, "--out", tmp_path / "m", *words).json
    assert (found["model"], found["family"]) == (str(tmp_path / "m"), "plain")
    assert found["header"]["card"]["licence"] == "MIT"
    assert found["left_out"] == ["fc"]


def test_import_refuses(steeple, file, tmp_path):
    def refused(*words):
        steeple("models", "import", *words, "--out", tmp_path / "m").refused(2, *reasons)
        assert not (tmp_path / "m").exists()

    reasons = ("does not say what network", "--backbone")
    refused(file)
    reasons = ("no published model is called 'cirtorc'", "did you mean cirtorch")
    refused(file, "--as", "cirtorc")
    reasons = ("no 'meta' with an architecture",)
    refused(file, "--as", "cirtorch")
    reasons = ("sha256", "63fe2227")
    refused(file, "--as", "tv-resnet101")
    reasons = ("no-such.pth", "No such file")
    refused(tmp_path / "no-such.pth")
    cut = tmp_path / "cut.pth"
    cut.write_bytes(file.read_bytes()[:5000])
    reasons = ("cut.pth", "cut short")
    refused(cut)


def test_show_a_folder(steeple, model):
    out = steeple("models", "show", model).out
    header = json.loads((model / "model.json").read_text())
    for word in ("tiny", "CC0", header["sha256"], "test_resnet", "512 px", "RGB", "left out"):
        assert word in out
    found = steeple("models", "show", model, "--json").json
    network = timm.create_model("test_resnet", pretrained=False, num_classes=0)
    assert found["parameters"] == sum(p.numel() for p in network.parameters()) + 1
    assert found["dimension"] == header["dimension"]
    assert found["training"]["left_out"] == ["fc"]


def test_show_says_how_a_training_went(steeple, model):
    header = json.loads((model / "model.json").read_text())
    header["card"]["landmarks"] = [f"[red]{number}" for number in range(1500)]
    header["card"]["training"] = {"settings": {"epochs": 5, "rate": 0.001}, "map": [1.5] * 9}
    header["scales"]["power"] = 2.5
    (model / "model.json").write_text(json.dumps(header))
    out = steeple("models", "show", model).out
    assert "1,500" in out
    assert "epochs=5, rate=0.001" in out
    assert "1.5, 1.5, 1.5, 1.5, 1.5, 1.5 and 3 more" in out
    assert "power mean with p = 2.5" in out
    assert steeple("models", "show", model, "--json").json["landmarks"] == 1500


def test_show_by_name(steeple, shipped):
    assert "CC0" in steeple("models", "show", "small").out
    assert "CVPR2022_CVNet_R50.pyth" in steeple("models", "show", "cvnet-r50").out
    entry = steeple("models", "show", "tv-resnet18", "--json").json
    assert entry["sha256_begins"] == "f37072fd"


def test_show_refuses(steeple, tmp_path, model):
    steeple("models", "show", "cvnet-r51").refused(2, "did you mean cvnet-r50")
    steeple("models", "show", tmp_path).refused(2, "holds no model")
    (model / "model.json").write_text("{")
    steeple("models", "show", model).refused(2, "cannot be read")
