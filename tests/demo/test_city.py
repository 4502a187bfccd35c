"""The data set on disk: the same bytes every time, and files that agree with each other."""

import csv

import pytest

from steeple.demo import City, build_city
from steeple.errors import InputError


def content(root):
    files = (path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def rows(root, name):
    with (root / f"{name}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    out = tmp_path_factory.mktemp("cities") / "city"
    seen = []
    city = build_city(
        out,
        photos=44,
        landmarks=4,
        seed=5,
        size=64,
        unlabelled=0.25,
        workers=1,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen[-1] == (44, 44)
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    return city


def test_workers_and_runs_change_no_byte(city, tmp_path):
    again = build_city(
        tmp_path / "again", photos=44, landmarks=4, seed=5, size=64, unlabelled=0.25, workers=2
    )
    assert content(again.root) == content(city.root)


def test_a_city_to_train_on(tmp_path):
    city = build_city(tmp_path / "city", photos=9, landmarks=2, size=64, training_only=True)
    assert (city.train, city.index, city.test, city.unlabelled) == (9, 0, 0, 0)
    assert len(rows(city.root, "train")) == 9 == len(list(city.root.glob("train/**/*.jpg")))
    assert rows(city.root, "index") == rows(city.root, "test") == []


def test_another_seed_is_another_city(tmp_path):
    one = build_city(tmp_path / "one", photos=4, seed=1, size=64, workers=1)
    two = build_city(tmp_path / "two", photos=4, seed=2, size=64, workers=1)
    assert set(content(one.root).values()).isdisjoint(
        data for name, data in content(two.root).items() if name.endswith(".jpg")
    )


def test_every_id_has_its_file_and_every_file_its_id(city):
    ids = {
        split: [row["id"] for row in rows(city.root, split)] for split in ("train", "index", "test")
    }
    expected = {
        f"{split}/{name[0]}/{name[1]}/{name[2]}/{name}.jpg"
        for split, names in ids.items()
        for name in names
    }
    assert {name for name in content(city.root) if name.endswith(".jpg")} == expected
    everyone = [name for names in ids.values() for name in names]
    assert len(set(everyone)) == len(everyone) == city.photos == 44
    assert (city.train, city.index, city.test) == tuple(map(len, ids.values()))
    assert all(names == sorted(names) for names in ids.values())


def test_solutions_agree_with_the_labels(city):
    index = {row["id"] for row in rows(city.root, "index")}
    labels = {row["id"]: row["landmark_id"] for row in rows(city.root, "index_image_to_landmark")}
    trained = {row["landmark_id"] for row in rows(city.root, "train")}
    tests = [row["id"] for row in rows(city.root, "test")]
    retrieval = {row["id"]: row for row in rows(city.root, "retrieval_solution_v2.1")}
    recognition = {row["id"]: row for row in rows(city.root, "recognition_solution_v2.1")}
    assert list(retrieval) == list(recognition) == tests
    assert set(labels) < index
    for name in tests:
        found, named = retrieval[name], recognition[name]
        assert named["Usage"] in {"Public", "Private"}
        if found["Usage"] == "Ignored":
            assert found["images"] == "None"
            assert named["landmarks"] == ""
            continue
        assert found["Usage"] == named["Usage"]
        landmarks = {labels[image] for image in found["images"].split()}
        assert len(landmarks) == 1
        same = {image for image, landmark in labels.items() if landmark in landmarks}
        assert set(found["images"].split()) == same
        (landmark,) = landmarks
        assert named["landmarks"] == (landmark if landmark in trained else "")


def test_some_landmarks_have_no_training_photo_but_a_name(city):
    trained = {row["landmark_id"] for row in rows(city.root, "train")}
    named = {
        row["landmark_id"]: row["category"] for row in rows(city.root, "train_label_to_category")
    }
    assert set(named) == {"1", "2", "3", "4"}
    assert len(set(named.values())) == 4
    assert len(named) - len(trained) == city.unlabelled == 1
    assert {row["landmark_id"] for row in rows(city.root, "index_image_to_landmark")} == set(named)


def test_the_city_tells_what_it_has(city):
    assert isinstance(city, City)
    assert city.interiors > 0
    assert city.strangers > 0
    assert city.train + city.index + city.test == city.photos


def test_a_very_small_city_is_complete(tmp_path):
    city = build_city(tmp_path / "small", photos=10, size=64, workers=1)
    assert (city.photos, city.landmarks) == (10, 3)
    assert len([name for name in content(city.root) if name.endswith(".jpg")]) == 10


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"photos": 3}, "photos"),
        ({"size": 63}, "size"),
        ({"photos": 10, "landmarks": 5}, "landmarks"),
        ({"landmarks": 0}, "landmarks"),
        ({"seed": -1}, "seed"),
        ({"unlabelled": 1.5}, "unlabelled"),
        ({"workers": 0}, "workers"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(wrong, word, tmp_path):
    with pytest.raises(InputError, match=word) as caught:
        build_city(tmp_path / "new", **wrong)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "new").exists()


def test_a_folder_with_something_in_it_is_refused(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        build_city(tmp_path, photos=4)
    with pytest.raises(InputError, match="is a file"):
        build_city(tmp_path / "mine.txt", photos=4)
