"""Reduced embedders: what learns from what, what is refused, and what is stored."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from steeple.embedding.base import READERS, load_embedder, save_embedder
from steeple.embedding.parts import Known, condense
from steeple.embedding.reduction import Reduced
from steeple.embedding.vlad import SiftVlad
from steeple.embedding.whitening import learn_pca, learn_supervised, matching_pairs
from steeple.errors import CollectionError, InputError

LENGTH = 12


def see(image):
    """(12,) float32 of an image, not normalised; zeros of a black one."""
    return image.reshape(-1)[:LENGTH].astype(np.float32)


@dataclass(frozen=True)
class Raw:
    """Descriptors that are what was prepared, L2-normalised."""

    learned_from: int | None = 0
    name: str = "raw"
    kind: str = "raw"
    dimension: int = LENGTH
    max_side: int = 64
    together: int = 9

    @property
    def prepare(self):
        return see

    def fit(self, prepared, *, landmarks=None, seed=0):
        return replace(self, learned_from=len(prepared))

    def encode(self, prepared):
        assert self.learned_from is not None
        out = np.array(prepared, dtype=np.float32).reshape(-1, LENGTH)
        return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)

    def save(self, folder):
        (folder / "raw.json").write_text(json.dumps(self.learned_from))

    @classmethod
    def load(cls, folder):
        return cls(json.loads((folder / "raw.json").read_text()))


@pytest.fixture(autouse=True)
def raw(monkeypatch):
    monkeypatch.setitem(READERS, "raw", lambda: Raw)


@pytest.fixture(scope="module")
def photos():
    random = np.random.default_rng(0)
    centres = random.standard_normal((8, LENGTH))
    rows = centres[np.arange(40) % 8] + 0.4 * random.standard_normal((40, LENGTH))
    return list(rows.astype(np.float32))


@pytest.fixture(scope="module")
def landmarks():
    return [None if n > 35 else f"landmark {n % 8}" for n in range(40)]


def test_is_pca_of_what_the_inner_one_says(photos):
    fitted = Reduced(Raw(), 5).fit(photos, seed=3)
    rows = Raw().encode(photos)
    expected = learn_pca(rows, 5, 0.0, np.random.default_rng(3)).apply(rows)
    np.testing.assert_array_equal(fitted.encode(photos), expected)
    assert (fitted.dimension, fitted.learned_from) == (5, 40)
    assert fitted.encode([]).shape == (0, 5)


def test_whitens_by_pca(photos):
    fitted = Reduced(Raw(), None, "pca", 0.25).fit(photos, seed=3)
    rows = Raw().encode(photos)
    expected = learn_pca(rows, LENGTH, 0.25, np.random.default_rng(3)).apply(rows)
    np.testing.assert_array_equal(fitted.encode(photos), expected)


def test_whitens_by_landmarks(photos, landmarks):
    fitted = Reduced(Raw(), 6, "supervised").fit(photos, landmarks=landmarks, seed=3)
    rows, random = Raw().encode(photos), np.random.default_rng(3)
    pairs = matching_pairs(landmarks, random)
    assert len(pairs) == 36
    expected = learn_supervised(rows, pairs, 6, random).apply(rows)
    np.testing.assert_array_equal(fitted.encode(photos), expected)


def test_the_inner_one_learns_first(photos):
    new = Reduced(Raw(learned_from=None), 5)
    assert new.learned_from is None
    fitted = new.fit(photos, seed=0)
    assert fitted.inner == Raw(learned_from=40)
    assert new.inner.learned_from is None
    ready = Raw(learned_from=2)
    assert Reduced(ready, 5).fit(photos).inner is ready


def test_looks_at_photos_as_the_inner_one(photos):
    reduced = Reduced(Raw(), 5)
    assert (reduced.prepare, reduced.max_side, reduced.together) == (see, 64, 9)
    assert (reduced.kind, reduced.name) == ("reduced", "raw, 5 numbers")
    assert Reduced(Raw()).dimension == LENGTH


def test_learns_from_condensed_photos_alike(photos, landmarks):
    for inner in (Raw(), Raw(learned_from=None)):
        new = Reduced(inner, 5, "supervised")
        small = condense(new, photos)
        assert all(isinstance(one, Known) for one in small) == (inner.learned_from is not None)
        one = new.fit(photos, landmarks=landmarks)
        two = new.fit(small, landmarks=landmarks)
        np.testing.assert_array_equal(one.encode(photos), two.encode(small))


def test_what_is_not_seen_stays_zero_and_teaches_nothing(photos):
    black = np.zeros(LENGTH, dtype=np.float32)
    one = Reduced(Raw(), 5, "pca").fit([*photos, black, black])
    two = Reduced(Raw(), 5, "pca").fit(photos)
    np.testing.assert_array_equal(one.encode(photos), two.encode(photos))
    assert not one.encode([black]).any()
    with pytest.raises(InputError, match="sees nothing in any"):
        Reduced(Raw(), 5).fit([black, black])


def test_one_photo_is_enough(photos):
    found = Reduced(Raw(), 7, "pca").fit(photos[:1]).encode(photos)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_around_sift_vlad(features, blank):
    fitted = Reduced(SiftVlad(), 16, "pca").fit(features, seed=0)
    found = fitted.encode([*features, SiftVlad().prepare(blank)])
    assert found.shape == (25, 16)
    assert not found[-1].any()
    again = Reduced(SiftVlad(), 16, "pca").fit(features, seed=0)
    np.testing.assert_array_equal(again.encode(features), found[:-1])


@pytest.mark.parametrize("labels", [None, ["a", "b", None], [None, None, None]])
def test_supervised_without_pairs_says_the_way_out(photos, labels):
    with pytest.raises(InputError, match=r"no landmark has two photos here; .* --whiten pca"):
        Reduced(Raw(), 5, "supervised").fit(photos[:3], landmarks=labels)


def test_pairs_of_photos_in_which_nothing_is_seen_are_none(photos):
    black = np.zeros(LENGTH, dtype=np.float32)
    with pytest.raises(InputError, match="no landmark has two"):
        Reduced(Raw(), 5, "supervised").fit([*photos[:2], black], landmarks=["a", "b", "a"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((0,), "12 numbers .* to 0; ask for 1 to 12"),
        ((13,), "12 numbers .* to 13; ask for 1 to 12"),
        ((5, "zca"), "no whitening is called 'zca'; there are: none, pca, supervised"),
        ((5, "pca", 0.0), "no power 0.0"),
        ((5, "pca", 1.5), "no power 1.5"),
        ((5, "pca", float("nan")), "no power nan"),
    ],
)
def test_refuses(arguments, words):
    with pytest.raises(InputError, match=words):
        Reduced(Raw(), *arguments)


def test_nothing_before_it_has_learned(photos, tmp_path: Path):
    with pytest.raises(InputError, match="learned nothing"):
        Reduced(Raw(), 5).encode(photos)
    with pytest.raises(InputError, match="learned nothing"):
        save_embedder(Reduced(Raw(), 5), tmp_path / "kept")


def test_is_stored_with_the_inner_one(photos, landmarks, tmp_path: Path):
    fitted = Reduced(Raw(learned_from=None), 5, "supervised").fit(photos, landmarks=landmarks)
    save_embedder(fitted, tmp_path / "kept")
    again = load_embedder(tmp_path / "kept")
    assert isinstance(again, Reduced)
    assert (again.whitening, again.learned_from, again.inner) == ("supervised", 40, fitted.inner)
    np.testing.assert_array_equal(again.encode(photos), fitted.encode(photos))


@pytest.mark.parametrize("damage", ["cut", "text", "gone", "inner", "shape"])
def test_says_what_is_damaged(photos, tmp_path: Path, damage):
    save_embedder(Reduced(Raw(), 5).fit(photos), tmp_path / "kept")
    file = tmp_path / "kept" / "reduced.npz"
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:200])
    elif damage == "text":
        file.write_text("no arrays")
    elif damage == "gone":
        file.unlink()
    elif damage == "shape":
        with np.load(file) as stored:
            np.savez(file, **(dict(stored) | {"matrix": stored["matrix"][:7]}))
    else:
        (tmp_path / "kept" / "inner" / "raw.json").write_text("{")
    with pytest.raises(CollectionError, match="holds no readable embedder"):
        load_embedder(tmp_path / "kept")
