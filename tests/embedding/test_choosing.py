"""Embedders by what people write."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import asdict
from pathlib import Path

import pytest

from steeple.embedding import create_embedder
from steeple.embedding.base import save_embedder
from steeple.embedding.card import Card
from steeple.embedding.cards import cards_of
from steeple.embedding.choosing import absolute_text
from steeple.embedding.ensemble import Ensemble
from steeple.embedding.learned import Learned
from steeple.embedding.notation import parse_recipe, with_reduction
from steeple.embedding.preprocessing import GLDV2, ONE, REVISITED, Colours
from steeple.embedding.reduction import Reduced
from steeple.embedding.vlad import SiftVlad
from steeple.errors import InputError


def write_model(folder: Path, name: str | None = None, dimension: int = 8) -> Path:
    """A folder that says what it is; nobody reads its weights here."""
    folder.mkdir(parents=True)
    header = {
        "format": 1,
        "architecture": {},
        "dimension": dimension,
        "max_side": 200,
        "colours": asdict(Colours()),
        "scales": asdict(ONE),
        "card": asdict(Card(name or folder.name, "tests", "CC0-1.0")),
        "sha256": "0" * 64,
    }
    (folder / "model.json").write_text(json.dumps(header))
    return folder


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_one_name(here):
    assert create_embedder(" sift-vlad ") == SiftVlad()
    write_model(here / "m")
    model = create_embedder("m:side=640 : scales=gldv2:precision=bfloat16")
    assert isinstance(model, Learned)
    assert (model.name, model.max_side, model.scales, model.precision) == (
        "m",
        640,
        GLDV2,
        "bfloat16",
    )


def test_ensembles(here):
    write_model(here / "a")
    write_model(here / "b", dimension=4)
    ensemble = create_embedder("sift-vlad + a:weight=0.5+b:side=100:weight=2:scales=revisited")
    assert isinstance(ensemble, Ensemble)
    assert ensemble.weights == (1, 0.5, 2)
    assert ensemble.name == "sift-vlad+a+b"
    assert ensemble.dimension == 524
    assert [member.max_side for member in ensemble.members] == [640, 200, 100]
    assert ensemble.members[2].scales == REVISITED
    first = create_embedder("a:weight=0.5+b+sift-vlad:weight=3")
    assert first.weights == (0.5, 1, 3)


def test_reductions(here):
    write_model(here / "a")
    reduced = create_embedder("a,reduce:dim=3:whiten=pca:power=0.25")
    assert isinstance(reduced, Reduced)
    assert (reduced.dimension, reduced.whitening, reduced.power) == (3, "pca", 0.25)
    assert reduced.inner == create_embedder("a")
    assert create_embedder("a", dimension=3) == create_embedder("a,reduce:dim=3")
    both = create_embedder("sift-vlad+a:weight=2", dimension=64, whitening="supervised")
    assert (both.dimension, both.whitening, both.inner.weights) == (64, "supervised", (1, 2))
    assert create_embedder("a, reduce:whiten=pca").dimension == 8
    assert create_embedder("a", whitening="none") == create_embedder("a")
    assert create_embedder("a,reduce").dimension == 8


def test_folders_are_taken_whole(here):
    for name in ("c++", "a+b:x=1", "odd,reduce:dim=2", "a"):
        write_model(here / name)
    assert create_embedder("c++").name == "c++"
    assert create_embedder("odd,reduce:dim=2").name == "odd,reduce:dim=2"
    whole = create_embedder("a+b:x=1")
    assert isinstance(whole, Learned)
    assert create_embedder("a+b:x=1:side=99").max_side == 99
    many = create_embedder(f"sift-vlad+{here}/c++:weight=2+a+b:x=1:weight=3+a")
    assert many.name == "sift-vlad+c+++a+b:x=1+a"
    assert many.weights == (1, 2, 3, 1)
    assert create_embedder("c++,reduce:dim=2").inner.name == "c++"


def test_our_names_come_before_folders(here):
    write_model(here / "sift-vlad")
    assert create_embedder("sift-vlad") == SiftVlad()
    assert create_embedder("./sift-vlad").name == "sift-vlad"


def test_embedders_that_have_learned(here, features):
    save_embedder(SiftVlad().fit(features[:3]), here / "kept")
    assert create_embedder("kept").learned_from == 3
    write_model(here / "a")
    assert create_embedder("kept+a:weight=2").learned_from == 3
    with pytest.raises(InputError, match="kept has no parameter 'side'"):
        create_embedder("kept:side=3")
    (here / "kept" / "sift-vlad.npz").write_text("")
    with pytest.raises(InputError, match="no readable embedder; give the folder of another"):
        create_embedder("kept")


def test_absolute_texts_are_true_elsewhere(here, monkeypatch):
    for name in ("a", "c++"):
        write_model(here / name)
    text = "sift-vlad+a:side=99:weight=0.5+./c++,reduce:dim=4:whiten=pca"
    there = absolute_text(text)
    assert there == f"sift-vlad+{here}/a:side=99:weight=0.5+{here}/c++,reduce:dim=4:whiten=pca"
    expected = create_embedder(text)
    (here / "elsewhere").mkdir()
    monkeypatch.chdir(here / "elsewhere")
    assert create_embedder(there) == expected
    assert absolute_text(there) == there
    assert absolute_text("sift-vlad") == "sift-vlad"


def test_cards(here):
    write_model(here / "a")
    write_model(here / "b")
    assert cards_of(create_embedder("sift-vlad")) == []
    found = cards_of(create_embedder("a+sift-vlad+b,reduce:dim=4"))
    assert [card.name for card in found] == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "names no embedder"),
        ("+", "names no embedder"),
        ("sift-vlad+", "names no embedder"),
        ("sift-vlad++a", "names no embedder"),
        ("sift-vlad:side=3", "sift-vlad has no parameter 'side'; it has none"),
        ("sift-vlad:weight=3", "only the members of an ensemble have a weight"),
        ("a:weight=0.5", "only the members of an ensemble have a weight"),
        ("a:size=3", "a has no parameter 'size'; there are: scales, side, precision"),
        ("a:side=x", "side is a whole number, not 'x'"),
        ("a:side=3", "a side of 3 pixels"),
        ("a:side", "'side' is no parameter"),
        ("a:side=", "'side=' is no parameter"),
        ("a:side=99:side=98", "given twice"),
        ("a+sift-vlad:weight=x", "weight is a number, not 'x'"),
        ("a+sift-vlad:weight=0", "a weight of 0.0 weighs nothing"),
        ("a+sift-vlad:weight=inf", "a weight of inf"),
        ("a,reduce:dim=9", "8 numbers .* to 9"),
        ("a,reduce:dim=x", "dim is a whole number"),
        ("a,reduce:wide=9", "reduce has no parameter 'wide'; there are: dim, whiten, power"),
        ("a,reduce:weight=9", "only the members of an ensemble"),
        ("a,reduce:whiten=zca", "no whitening is called 'zca'"),
        ("empty", "holds no model"),
        ("gone/model", "holds no model"),
        ("sift-vlad+gone/model", "gone/model holds no model"),
    ],
)
def test_refuses(here, text, words):
    write_model(here / "a")
    (here / "empty").mkdir()
    with pytest.raises(InputError, match=words):
        create_embedder(text)


def test_reduced_in_two_places():
    with pytest.raises(InputError, match="says already how it is reduced"):
        create_embedder("sift-vlad,reduce:dim=3", dimension=3)
    assert with_reduction("x", None, "none") == "x"
    assert with_reduction("x", None, "pca") == "x,reduce:whiten=pca"
    assert with_reduction("x", 3, "none") == "x,reduce:dim=3:whiten=none"


@pytest.mark.skipif(importlib.util.find_spec("timm") is None, reason="no timm")
@pytest.mark.parametrize("name", ["magic", "sift_vlad", "resnet1"])
def test_an_unknown_name(name):
    with pytest.raises(InputError, match=f"no embedder is called '{name}'; there are: sift-vlad"):
        create_embedder(name)


def test_a_recipe_is_written_as_it_is_read():
    text = "a:side=3+b:weight=0.5,reduce:dim=4"
    recipe = parse_recipe(text, lambda _: False)
    assert str(recipe) == text
    assert [member.name for member in recipe.members] == ["a", "b"]
    assert recipe.reduction == {"dim": "4"}
