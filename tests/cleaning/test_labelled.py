"""Which photos are cleaned, and what a collection says of them."""

from __future__ import annotations

import shutil
from contextlib import closing

import numpy as np
import pytest

from steeple import Collection
from steeple.cleaning import LabelledImages, describe_labelled, is_collection, labelled_photos
from steeple.collection.store import LocalStore
from steeple.errors import CollectionError, InputError, LabelError, NothingToDoError


def ids(source):
    return [photo.id for photo in source]


def test_of_gldv2_the_training_photos_by_number(city):
    photos = list(labelled_photos(city.root))
    assert len(photos) == city.train
    assert {photo.landmark for photo in photos} == {"1", "2", "3"}


def test_an_earlier_cleaning_does_not_hide_what_is_to_be_cleaned(city, tmp_path):
    root = shutil.copytree(city.root, tmp_path / "city")
    everything = ids(labelled_photos(root))
    (root / "train_clean.csv").write_text(f"landmark_id,images\n1,{everything[0]}\n")
    assert ids(labelled_photos(root)) == everything
    (root / "train.csv").unlink()
    assert ids(labelled_photos(root)) == everything[:1]


def test_of_folders_those_with_a_label(city, tmp_path):
    some = sorted((city.root / "train").rglob("*.jpg"))[:4]
    for place in ("town hall", "deep/down"):
        (tmp_path / place).mkdir(parents=True)
    shutil.copy(some[0], tmp_path / "town hall" / "a.jpg")
    shutil.copy(some[1], tmp_path / "deep" / "down" / "b.jpg")
    shutil.copy(some[2], tmp_path / "c.jpg")
    assert ids(labelled_photos(tmp_path)) == ["town hall/a.jpg"]
    (tmp_path / "l.csv").write_text("id,landmark\nc,mill\ngone,mill\n")
    assert ids(labelled_photos(tmp_path, tmp_path / "l.csv", skip_missing=True)) == ["c.jpg"]
    with pytest.raises(LabelError, match="gone"):
        labelled_photos(tmp_path, tmp_path / "l.csv")


def test_no_label_at_all_is_nothing_to_do(city, tmp_path):
    shutil.copy(next((city.root / "train").rglob("*.jpg")), tmp_path / "a.jpg")
    with pytest.raises(NothingToDoError, match="--landmarks"):
        labelled_photos(tmp_path)


def test_what_a_collection_says(labelled, described, city):
    training = labelled.training
    assert len(training) == city.train
    assert sorted(set(labelled.names.values())) == ["1", "2", "3"]
    images = np.array([4, 0, 7])
    found = labelled.find(images)
    with Collection.open(described) as places:
        everyone = list(places)
    for image in images.tolist():
        assert found[image].id == everyone[image].id
        assert labelled.names[int(training.labels[image])] == everyone[image].landmark
    near = training.nearest(images, 3)
    similar = training.read(np.arange(len(training))) @ training.read(images).T
    for place, image in enumerate(images.tolist()):
        column = similar[:, place].copy()
        column[image] = -np.inf
        np.testing.assert_allclose(near.scores[place], np.sort(column)[:-4:-1], atol=1e-6)
    features = training.features(np.array([4, 7]))
    with closing(LocalStore(described)) as store, store.snapshot() as columns:
        stored = store.features(columns)
        for place, image in enumerate((4, 7)):
            assert (features[place].keypoints == stored[image].keypoints).all()


def test_its_state_follows_images_and_labels(described, tmp_path):
    folder = shutil.copytree(described, tmp_path / "places")

    def state():
        with closing(LocalStore(folder)) as store:
            return LabelledImages.read(store).state

    before = state()
    assert state() == before
    with Collection.open(folder) as places:
        first = next(iter(places))
        places.label({first.id: "3" if first.landmark != "3" else "1"})
    changed = state()
    assert changed != before
    with Collection.open(folder) as places:
        places.remove([first.id])
    assert state() not in (before, changed)


def test_describing_twice_adds_nothing(city, described, tmp_path):
    folder = shutil.copytree(described, tmp_path / "places")
    report = describe_labelled(labelled_photos(city.root), folder, workers=1)
    assert (report.added, report.unchanged) == (0, city.train)
    assert is_collection(folder)
    assert not is_collection(city.root)


def test_without_local_features_it_says_so(city, tmp_path):
    Collection.build(city.root, tmp_path / "bare", local_features=None, workers=1)[0].close()
    with (
        closing(LocalStore(tmp_path / "bare")) as store,
        pytest.raises(CollectionError, match="--no-local-features"),
    ):
        LabelledImages.read(store)


def test_without_labels_it_says_so(city, tmp_path):
    (tmp_path / "photos").mkdir()
    for number, photo in enumerate(sorted((city.root / "train").rglob("*.jpg"))[:2]):
        shutil.copy(photo, tmp_path / "photos" / f"{number}.jpg")
    Collection.build(tmp_path / "photos", tmp_path / "places", workers=1)[0].close()
    with (
        closing(LocalStore(tmp_path / "places")) as store,
        pytest.raises(NothingToDoError, match="no labelled photo"),
    ):
        LabelledImages.read(store)


def test_nothing_readable_leaves_no_collection(tmp_path):
    (tmp_path / "photos" / "mill").mkdir(parents=True)
    (tmp_path / "photos" / "mill" / "a.jpg").write_text("no photo")
    with pytest.raises(InputError, match=r"a\.jpg"):
        describe_labelled(labelled_photos(tmp_path / "photos"), tmp_path / "places", workers=1)
    assert not (tmp_path / "places").exists()
