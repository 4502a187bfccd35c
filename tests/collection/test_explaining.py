"""Why a hit was found: numbers, sentences and pictures, from features made by hand."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError

import cv2
import numpy as np
import pytest

from steeple import Hit
from steeple.collection.explaining import Explainer
from steeple.collection.hits import Recognition
from steeple.errors import ImageError, InputError, StorageError
from steeple.geometry import Features, Verifier
from steeple.geometry.verification import create_verifier
from steeple.images import draw_matches, read_image

KNOWN = Recognition("Spire", 0.93)
MOVE = np.array([12.0, 7.0], dtype=np.float32)


def features(places, seed=0):
    """Features at some places, told apart by their descriptors; equal seeds match."""
    random = np.random.default_rng(seed)
    keypoints = np.c_[places, np.full(len(places), 8)].astype(np.float32)
    return Features(keypoints, random.integers(0, 256, (len(places), 128), dtype=np.uint8))


def scattered(count, seed=0):
    return np.random.default_rng(seed).uniform((20, 20), (80, 60), (count, 2))


def hit(path, **changes):
    plain = {
        "id": "b",
        "score": 0.43,
        "origin": "retrieved",
        "landmark": "Spire",
        "probability": 1.0,
        "rank": 0,
        "path": str(path),
    }
    return Hit(**(plain | changes))


@pytest.fixture
def photo(tmp_path):
    def write(seed, name=None, size=(80, 100)):
        path = tmp_path / (name or f"{seed}.png")
        pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
        cv2.imwrite(str(path), pixels)
        return path

    return write


@pytest.fixture
def places():
    return scattered(30)


@pytest.fixture
def explain(photo, places):
    """Explains a hit whose features are those of the query, moved by 12 and 7 pixels."""

    def run(a=None, b=None, *, query=KNOWN, changes=None, **others):
        a = features(places) if a is None else a
        b = features(places + MOVE) if b is None else b
        given = {"photo": photo(1), "features": a, "stored": {7: b}.__getitem__, "query": query}
        return Explainer(**(given | others))(7, hit(photo(2), **(changes or {})))

    return run


def test_what_agrees_is_counted_as_by_the_verifier(explain, places):
    a, b = features(places), features(places + MOVE)
    found = explain(a, b)
    reference = Verifier()(a, b)
    assert (found.inliers, found.matches) == (30, 30)
    assert found.surprise == reference.surprise > 20
    np.testing.assert_array_equal(found.verification.transform, reference.transform)
    np.testing.assert_array_equal(found.verification.matches, reference.matches)
    assert found.geometry.startswith("30 of 30 matching details agree on one geometry, far more ")


@pytest.mark.parametrize("name", ["upright", "affine", "homography", "published"])
def test_every_verifier(explain, places, name):
    a, b = features(places), features(places + MOVE)
    found = explain(a, b, verifier=create_verifier(name))
    assert found.inliers == create_verifier(name)(a, b).inliers == 30
    assert found.picture(side=200).shape == explain(a, b).picture(side=200).shape


def test_features_are_matched_once(explain):
    calls = []

    def matcher(a, b):
        calls.append(1)
        return Verifier().matcher(a, b)

    assert explain(verifier=Verifier(matcher)).inliers == 30
    assert calls == [1]


def test_nothing_is_read_before_it_is_asked_for(photo, places):
    def stored(number):
        raise AssertionError("read")

    explainer = Explainer("gone.jpg", features(places), stored, KNOWN)
    first = hit("gone too.jpg", _explainer=explainer.of(3))
    with pytest.raises(AssertionError):
        first.explain()
    explainer = Explainer("gone.jpg", features(places), lambda _: features(places), KNOWN)
    explanation = hit("gone too.jpg", _explainer=explainer.of(3)).explain()
    with pytest.raises(ImageError, match=r"gone\.jpg: no such file"):
        explanation.picture()


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (5, "no more than photos of different places often have"),
        (7, "more than most photos of different places have"),
        (16, "far more than photos of different places usually have"),
    ],
)
def test_how_much_inliers_mean(explain, count, expected):
    """The fewer of 100 matches agree, the less it says."""
    moved = scattered(100, seed=1)
    elsewhere = np.random.default_rng(5).uniform((0, 0), (640, 480), (100, 2))
    elsewhere[:count] = moved[:count] + MOVE
    found = explain(features(moved), features(elsewhere))
    assert found.matches == 100
    assert found.inliers >= count
    assert expected in found.geometry


def test_one_of_one():
    one = features(np.array([[20.0, 20.0]]))
    found = Explainer(None, one, lambda _: one, KNOWN)(0, hit("b.jpg"))
    assert found.geometry.startswith("1 of 1 matching detail agrees on one geometry")


def test_photos_without_a_single_feature(explain, photo):
    nothing = features(np.zeros((0, 2)))
    for a, b in ((nothing, None), (None, nothing), (nothing, nothing)):
        found = explain(a, b)
        assert (found.inliers, found.matches, found.surprise) == (0, 0, 0)
        assert found.verification.transform is None
        assert found.geometry == "No detail of one photo is found in the other."
        alone = draw_matches(
            (read_image(photo(1)), read_image(photo(2))),
            (np.zeros((0, 2), np.float32),) * 2,
            side=300,
        )
        np.testing.assert_array_equal(found.picture(side=300), alone)


def test_without_local_features_the_rest_is_said_and_the_way_out(explain):
    found = explain(stored=None)
    assert found.verification is None
    assert (found.inliers, found.matches, found.surprise) == (None, None, None)
    assert "build the collection again without --no-local-features" in found.geometry
    assert found.missing == found.geometry
    assert "0.43" in str(found)
    assert "Spire (93 %)" in str(found)
    assert found.picture(side=300).shape[1] <= 300  # the photos alone


def test_a_query_without_its_photo(explain, tmp_path):
    found = explain(photo=None, features=None)
    assert found.inliers is None
    assert "search with the photo itself" in found.geometry
    with pytest.raises(InputError, match="search with the photo itself"):
        found.picture()
    with pytest.raises(InputError):
        found.save(tmp_path / "x.png")


def test_features_of_two_kinds_are_refused(explain):
    other = Features(np.ones((3, 3), np.float32), np.ones((3, 40), np.int8))
    with pytest.raises(InputError, match="128 and 40 dimensions"):
        explain(b=other)


@pytest.mark.parametrize("form", ["path", "text", "bytes", "pixels"])
def test_the_query_in_every_form(explain, photo, form):
    path = photo(1)
    given = {
        "path": path,
        "text": str(path),
        "bytes": path.read_bytes(),
        "pixels": read_image(path),
    }
    np.testing.assert_array_equal(
        explain(photo=given[form]).picture(side=400), explain().picture(side=400)
    )


def test_photos_are_drawn_at_the_size_they_were_described(photo, places):
    """Keypoints of a photo shrunk to 50 pixels fit the photo at 50 pixels."""
    large, small = photo(1, "large.png", (160, 200)), photo(2, "small.png", (40, 50))
    at = features(places / 2)
    explanation = Explainer(large, at, lambda _: at, KNOWN, 50)(0, hit(small))
    shrunk = (read_image(large, max_side=50), read_image(small))
    assert shrunk[0].shape == (40, 50, 3)
    order = explanation.verification.matches[:, 0]
    frame = box(at.keypoints[:, :2])
    drawn = draw_matches(
        shrunk, (at.keypoints[order, :2],) * 2, outlines=(frame, frame), side=400
    ).astype(int)
    # The transform is the identity but for rounding, which the smooth edges show.
    assert np.abs(explanation.picture(side=400) - drawn).max() <= 4


def box(points):
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float32)


def outlined(explanation, monkeypatch):
    """The outlines that a picture gets."""
    given = []
    monkeypatch.setattr(
        "steeple.collection.explaining.draw_matches",
        lambda photos, points, outlines=None, side=0: given.append(outlines),
    )
    explanation.picture()
    return given[0]


def test_the_frame_of_what_matches_lies_on_the_hit(explain, places, monkeypatch):
    found = explain()
    transform = np.array([[1.1, -0.04, 12.0], [0.05, 0.9, 7.0]])
    object.__setattr__(found.verification, "transform", transform)
    first, second = outlined(found, monkeypatch)
    np.testing.assert_allclose(first, box(places.astype(np.float32)))
    for corner, projected in zip(first, second, strict=True):
        x, y = corner
        expected = (1.1 * x - 0.04 * y + 12, 0.05 * x + 0.9 * y + 7)
        np.testing.assert_allclose(projected, expected, rtol=1e-5)


def test_no_frame_where_little_agrees(explain, places, monkeypatch):
    assert outlined(explain(features(places[:7]), features(places[:7])), monkeypatch) is None


@pytest.mark.parametrize(
    "transform",
    [
        [[50.0, 0, 0], [0, 50.0, 0]],  # far beyond the photo
        [[1.0, 0, 0], [0, 1.0, 0], [-0.02, 0, 1]],  # through infinity
    ],
)
def test_no_frame_that_is_bent_beyond_sense(explain, transform, monkeypatch):
    found = explain()
    object.__setattr__(found.verification, "transform", np.array(transform))
    assert outlined(found, monkeypatch) is None


def test_a_homography_is_divided_out(explain, places, monkeypatch):
    found = explain()
    scaled = 2 * np.array([[1.0, 0, 12], [0, 1, 7], [0, 0, 1]])
    object.__setattr__(found.verification, "transform", scaled)
    first, second = outlined(found, monkeypatch)
    np.testing.assert_allclose(second, first + MOVE, atol=1e-4)


SENTENCES = [
    ({}, KNOWN, "labelled Spire.", "it is number 1."),
    ({"rank": 6}, KNOWN, "say that the query shows Spire (93 %).", "it is number 7."),
    (
        {"origin": "sorted", "rank": 6, "probability": 0.875},
        KNOWN,
        "has no label; those nearest to it say Spire (88 %).",
        "it is number 7; re-ranking moved it ahead.",
    ),
    (
        {"origin": "inserted", "rank": None, "landmark": None, "probability": 0.2},
        Recognition(None, 0.31),
        "the best guess is too unlikely (31 %).",
        "What this photo shows is not known.",
        "re-ranking put it in.",
    ),
    ({}, Recognition(None, 0.0), "no labelled photo is there to tell."),
]


@pytest.mark.parametrize(("changes", "query", "parts"), [(c, q, p) for c, q, *p in SENTENCES])
def test_sentences(explain, changes, query, parts):
    found = explain(changes=changes, query=query)
    said = found.sentences()
    assert said[0] == "Looks alike: 0.43, where 1 is the same picture."
    assert said[1] == found.geometry
    assert all(sentence.endswith(".") for sentence in said)
    assert str(found) == " ".join(said)
    for part in parts:
        assert any(sentence.endswith(part) for sentence in said), (part, said)


def test_as_json(explain):
    found = explain()
    said = json.loads(json.dumps(found.to_dict()))
    assert list(said) == ["similarity", "inliers", "matches", "surprise", "transform", "text"]
    assert (said["similarity"], said["inliers"], said["matches"]) == (0.43, 30, 30)
    np.testing.assert_allclose(said["transform"], [[1, 0, 12], [0, 1, 7]], atol=1e-3)
    assert said["text"] == list(found.sentences())
    nothing = explain(stored=None).to_dict()
    assert nothing["inliers"] is None is nothing["transform"]


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".JPEG"])
def test_a_picture_is_saved(explain, tmp_path, suffix):
    found = explain()
    path = tmp_path / f"matches{suffix}"
    assert found.save(str(path), side=300) == path
    saved = read_image(path).astype(int)
    drawn = found.picture(side=300)
    assert saved.shape == drawn.shape
    assert np.abs(saved - drawn).mean() < (1e-9 if suffix == ".png" else 30)
    with path.open("rb") as file:
        assert file.read(2) == (b"\x89P" if suffix == ".png" else b"\xff\xd8")


def test_a_picture_that_cannot_be_saved(explain, tmp_path):
    with pytest.raises(InputError, match=r"matches\.gif: .* \.jpg or \.jpeg or \.png"):
        explain().save(tmp_path / "matches.gif")
    with pytest.raises(StorageError, match=r"gone.*cannot be written \(no such file"):
        explain().save(tmp_path / "gone" / "matches.png")


def test_it_is_a_value(explain):
    found = explain()
    with pytest.raises(FrozenInstanceError):
        found.similarity = 1
    assert "array" not in repr(found)
    assert found != explain()  # and comparing raises nothing
