"""Exported models: equal to PyTorch at every size, without PyTorch, and what is refused."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from steeple.embedding import create_embedder
from steeple.embedding import onnx as serving
from steeple.embedding.base import load_embedder, save_embedder
from steeple.embedding.exporting import Export, export_onnx
from steeple.embedding.learned import Learned
from steeple.embedding.onnx import Onnx, is_onnx, new_session
from steeple.embedding.preprocessing import GLDV2, ONE, REVISITED, Colours
from steeple.errors import CollectionError, InputError, MissingExtraError

for _library in ("torch", "timm", "onnx", "onnxscript", "onnxruntime"):
    pytest.importorskip(_library, reason=f"{_library} is not installed")


def load_models() -> ModuleType:
    file = Path(__file__).parents[1] / "small_models.py"
    spec = importlib.util.spec_from_file_location("small_models", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


models = load_models()


@pytest.fixture(scope="module")
def model():
    """BGR, odd colours, a power for each channel, and a power mean."""
    return models.small_model(
        backbone=models.HANDFUL,
        architecture={"learn_p": True, "p_per_channel": True},
        colours=Colours((0.4, 0.5, 0.45), (0.2, 0.25, 0.3), "BGR"),
        scales=REVISITED,
    )


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory) -> tuple[Path, Export]:
    folder = tmp_path_factory.mktemp("exported") / "model"
    return folder, export_onnx(model, folder)


@pytest.fixture
def photos(draw) -> Sequence[np.ndarray]:
    return [draw(0, 96, 70), draw(1, 41, 96), draw(2, 96, 70), draw(3, 64, 64), draw(4, 33, 32)]


@pytest.mark.parametrize("scales", [ONE, GLDV2, REVISITED])
def test_is_equal_to_torch(model, exported, photos, scales):
    ours = Learned.of(model).looking(scales=scales.name)
    served = create_embedder(f"{exported[0]}:scales={scales.name}")
    assert isinstance(served, Onnx)
    prepared = [ours.prepare(photo) for photo in photos]
    one, two = ours.encode(prepared), served.encode(prepared)
    assert two.shape == (5, 24)
    assert two.dtype == np.float32
    assert np.abs(one - two).max() < 1e-5
    np.testing.assert_allclose(np.linalg.norm(two, axis=1), 1, atol=1e-5)
    assert np.abs(two[0] - two[1]).max() > 1e-3  # it does tell photos apart


def test_looks_as_the_model_does(model, exported):
    served = create_embedder(str(exported[0]))
    ours = Learned.of(model)
    for what in ("name", "dimension", "max_side", "prepare", "learned_from"):
        assert getattr(served, what) == getattr(ours, what)
    assert served.kind == "onnx"
    assert served.fit([]) is served
    assert 8 <= served.together <= 64
    assert served.header.card == model.card


def test_is_said_what_it_came_to(exported):
    folder, export = exported
    assert export.bytes == (folder / "model.onnx").stat().st_size
    assert export.opset >= 17
    assert 0 <= export.difference < 1e-5
    assert json.loads((folder / "model.json").read_text())["onnx"] is True
    assert is_onnx(folder)


def test_the_graph_takes_pixels_and_gives_both(exported, model):
    session = new_session((exported[0] / "model.onnx").read_bytes(), "it")
    (taken,) = session.get_inputs()
    assert (taken.name, taken.type, taken.shape[3]) == ("images", "tensor(uint8)", 3)
    assert not any(isinstance(side, int) for side in taken.shape[:3])
    images = np.random.default_rng(0).integers(0, 256, (3, 50, 61, 3), dtype=np.uint8)
    raw, descriptor = session.run(["raw", "descriptor"], {"images": images})
    np.testing.assert_allclose(
        raw / np.linalg.norm(raw, axis=1, keepdims=True), descriptor, atol=1e-6
    )
    options = session.get_session_options()
    assert options.intra_op_num_threads >= 1
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


def test_needs_no_torch(exported, photos, model, tmp_path):
    np.save(tmp_path / "photo.npy", photos[0])
    code = (
        "import sys, numpy as np\n"
        "for name in ('torch', 'timm', 'onnx', 'onnxscript'): sys.modules[name] = None\n"
        "from steeple.embedding import create_embedder\n"
        f"embedder = create_embedder({str(exported[0])!r})\n"
        f"photo = np.load({str(tmp_path / 'photo.npy')!r})\n"
        f"np.save({str(tmp_path / 'out.npy')!r}, embedder.encode([embedder.prepare(photo)]))\n"
        "assert 'torch.nn' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    ours = Learned.of(model)
    expected = ours.encode([ours.prepare(photos[0])])
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), expected, atol=1e-5)


def test_is_stored_with_how_it_looks(exported, photos, tmp_path):
    looking = create_embedder(f"{exported[0]}:side=64:scales=gldv2")
    save_embedder(looking, tmp_path / "kept")
    again = load_embedder(tmp_path / "kept")
    assert isinstance(again, Onnx)
    assert (again.max_side, again.scales) == (64, looking.scales)
    prepared = [looking.prepare(photo) for photo in photos]
    np.testing.assert_array_equal(again.encode(prepared), looking.encode(prepared))
    (tmp_path / "kept" / "model" / "model.onnx").unlink()
    with pytest.raises(CollectionError, match="is no exported model"):
        load_embedder(tmp_path / "kept")


@pytest.mark.parametrize(
    ("looking", "words"),
    [
        ("side=8", "a side of 8 pixels"),
        ("scales=many", "no scales are called 'many'"),
        ("precision=bfloat16", "computes in float32"),
    ],
)
def test_refuses_ways_of_looking(exported, looking, words):
    with pytest.raises(InputError, match=words):
        create_embedder(f"{exported[0]}:{looking}")


@pytest.mark.parametrize("damage", ["cut", "changed", "gone"])
def test_a_damaged_graph(exported, photos, tmp_path, damage):
    folder = tmp_path / "model"
    folder.mkdir()
    content = bytearray((exported[0] / "model.onnx").read_bytes())
    (folder / "model.json").write_bytes((exported[0] / "model.json").read_bytes())
    if damage == "changed":
        content[len(content) // 2] ^= 0xFF
    (folder / "model.onnx").write_bytes(content[: 999 if damage == "cut" else None])
    embedder = create_embedder(str(folder))
    if damage == "gone":
        (folder / "model.onnx").unlink()
    with pytest.raises(InputError, match=r"model.onnx.*; export the model again"):
        embedder.encode([embedder.prepare(photos[0])])


def test_what_is_no_graph_of_ours():
    with pytest.raises(InputError, match=r"it cannot be read .*; export the model again"):
        new_session(b"no graph", "it")
    import onnx

    value = [onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, [1]) for n in "xy"]
    node = onnx.helper.make_node("Identity", ["x"], ["y"])
    graph = onnx.helper.make_graph([node], "g", value[:1], value[1:])
    opset = [onnx.helper.make_opsetid("", 17)]
    other = onnx.helper.make_model(graph, opset_imports=opset, ir_version=9)
    with pytest.raises(InputError, match="it is no model of ours"):
        new_session(other.SerializeToString(), "it")


def test_without_the_extra(exported, photos, monkeypatch, model, tmp_path):
    embedder = create_embedder(str(exported[0]))
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'steeple\[onnx\]'"):
        embedder.encode([embedder.prepare(photos[0])])
    with pytest.raises(MissingExtraError, match=r"pip install 'steeple\[onnx\]'"):
        export_onnx(model, tmp_path / "model")


def test_a_worker_has_one_thread(exported, monkeypatch):
    monkeypatch.setattr(serving.multiprocessing, "parent_process", object)
    session = new_session((exported[0] / "model.onnx").read_bytes(), "it")
    assert session.get_session_options().intra_op_num_threads == 1


def test_nothing_is_exported_over_something(model, exported, tmp_path):
    with pytest.raises(InputError, match="not empty"):
        export_onnx(model, exported[0])


def test_an_export_that_differs_is_refused(model, exported, monkeypatch, tmp_path):
    from steeple.embedding import exporting

    graph = (exported[0] / "model.onnx").read_bytes()
    monkeypatch.setattr(exporting, "_traced", lambda network, name: (graph, 20))
    other = models.small_model(
        backbone=models.HANDFUL,
        seed=9,
        architecture={"learn_p": True, "p_per_channel": True},
        colours=model.colours,
    )
    with pytest.raises(InputError, match=r"differs from PyTorch by .*, more than 1e-04"):
        export_onnx(other, tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_a_network_that_cannot_be_exported(model, monkeypatch, tmp_path):
    import torch

    def fail(*_: object, **__: object) -> None:
        raise torch.onnx.errors.OnnxExporterError("no such\noperator")

    monkeypatch.setattr(torch.onnx, "export", fail)
    with pytest.raises(InputError, match=r"little cannot be exported \(no such operator\)"):
        export_onnx(model, tmp_path / "model")
    assert not list(tmp_path.iterdir())
