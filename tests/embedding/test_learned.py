"""A model as an embedder: lazy, safe among threads, the same alone and in a crowd."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from steeple.embedding import learned as module
from steeple.embedding.base import load_embedder, photos_together, save_embedder
from steeple.embedding.card import Card
from steeple.embedding.learned import Learned
from steeple.embedding.model import Model
from steeple.embedding.network import Architecture, new_network
from steeple.embedding.pipeline import describe_files
from steeple.embedding.preprocessing import GLDV2, ONE, REVISITED, SCALES, Scales
from steeple.embedding.storage import WEIGHTS, save_model
from steeple.errors import CollectionError, InputError, MachineError

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

_SMALL = Scales("small", (0.5, 1.0, 1.5), multiple=8, least=32)


def _photos(shapes: Sequence[tuple[int, int]]) -> list[Bytes]:
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in shapes]


_SHAPES = [(64, 48), (48, 64), (64, 64), (64, 48), (50, 64), (48, 64), (64, 48), (33, 64)]


@pytest.fixture(scope="module")
def model() -> Model:
    network = new_network(Architecture("test_resnet", 8), seed=2).eval()
    return Model(network, Card("tiny"), scales=_SMALL, max_side=64)


@pytest.fixture(scope="module")
def saved(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    save_model(model, folder)
    return folder


@pytest.fixture
def threads() -> Any:
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def test_it_says_what_it_is_without_pytorch(saved: Path) -> None:
    code = (
        "import sys, pickle; from pathlib import Path;"
        "from steeple.embedding.learned import Learned;"
        "one = Learned.open(Path(sys.argv[1])).looking(scales='gldv2', side=96);"
        "pickle.dumps(one.prepare);"
        "print(one.name, one.kind, one.dimension, one.max_side, one.learned_from,"
        "'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, saved], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["tiny", "network", "8", "96", "0", "False"]


def _literal(model: Model, photo: Bytes, scales: Scales) -> npt.NDArray[np.float64]:
    """One image at a time, in double precision from where the network ends."""
    total = np.zeros(8)
    for image in scales(photo):
        with torch.no_grad():
            raw = model.network.raw(model.pixels(image[None]))[0].double().numpy()
        total += raw / np.linalg.norm(raw) if scales.normalise else raw
    return total / np.linalg.norm(total)


@pytest.mark.parametrize("name", sorted(SCALES))
def test_descriptors_by_hand(model: Model, name: str) -> None:
    embedder = Learned.of(model).looking(scales=name)
    photos = _photos(_SHAPES)
    found = embedder.encode([embedder.prepare(photo) for photo in photos])
    assert found.dtype == np.float32
    expected = [_literal(model, photo, SCALES[name]) for photo in photos]
    np.testing.assert_allclose(found, expected, atol=2e-5)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_threads_change_nothing(model: Model, threads: Any, count: int) -> None:
    threads(count)
    embedder = Learned.of(model)
    prepared = [embedder.prepare(photo) for photo in _photos(_SHAPES * 3)]
    found = embedder.encode(prepared)
    alone = np.concatenate([embedder.encode([one]) for one in prepared])
    np.testing.assert_array_equal(found, embedder.encode(prepared))
    assert np.abs(found - alone).max() < 1e-5
    assert torch.get_num_threads() == count


def test_nothing_to_describe(model: Model) -> None:
    assert Learned.of(model).encode([]).shape == (0, 8)


def test_half_precision_is_near(model: Model) -> None:
    full = Learned.of(model)
    half = full.looking(precision="bfloat16")
    prepared = [full.prepare(photo) for photo in _photos(_SHAPES)]
    a, b = full.encode(prepared), half.encode(prepared)
    assert not np.array_equal(a, b)
    assert ((a * b).sum(axis=1) > 0.99).all()


def test_many_threads_read_the_weights_once(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loads, load = [], module.load_model

    def slowly(folder: Path) -> Model:
        loads.append(folder)
        start.wait(0.1)
        return load(folder)

    monkeypatch.setattr(module, "load_model", slowly)
    embedder, start = Learned.open(saved), threading.Event()
    prepared = [embedder.prepare(photo) for photo in _photos(_SHAPES[:2])]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: embedder.encode(prepared), range(8)))
    assert loads == [saved]
    assert all(np.array_equal(results[0], result) for result in results)


def test_files_in_worker_processes(saved: Path, files: list[Path]) -> None:
    embedder = Learned.open(saved)
    alone = describe_files(files, embedder, None, workers=1)
    several = describe_files(files, embedder, None, workers=2)
    np.testing.assert_array_equal(alone.descriptors, several.descriptors)
    assert [path for path, _ in alone.errors] == [files[3], files[9], files[19]]
    lengths = np.linalg.norm(alone.descriptors, axis=1)
    np.testing.assert_allclose(np.delete(lengths, [3, 9, 19]), 1, rtol=1e-5)


def test_looking_in_another_way(model: Model) -> None:
    powered = replace(model, scales=replace(_SMALL, power=3.0))
    found = Learned.of(powered).looking(scales="revisited", side=1024, precision="bfloat16")
    assert found.scales == replace(REVISITED, power=3.0)
    assert (found.max_side, found.precision) == (1024, "bfloat16")
    assert (found.model.scales, found.model.max_side) == (found.scales, 1024)
    assert Learned.of(model).looking() == Learned.of(model)


@pytest.mark.parametrize(
    "wrong",
    [
        {"scales": "all"},
        {"side": 31},
        {"side": 8193},
        {"precision": "float16"},
        {"precision": ""},
    ],
)
def test_ways_that_there_are_not(model: Model, wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        Learned.of(model).looking(**wrong)


def test_a_collection_keeps_it(saved: Path, tmp_path: Path) -> None:
    embedder = Learned.open(saved).looking(scales="gldv2", side=96, precision="bfloat16")
    save_embedder(embedder, tmp_path / "kept")
    again = load_embedder(tmp_path / "kept")
    assert isinstance(again, Learned)
    assert (again.scales, again.max_side, again.precision) == (GLDV2, 96, "bfloat16")
    prepared = [embedder.prepare(photo) for photo in _photos(_SHAPES[:3])]
    np.testing.assert_array_equal(again.encode(prepared), embedder.encode(prepared))


@pytest.mark.parametrize("content", [None, "", "[]", "{}", '{"precision": "float8"}'])
def test_damage_beside_the_model(saved: Path, tmp_path: Path, content: str | None) -> None:
    save_embedder(Learned.open(saved), tmp_path / "kept")
    how = tmp_path / "kept" / "how.json"
    if content is None:
        how.unlink()
    else:
        how.write_text(content)
    with pytest.raises(CollectionError, match="build the collection again"):
        load_embedder(tmp_path / "kept")


def test_damaged_weights_are_met_when_they_are_needed(saved: Path, tmp_path: Path) -> None:
    save_embedder(Learned.open(saved), tmp_path / "kept")
    file = tmp_path / "kept" / "model" / WEIGHTS
    file.write_bytes(file.read_bytes()[:-1])
    embedder = load_embedder(tmp_path / "kept")
    with pytest.raises(InputError, match="is damaged"):
        embedder.encode([embedder.prepare(_photos(_SHAPES[:1])[0])])


def test_a_network_that_goes_astray(model: Model) -> None:
    wild = new_network(Architecture("test_resnet", 8), seed=2).eval()
    with torch.no_grad():
        wild.fc.weight.fill_(3e38)  # type: ignore[union-attr,operator]
    embedder = Learned.of(replace(model, network=wild))
    with pytest.raises(InputError, match="not finite"):
        embedder.encode([embedder.prepare(_photos(_SHAPES[:1])[0])])


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory.\nTried"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_too_little_memory_halves_the_batch(
    model: Model, monkeypatch: pytest.MonkeyPatch, error: RuntimeError
) -> None:
    describe, sizes, most = Model.describe, [], 2

    def crowded(self: Model, images: Bytes, precision: str) -> torch.Tensor:
        sizes.append(len(images))
        if len(images) > most:
            raise error
        return describe(self, images, precision)

    embedder = Learned.of(replace(model, scales=ONE))
    prepared = [embedder.prepare(photo) for photo in _photos([(64, 48)] * 7)]
    expected = embedder.encode(prepared)
    monkeypatch.setattr(Model, "describe", crowded)
    monkeypatch.setattr(module, "available_cores", lambda: 1)
    np.testing.assert_allclose(embedder.encode(prepared), expected, atol=1e-5)
    assert max(sizes) == 7
    most = 0
    with pytest.raises(MachineError, match="photo of 48 x 64 pixels with tiny; look at") as caught:
        embedder.encode(prepared)
    assert "\n" not in str(caught.value)


def test_other_errors_are_not_taken_for_want_of_memory(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(Model, "describe", fail)
    embedder = Learned.of(model)
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        embedder.encode([embedder.prepare(_photos(_SHAPES[:1])[0])])


def test_how_many_photos_it_wants_at_a_time(model: Model) -> None:
    embedder = Learned.of(model)
    assert photos_together(embedder) == 64 or embedder.model.device.type == "cuda"
    large = embedder.looking(scales="revisited", side=4096)
    held = photos_together(large) * 3 * 4096**2 * 3.5
    assert photos_together(large) == 8 or held <= 1 << 28
    assert pickle.dumps(large.prepare) == pickle.dumps(REVISITED)


def test_what_a_gpu_computes_is_fetched_when_asked_for() -> None:
    found = torch.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(np.asarray(module._Later(found)), found.numpy())
    assert json.dumps(np.asarray(module._Later(found), dtype=np.float64).tolist())
