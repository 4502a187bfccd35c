"""Ensembles: the formula, the sizes, what learns, what is found once, and what is stored."""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from steeple.embedding.base import READERS, load_embedder, save_embedder
from steeple.embedding.ensemble import Ensemble
from steeple.embedding.parts import Known, Part, Parts, condense, each_part, encode_mixed
from steeple.embedding.pipeline import Preparation, describe_files, prepare_files
from steeple.embedding.vlad import SiftVlad
from steeple.errors import CollectionError, InputError
from steeple.geometry.features import Features
from steeple.geometry.sift import Sift
from steeple.geometry.strongest import Strongest
from steeple.images import resize

CALLS: list[tuple[int, int]] = []


@dataclass(frozen=True)
class Shape:
    """Prepares an image to its size and mean colours, and counts."""

    tag: str = ""

    def __call__(self, image):
        CALLS.append(image.shape[:2])
        return np.array([*image.shape[:2], *image.mean(axis=(0, 1))], dtype=np.float32)


@dataclass(frozen=True)
class Plain:
    """An embedder that gives back what it saw, or rows it is told."""

    tag: str = "plain"
    max_side: int = 50
    learned_from: int | None = 0
    dimension: int = 5

    name = "plain"
    kind = "plain"

    @property
    def prepare(self):
        return Shape(self.tag)

    def fit(self, prepared, *, landmarks=None, seed=0):
        assert all(isinstance(one, np.ndarray) for one in prepared)
        return replace(self, learned_from=len(prepared), tag=f"{self.tag}-{landmarks}-{seed}")

    def encode(self, prepared):
        assert self.learned_from is not None
        return np.array(prepared, dtype=np.float32).reshape(-1, self.dimension)

    def save(self, folder):
        (folder / "plain.json").write_text(json.dumps([self.tag, self.max_side, self.learned_from]))

    @classmethod
    def load(cls, folder):
        return cls(*json.loads((folder / "plain.json").read_text()))


@pytest.fixture(autouse=True)
def calls(monkeypatch):
    monkeypatch.setitem(READERS, "plain", lambda: Plain)
    CALLS.clear()
    return CALLS


def rows(n, dimension=5):
    value = st.integers(-32, 32).map(lambda number: number / 8)
    return arrays(np.float32, (n, dimension), elements=value)


@given(rows(3), rows(3), st.floats(0.1, 3), st.floats(0.1, 3))
def test_is_the_formula(one, two, a, b):
    found = Ensemble((Plain("a"), Plain("b")), (a, b)).encode(list(zip(one, two, strict=True)))
    assert found.dtype == np.float32
    for row, (x, y) in zip(
        found, zip(one.astype(float), two.astype(float), strict=True), strict=True
    ):
        parts = []
        for weight, part in ((a, x), (b, y)):
            length = np.sqrt((part**2).sum())
            parts.append(weight * part / length if length > 1e-12 else 0 * part)
        joined = np.concatenate(parts)
        length = np.sqrt((joined**2).sum())
        expected = joined / length if length else joined
        np.testing.assert_allclose(row, expected, atol=1e-6)


@given(rows(2), rows(2), st.floats(0.1, 3))
def test_similarity_is_a_mean_of_similarities_by_squared_weight(one, two, weight):
    one, two = (x + (np.linalg.norm(x, axis=1) < 1e-3)[:, None] for x in (one, two))
    found = Ensemble((Plain("a"), Plain("b")), (1.0, weight)).encode(
        list(zip(one, two, strict=True))
    )
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (one, two)]
    expected = (unit[0][0] @ unit[0][1] + weight**2 * (unit[1][0] @ unit[1][1])) / (1 + weight**2)
    assert found[0] @ found[1] == pytest.approx(expected, abs=1e-5)


def test_each_member_sees_the_photo_at_its_own_size(draw, calls):
    ensemble = Ensemble((Plain("a", 40), Plain("b", 100)), (1, 1))
    assert ensemble.max_side == 100
    prepared = ensemble.prepare(draw(0, 200, 100))
    assert [tuple(int(v) for v in one[:2]) for one in prepared] == [(40, 20), (100, 50)]
    again = pickle.loads(pickle.dumps(ensemble.prepare))
    assert again == ensemble.prepare
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(prepared))[0], prepared[0])


def test_members_that_do_the_same_do_it_once(draw, calls):
    ensemble = Ensemble((Plain("a"), Plain("b"), Plain("a"), Plain("a", 40)), (1, 1, 1, 1))
    one, two, three, four = ensemble.prepare(draw(0))
    assert len(calls) == 3
    assert one is three
    assert one is not two
    assert four[0] < one[0]


def test_only_those_that_have_to_learn_do():
    ready, new = Plain("a", learned_from=7), Plain("b", learned_from=None)
    ensemble = Ensemble((ready, new), (1, 0.5))
    assert ensemble.learned_from is None
    photo = np.ones(5, dtype=np.float32)
    fitted = ensemble.fit([(photo, photo)] * 3, landmarks=["x", None, "x"], seed=4)
    assert fitted.members[0] is ready
    assert fitted.members[1].tag == "b-['x', None, 'x']-4"
    assert fitted.learned_from == 7
    assert fitted.weights == (1, 0.5)


def test_names_and_dimensions():
    ensemble = Ensemble((Plain("a"), SiftVlad()), (1, 1))
    assert (ensemble.name, ensemble.kind) == ("plain+sift-vlad", "ensemble")
    assert ensemble.dimension == 517
    assert ensemble.encode([]).shape == (0, 517) if ensemble.learned_from else True


@pytest.mark.parametrize("weights", [(1.0,), (1.0, 0.0), (1.0, -1.0), (1.0, float("nan"))])
def test_refuses_weights(weights):
    with pytest.raises(InputError, match="weight"):
        Ensemble((Plain("a"), Plain("b")), weights)


def test_a_member_that_sees_nothing_gives_no_nan(features, blank):
    vlad = SiftVlad().fit(features, seed=0)
    ensemble = Ensemble((vlad, Plain()), (1, 1))
    prepared = ensemble.prepare(blank)
    assert len(prepared[0]) == 0
    row = ensemble.encode([prepared])[0]
    assert not row[:512].any()
    assert np.linalg.norm(row) == pytest.approx(1, abs=1e-6)
    nothing = (prepared[0], np.zeros(5, dtype=np.float32))
    assert not ensemble.encode([nothing]).any()


def test_condensed_photos_keep_no_pixels_and_are_described_alike(features):
    new = Ensemble((SiftVlad(), Plain("b")), (1, 0.7))
    photos = [(one, np.arange(5, dtype=np.float32) + n) for n, one in enumerate(features)]
    small = condense(new, photos)
    assert [one[0] for one in small] == list(features)
    assert all(isinstance(one[1], Known) for one in small)
    fitted, other = new.fit(photos, seed=1), new.fit(small, seed=1)
    np.testing.assert_array_equal(fitted.encode(photos), other.encode(small))
    mixed = [*small[:2], *photos[2:4]]
    np.testing.assert_array_equal(other.encode(mixed), fitted.encode(photos[:4]))
    assert encode_mixed(fitted, condense(fitted, photos)[:2]).shape == (2, 517)
    assert condense(SiftVlad(), features) == list(features)


def test_is_stored_with_its_members(tmp_path: Path, features):
    vlad = SiftVlad().fit(features, seed=0)
    inner = Ensemble((vlad, Plain("b", 33)), (1, 0.25))
    ensemble = Ensemble((inner, Plain("c")), (0.5, 1))
    save_embedder(ensemble, tmp_path / "kept")
    again = load_embedder(tmp_path / "kept")
    assert isinstance(again, Ensemble)
    assert again.weights == (0.5, 1)
    assert (again.name, again.max_side) == (ensemble.name, ensemble.max_side)
    photos = [((one, np.ones(5)), np.arange(5)) for one in features[:3]]
    np.testing.assert_array_equal(again.encode(photos), ensemble.encode(photos))


def test_is_not_stored_before_it_has_learned(tmp_path: Path):
    with pytest.raises(InputError, match="learned nothing"):
        save_embedder(Ensemble((SiftVlad(), Plain()), (1, 1)), tmp_path / "kept")


@pytest.mark.parametrize("damage", ["ensemble.json", "1/plain.json", "1/embedder.json"])
def test_says_what_is_damaged(tmp_path: Path, damage):
    save_embedder(Ensemble((Plain(), Plain("b")), (1, 1)), tmp_path / "kept")
    (tmp_path / "kept" / damage).write_text("{")
    with pytest.raises(CollectionError, match="holds no readable embedder") as caught:
        load_embedder(tmp_path / "kept")
    assert str(caught.value).count("holds no readable") == 1


FOUND: list[int] = []


@dataclass(frozen=True)
class CountingSift(Sift):
    """SIFT that counts the photos it has seen."""

    def __call__(self, image) -> Features:
        FOUND.append(max(image.shape))
        return super().__call__(image)


@pytest.fixture
def found():
    FOUND.clear()
    return FOUND


def sift_ensemble(*, side: int = 640, other: int = 30) -> Ensemble:
    return Ensemble((Plain("a", other), SiftVlad(side, CountingSift())), (1, 1))


def test_local_features_are_found_once(draw, found):
    ensemble = sift_ensemble()
    photo = draw(3)
    result = Preparation.of(ensemble, Strongest(CountingSift(), 1000))(Path("x"), photo)
    assert len(found) == 1
    assert result.features is result.result[1]
    deep = Ensemble((ensemble, Plain("z")), (1, 1))
    found.clear()
    deeper = Preparation.of(deep, Strongest(CountingSift(), 20))(Path("x"), photo)
    assert len(found) == 1
    assert len(deeper.features) == 20
    alone = Strongest(CountingSift(), 20)(photo)
    np.testing.assert_array_equal(deeper.features.descriptors, alone.descriptors)


def test_a_larger_member_changes_no_local_feature(draw, found):
    photo = resize(draw(3, 500, 900), 800)
    ensemble = sift_ensemble(other=800)
    preparation = Preparation.of(ensemble, Strongest(CountingSift(), 1000))
    result = preparation(Path("x"), photo)
    assert found == [640]
    alone = Preparation.of(Plain("z", 30), Strongest(CountingSift(), 1000))(Path("x"), photo)
    np.testing.assert_array_equal(result.features.descriptors, alone.features.descriptors)
    assert (result.width, result.height) == (800, 444)


@pytest.mark.parametrize("extractor", [Strongest(CountingSift(500), 1000), Strongest(Sift(), 1000)])
def test_other_local_features_are_found_apart(draw, found, extractor):
    ensemble = sift_ensemble()
    result = Preparation.of(ensemble, extractor)(Path("x"), draw(3))
    assert result.features is not result.result[1]
    found.clear()
    smaller = sift_ensemble(side=320)
    Preparation.of(smaller, Strongest(CountingSift(), 1000))(Path("x"), draw(3, 400, 640))
    assert sorted(found) == [320, 640]


def test_through_files_and_processes(files, found):
    ensemble = Ensemble((Plain("a", 30), SiftVlad(640, CountingSift())), (1, 1))
    extractor = Strongest(CountingSift(), 1000)
    results = list(
        prepare_files(files, ensemble.prepare, ensemble.max_side, extractor=extractor, workers=1)
    )
    readable = [result for result in results if result.error is None]
    assert len(found) == len(readable) == 17
    fitted = ensemble.fit([result.result for result in readable], seed=0)
    described = describe_files(files, fitted, extractor, workers=2)
    assert len(described.errors) == 3
    rows_ = described.descriptors[np.array([result.error is None for result in results])]
    np.testing.assert_array_equal(rows_, fitted.encode([one.result for one in readable]))


def test_every_part_is_met():
    inner = Parts((Part(Shape("a"), 10), Part(Shape("b"), 20)))
    outer = Parts((Part(inner, 20), Part(Shape("c"), 30)))
    met = list(each_part(outer, 30, ((1, 2), 3)))
    assert met == [(Part(Shape("a"), 10), 1), (Part(Shape("b"), 20), 2), (Part(Shape("c"), 30), 3)]
    assert list(each_part(Shape("d"), 5, "r")) == [(Part(Shape("d"), 5), "r")]
