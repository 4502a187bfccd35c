"""steeple export: a folder that describes photos alike, and nothing but what is said of it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from steeple.embedding import create_embedder

for _library in ("torch", "timm", "onnx", "onnxscript", "onnxruntime"):
    pytest.importorskip(_library, reason=f"{_library} is not installed")

_file = Path(__file__).parents[1] / "small_models.py"
_spec = importlib.util.spec_from_file_location("small_models", _file)
assert _spec is not None
assert _spec.loader is not None
models = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(models)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A transformer: what is hardest to export with free sides."""
    place = tmp_path_factory.mktemp("models") / "little"
    return models.save_small(place, backbone="test_vit.r160_in1k")


def test_exports_and_says_so(steeple, folder, tmp_path):
    text = f"{folder}:side=80:scales=gldv2"
    ran = steeple("export", text, "--out", tmp_path / "served")
    assert ran.code == 0, ran
    assert ran.err == ""
    first, second = ran.out.splitlines()  # and nothing of what the exporter says
    assert first.startswith(f"{tmp_path / 'served'}: little, 24 numbers a photo, ")
    assert "ONNX opset" in first
    assert second.startswith("largest difference from PyTorch: ")
    assert float(second.rpartition(" ")[2]) < 1e-4
    ours = create_embedder(text)
    served = create_embedder(str(tmp_path / "served"))
    assert (served.max_side, served.prepare) == (80, ours.prepare)
    random = np.random.default_rng(0)
    photos = [random.integers(0, 256, (h, w, 3), dtype=np.uint8) for h, w in ((80, 60), (33, 80))]
    prepared = [ours.prepare(photo) for photo in photos]
    np.testing.assert_allclose(served.encode(prepared), ours.encode(prepared), atol=1e-4)


def test_as_json(steeple, folder, tmp_path, monkeypatch):
    """What is said, not what is done: an export takes a while."""
    from steeple.embedding import exporting

    given = []

    def export(*arguments):
        given.extend(arguments)
        return exporting.Export(12_345, 20, 2e-7)

    monkeypatch.setattr(exporting, "export_onnx", export)
    ran = steeple("export", f"{folder}:side=70", "--out", tmp_path / "served", "--json")
    model, out = given
    assert (model.max_side, out) == (70, tmp_path / "served")
    assert ran.json == {
        "model": str(tmp_path / "served"),
        "name": "little",
        "licence": "CC0-1.0",
        "bytes": 12_345,
        "opset": 20,
        "difference": 2e-7,
    }


def test_refuses(steeple, folder, tmp_path):
    out = ("--out", tmp_path / "served")
    steeple("export", "sift-vlad", *out).refused(2, "sift-vlad is no single network")
    steeple("export", f"{folder}+sift-vlad", *out).refused(2, "one by one")
    steeple("export", f"{folder}:precision=bfloat16", *out).refused(2, "float32")
    steeple("export", tmp_path / "gone", *out).refused(2, "holds no model")
    steeple("export", folder, "--out", folder).refused(2, "not empty")
    assert not (tmp_path / "served").exists()
