"""What a user does, in the order of the guide, with the real command; and what goes wrong there."""

from __future__ import annotations

import csv
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from steeple.demo import build_city

STEEPLE = Path(sys.executable).with_name("steeple")


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)

    def refused(self, code, *words):
        """One line on stderr, about these words, and nothing on stdout."""
        assert (self.code, self.out) == (code, ""), self
        (line,) = self.err.splitlines()
        assert line.startswith("error: ")
        for word in words:
            assert str(word) in line


def steeple(*words, cwd=None):
    done = subprocess.run(
        [STEEPLE, *map(str, words)],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=120,
        env={name: value for name, value in os.environ.items() if name != "FORCE_COLOR"},
        check=False,
    )
    assert "Traceback" not in done.stderr
    return Ran(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    out = tmp_path_factory.mktemp("user") / "city"
    return build_city(out, photos=40, landmarks=3, size=160, seed=4, unlabelled=0, workers=1)


@pytest.fixture(scope="module")
def landmarks(city):
    """Name of a landmark -> its training photos."""

    def table(name):
        with (city.root / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    names = {row["landmark_id"]: row["category"] for row in table("train_label_to_category")}
    found = {}
    for row in table("train"):
        photo = next((city.root / "train").rglob(f"{row['id']}.jpg"))
        found.setdefault(names[row["landmark_id"]], []).append(photo)
    assert min(map(len, found.values())) >= 2
    return found


@pytest.fixture(scope="module")
def queries(city):
    return sorted((city.root / "test").rglob("*.jpg"))


@pytest.fixture(scope="module")
def albums(landmarks, tmp_path_factory):
    """A folder per landmark."""
    root = tmp_path_factory.mktemp("albums") / "photos"
    for name, photos in landmarks.items():
        (root / name).mkdir(parents=True)
        for number, photo in enumerate(photos):
            shutil.copy(photo, root / name / f"{number}.jpg")
    return root


@pytest.fixture
def heap(landmarks, tmp_path):
    """All photos of two landmarks in one folder, and which shows what."""
    root = tmp_path / "heap"
    root.mkdir()
    shown = {}
    for name in sorted(landmarks)[:2]:
        for photo in landmarks[name][:4]:
            shutil.copy(photo, root)
            shown[photo.name] = name
    return root, shown


def write_labels(path, header, labels):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *labels])
    return path


def stored(places):
    """Id -> landmark of a collection's images."""
    with sqlite3.connect(places / "collection.sqlite") as connection:
        rows = dict(
            connection.execute(
                "SELECT image.id, landmark.name FROM image"
                " LEFT JOIN landmark ON landmark.number = image.landmark"
            )
        )
    connection.close()
    return rows


def test_a_folder_per_landmark_and_every_day_after(albums, landmarks, queries, tmp_path):
    places = tmp_path / "places"
    total = sum(map(len, landmarks.values()))
    built = steeple("build", albums, "--out", places)
    assert built.code == 0
    assert f"{places}: {total} added" in built.out
    assert f"{total} that vote for 3 landmarks" in built.out

    # Found, named, and the same as a page.
    name, photos = next(iter(landmarks.items()))
    page = tmp_path / "page.html"
    found = steeple("search", places, photos[0], "-k", 5, "--json", "--html", page)
    assert found.code == 0
    assert found.json["hits"][0]["id"] == f"{name}/0.jpg"
    assert found.json["hits"][0]["landmark"] == name
    assert f"{name}/0.jpg" in page.read_text(encoding="utf-8").replace("&#39;", "'")
    assert steeple("search", places, photos[0]).out.startswith(f"{photos[0].name}: ")

    # A folder of new photos is named.
    named = steeple("recognize", places, queries[0].parents[3], "--json")
    assert named.code == 0
    assert len(named.json["answers"]) == len(queries)
    assert {answer["landmark"] for answer in named.json["answers"]} - {None} <= set(landmarks)

    # The same again changes nothing, a photo more does.
    again = steeple("add", places, albums)
    assert again.code == 1
    assert f"{total} there already" in again.out
    more = tmp_path / "more"
    (more / name).mkdir(parents=True)
    shutil.copy(queries[0], more / name / "today.jpg")
    added = steeple("add", places, more, "--json")
    assert (added.code, added.json["added"], added.json["images"]) == (0, 1, total + 1)

    # A photo that has changed takes the place of the old one.
    shutil.copy(queries[1], more / name / "today.jpg")
    replaced = steeple("add", places, more, "--json")
    assert (replaced.code, replaced.json["replaced"], replaced.json["added"]) == (0, 1, 0)
    assert replaced.json["images"] == total + 1
    best = steeple("search", places, queries[1], "--rerank", "knn", "--json").json["hits"][0]
    assert best["id"] == f"{name}/today.jpg"
    assert best["score"] == pytest.approx(1, abs=1e-3)

    # What goes is not found any more, and its file stays.
    gone = steeple("remove", places, f"{name}/today.jpg", "--json")
    assert (gone.code, gone.json["removed"]) == (0, 1)
    assert (more / name / "today.jpg").is_file()
    hits = steeple("search", places, queries[1], "-k", total + 1, "--json").json["hits"]
    assert len(hits) == total
    assert f"{name}/today.jpg" not in {hit["id"] for hit in hits}
    steeple("remove", places, f"{name}/today.jpg").refused(2, "today.jpg")

    whole = steeple("doctor", "--collection", places)
    assert (whole.code, whole.out) == (0, f"{total} images checked: healthy\n")


@pytest.mark.parametrize("header", ["id,landmark", "path,landmark"])
def test_a_flat_folder_and_a_csv(heap, tmp_path, header):
    root, shown = heap
    column = header.split(",")
    # An id may lack the suffix; a path may begin with ./
    spelled = {
        "id": {name.removesuffix(".jpg"): landmark for name, landmark in shown.items()},
        "path": {f"./{name}": landmark for name, landmark in shown.items()},
    }[column[0]]
    labels = write_labels(tmp_path / "labels.csv", column, spelled.items())
    places = tmp_path / "places"
    built = steeple("build", root, "--landmarks", labels, "--out", places)
    assert built.code == 0
    assert "vote for 2 landmarks" in built.out
    assert stored(places) == shown


def test_labels_can_come_later(heap, tmp_path):
    root, shown = heap
    places = tmp_path / "places"
    assert steeple("build", root, "--out", places).code == 0
    assert set(stored(places).values()) == {None}
    photo = root / next(iter(shown))
    assert steeple("search", places, photo, "--json").json["landmark"] is None

    labels = write_labels(tmp_path / "labels.csv", ["id", "landmark"], shown.items())
    labelled = steeple("add", places, root, "--landmarks", labels, "--json")
    assert labelled.code == 0
    assert (labelled.json["relabelled"], labelled.json["added"]) == (len(shown), 0)
    assert stored(places) == shown
    hits = steeple("search", places, photo, "--json").json["hits"]
    assert (hits[0]["landmark"], hits[0]["probability"]) == (shown[photo.name], 1)

    # A correction is another table.
    write_labels(labels, ["id", "landmark"], [(photo.name, "Corrected")])
    assert steeple("add", places, root, "--landmarks", labels, "--json").json["relabelled"] == 1
    assert stored(places) == shown | {photo.name: "Corrected"}


def test_a_folder_in_gld_v2_layout(city, landmarks, queries, tmp_path):
    places = tmp_path / "places"
    built = steeple("build", city.root, "--out", places, "--json")
    assert (built.code, built.json["added"]) == (0, city.train + city.index)
    assert set(stored(places).values()) - {None} == set(landmarks)
    found = steeple("search", places, queries[0], "--json")
    index = {photo.stem for photo in (city.root / "index").rglob("*.jpg")}
    assert {hit["id"] for hit in found.json["hits"]} <= index
    figures = steeple("evaluate", city.root, "--dataset", "gldv2", "--json")
    assert figures.code == 0
    assert set(figures.json["retrieval"]) >= {"knn", "aqe", "sort", "two-stage", "default"}


@pytest.fixture(scope="module")
def places(albums, tmp_path_factory):
    """The collection that has to survive all bad input."""
    folder = tmp_path_factory.mktemp("bad") / "places"
    assert steeple("build", albums, "--out", folder).code == 0
    return folder


class TestBadInput:
    """Each is one clear line with the right exit code, and the next command works."""

    @pytest.fixture(autouse=True)
    def works_afterwards(self, places, queries):
        before = stored(places)
        yield
        assert stored(places) == before
        assert steeple("search", places, queries[0], "-k", 1).code == 0

    def test_no_photos_in_the_folder(self, places, albums, tmp_path):
        (tmp_path / "empty").mkdir()
        (tmp_path / "empty" / "notes.txt").write_text("none")
        steeple("build", tmp_path / "empty", "--out", tmp_path / "out").refused(
            1, tmp_path / "empty", "no photo", "give a folder"
        )
        steeple("add", places, tmp_path / "empty").refused(1, tmp_path / "empty", "no photo")
        steeple("build", tmp_path / "gone", "--out", tmp_path / "out").refused(2, "does not exist")
        assert not (tmp_path / "out").exists()
        assert steeple("build", albums, "--out", tmp_path / "out").code == 0

    def test_a_label_for_a_photo_that_is_not_there(self, places, heap, tmp_path):
        root, shown = heap
        rows = [*shown.items(), ("gone.jpg", "Nowhere")]
        labels = write_labels(tmp_path / "labels.csv", ["id", "landmark"], rows)
        words = (root, "--landmarks", labels)
        place = f"{labels} line {len(rows) + 1}"
        steeple("build", *words, "--out", tmp_path / "out").refused(
            2, place, "no photo 'gone.jpg'", "--skip-missing"
        )
        steeple("add", places, *words).refused(2, place, "gone.jpg")
        built = steeple("build", *words, "--out", tmp_path / "out", "--skip-missing")
        assert built.code == 0

    def test_an_empty_label(self, places, heap, tmp_path):
        root, shown = heap
        rows = [(next(iter(shown)), " "), *list(shown.items())[1:]]
        labels = write_labels(tmp_path / "labels.csv", ["id", "landmark"], rows)
        words = (root, "--landmarks", labels)
        steeple("build", *words, "--out", tmp_path / "out").refused(
            2, f"{labels} line 2", "is empty", "write a landmark, or remove the line"
        )
        steeple("add", places, *words).refused(2, f"{labels} line 2")
        write_labels(labels, ["id", "landmark"], rows[1:])
        assert steeple("build", *words, "--out", tmp_path / "out").code == 0

    def test_a_label_that_contradicts_another(self, heap, tmp_path):
        root, shown = heap
        rows = [*shown.items(), (next(iter(shown)), "Elsewhere")]
        labels = write_labels(tmp_path / "labels.csv", ["path", "landmark"], rows)
        steeple("build", root, "--landmarks", labels, "--out", tmp_path / "out").refused(
            2, f"{labels} line {len(rows) + 1}", "Elsewhere", "keep one of the two lines"
        )

    def test_a_label_that_names_two_photos(self, albums, tmp_path):
        labels = write_labels(tmp_path / "labels.csv", ["id", "landmark"], [("0.jpg", "Tower")])
        steeple("build", albums, "--landmarks", labels, "--out", tmp_path / "out").refused(
            2, f"{labels} line 2", "'0.jpg' names several photos", "path within the folder"
        )

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"name,place\na,b\n", "id,landmark"),
            (b"", "id,landmark"),
            (b"id,landmark\n\xff\xfe,b\n", "UTF-8"),
        ],
        ids=["header", "empty", "bytes"],
    )
    def test_a_table_that_is_none(self, albums, tmp_path, content, said):
        labels = tmp_path / "labels.csv"
        labels.write_bytes(content)
        steeple("build", albums, "--landmarks", labels, "--out", tmp_path / "out").refused(
            2, labels, said
        )

    def test_two_photos_of_one_id(self, places, albums, queries, tmp_path):
        """Another folder with a photo of the same name: the first one stays, and it is said."""
        places = shutil.copytree(places, tmp_path / "places")
        name = next(albums.iterdir()).name
        other = tmp_path / "other"
        (other / name).mkdir(parents=True)
        shutil.copy(queries[0], other / name / "0.jpg")
        ran = steeple("add", places, other)
        assert ran.code == 1
        assert f"{name}/0.jpg" in ran.out
        assert f"already belongs to {albums / name / '0.jpg'}" in ran.out
        assert "--prefix" in ran.out
        best = steeple("search", places, albums / name / "0.jpg", "--json").json["hits"][0]
        assert best["path"] == str(albums / name / "0.jpg")
        ran = steeple("add", places, other, "--prefix", "other/", "--json")
        assert (ran.code, ran.json["added"]) == (0, 1)
        assert f"other/{name}/0.jpg" in stored(places)

    def test_two_photos_of_one_id_in_one_table(self, city, tmp_path):
        root = shutil.copytree(city.root, tmp_path / "city")
        first = (root / "index.csv").read_text().splitlines()[1]
        with (root / "index.csv").open("a") as file:
            file.write(f"{first}\n")
        steeple("build", root, "--out", tmp_path / "out").refused(
            2, "index.csv, line", f"the id {first} is there already", "keep one"
        )

    def test_a_folder_that_is_no_collection(self, albums, queries, tmp_path):
        way_out = f"steeple build PHOTOS --out {albums}"
        for words in (
            ("add", albums, albums),
            ("remove", albums, "a.jpg"),
            ("search", albums, queries[0]),
            ("recognize", albums, queries[0]),
            ("doctor", "--collection", albums),
        ):
            steeple(*words).refused(2, albums, "is not a collection", way_out)
        steeple("search", tmp_path / "gone", queries[0]).refused(2, "gone does not exist")

    def test_a_collection_of_a_newer_format(self, places, albums, queries, tmp_path):
        newer = shutil.copytree(places, tmp_path / "newer")
        with sqlite3.connect(newer / "collection.sqlite") as connection:
            connection.execute("UPDATE setting SET value = '3' WHERE key = 'format'")
        connection.close()
        for words in (
            ("add", newer, albums),
            ("remove", newer, "a.jpg"),
            ("search", newer, queries[0]),
            ("doctor", "--collection", newer),
        ):
            steeple(*words).refused(
                2, newer, "format 3", "reads format 2", "install a newer steeple"
            )

    def test_a_photo_that_is_none(self, places, tmp_path):
        text = tmp_path / "a.jpg"
        text.write_text("no photo")
        steeple("search", places, text).refused(2, text, "not a photo")
        steeple("search", places, tmp_path / "gone.jpg").refused(2, "gone.jpg", "no such file")

    def test_a_place_that_is_taken(self, places, albums):
        steeple("build", albums, "--out", places).refused(
            2, places, "not empty", f"steeple add {places}"
        )
