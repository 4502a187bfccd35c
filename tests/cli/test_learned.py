"""Models, ensembles and reductions on the command line: build, embed and evaluate."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from steeple import Collection
from steeple.embedding.reduction import Reduced

for _library in ("torch", "timm"):
    pytest.importorskip(_library, reason=f"{_library} is not installed")

_file = Path(__file__).parents[1] / "small_models.py"
_spec = importlib.util.spec_from_file_location("small_models", _file)
assert _spec is not None
assert _spec.loader is not None
models = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(models)

QUICK = ("--workers", "1", "--no-local-features")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return models.save_small(tmp_path_factory.mktemp("models") / "little", max_side=64)


def test_build_says_whose_weights_they_are(steeple, city, model, tmp_path):
    ran = steeple("build", city.root, "--out", tmp_path / "p", "--embedder", model, *QUICK)
    assert ran.code == 0, ran
    said = "weights: little from the tests; licence: CC0-1.0"
    assert ran.out.splitlines().count(said) == 1


def test_build_says_it_as_json(steeple, city, model, tmp_path):
    embedder = ("--embedder", f"sift-vlad+{model}:weight=0.5")
    ran = steeple("build", city.root, "--out", tmp_path / "p", *embedder, *QUICK, "--json")
    assert ran.json["weights"] == [{"name": "little", "source": "the tests", "licence": "CC0-1.0"}]
    assert ran.json["learned_from"] > 0
    ran = steeple("build", city.root, "--out", tmp_path / "q", *QUICK, "--json")
    assert ran.json["weights"] == []


def test_an_unknown_licence_is_no_licence(steeple, city, model, tmp_path):
    header = json.loads((model / "model.json").read_text())
    header["card"] |= {"licence": "", "source": ""}
    other = tmp_path / "other"
    other.mkdir()
    (other / "model.json").write_text(json.dumps(header))
    (other / "model.safetensors").write_bytes((model / "model.safetensors").read_bytes())
    ran = steeple("build", city.root, "--out", tmp_path / "p", "--embedder", other, *QUICK)
    assert "weights: little, of unknown source; licence: unknown; ask" in ran.out


@pytest.mark.parametrize(
    ("options", "dimension", "whitening"),
    [
        (("--dim", "5"), 5, "none"),
        (("--whiten", "pca"), 24, "pca"),
        (("--dim", "7", "--whiten", "supervised"), 7, "supervised"),
    ],
)
def test_build_reduces(steeple, city, model, tmp_path, options, dimension, whitening):
    words = ("--embedder", model, *options, *QUICK)
    assert steeple("build", city.root, "--out", tmp_path / "p", *words).code == 0
    with Collection.open(tmp_path / "p") as places:
        assert isinstance(places.embedder, Reduced)
        assert (places.embedder.dimension, places.embedder.whitening) == (dimension, whitening)
        assert places.statistics()["dimension"] == dimension


def test_embed_reduces_and_goes_on(steeple, city, model, tmp_path):
    words = ("--embedder", model, "--dim", "5", "--workers", "1")
    ran = steeple("embed", city.root, "--out", tmp_path / "a", *words)
    assert ran.code == 0, ran
    assert "photos were learned from" in ran.out
    assert np.load(tmp_path / "a" / "index.npy").shape[1] == 5
    again = ("--embedder", tmp_path / "a" / "embedder", "--workers", "1")
    assert steeple("embed", city.root, "--out", tmp_path / "b", *again).code == 0
    for part in ("training", "index", "queries"):
        one, two = (np.load(tmp_path / which / f"{part}.npy") for which in "ab")
        np.testing.assert_allclose(one, two, atol=1e-5)  # other photos came together


def test_embed_of_a_network_learns_nothing(steeple, city, model, tmp_path):
    out = ("--out", tmp_path / "a", "--workers", "1", "--json")
    ran = steeple("embed", city.root, *out, "--embedder", model)
    assert ran.json["learned_from"] is None
    assert ran.json["dimension"] == 24


def test_evaluate_reduces(steeple, city, model, tmp_path):
    words = ("--embedder", model, "--dim", "6", "--methods", "knn", *QUICK, "--json")
    ran = steeple("evaluate", city.root, "--collection", tmp_path / "p", *words)
    assert ran.code == 0, ran
    with Collection.open(tmp_path / "p") as places:
        assert places.embedder.dimension == 6


def test_refuses(steeple, city, model, built, tmp_path):
    out = ("--out", tmp_path / "p", *QUICK)
    build = ("build", city.root, *out, "--embedder")
    steeple(*build, model, "--dim", "25").refused(2, "24 numbers", "25")
    steeple(*build, f"{model},reduce:dim=5", "--dim", "5").refused(2, "already")
    steeple(*build, f"{model}:weight=2").refused(2, "only the members of an ensemble")
    embed = ("embed", city.root, "--out", tmp_path / "a", "--collection", built)
    steeple(*embed, "--dim", "5").refused(2, "leave --dim and --whiten out")
    photos = sorted((city.root / "index").rglob("*.jpg"))[:1]
    words = ("--whiten", "supervised", *out)
    steeple("build", photos[0], *words, "--embedder", model).refused(2, "no landmark has two")
    assert not (tmp_path / "p").exists()
