"""The tour: what it leaves, that it can be taken again, and that it harms nobody's files."""

from __future__ import annotations

import errno
import json

import pytest

from steeple import Collection
from steeple.demo import take_tour, tour
from steeple.errors import InputError, StorageError


@pytest.fixture(scope="module")
def taken(tmp_path_factory):
    told = []
    out = tmp_path_factory.mktemp("tours") / "a tour"

    def progress(stage, done, total):
        told.append(stage)

    return take_tour(out, photos=16, seed=2, workers=1, progress=progress), out, told


def test_it_leaves_city_collection_and_report(taken):
    tour, out, told = taken
    assert sorted(path.name for path in out.iterdir()) == [
        "city", "places", "report.html", "steeple-demo.json",
    ]  # fmt: skip
    assert (tour.city.root, tour.collection, tour.report) == (
        out / "city",
        out / "places",
        out / "report.html",
    )
    with Collection.open(tour.collection) as places:
        assert len(places) == tour.city.train + tour.city.index
    assert "A toy city, searched" in tour.report.read_text(encoding="utf-8")
    assert list(dict.fromkeys(told))[:3] == ["render", "learn", "embed"]
    assert tour.seconds > 0


def test_the_search_it_shows_is_one_that_can_be_repeated(taken):
    tour, _, _ = taken
    assert tour.query.is_file()
    with Collection.open(tour.collection) as places:
        assert places.search(tour.query, k=10) == tour.hits


def test_the_search_it_shows_is_the_surest(taken):
    tour, _, _ = taken
    with Collection.open(tour.collection) as places:
        answers, _ = places.recognize([tour.city.root / "test"], workers=1)
    best = max(answer.confidence for _, answer in answers)
    assert tour.hits.confidence == pytest.approx(best, abs=1e-5)


def test_a_tour_can_be_taken_anew(taken):
    _, out, _ = taken
    (out / "city" / "old.txt").write_text("of the last one")
    again = take_tour(out, photos=10, seed=5, workers=1)
    assert again.city.photos == 10
    assert not (out / "city" / "old.txt").exists()
    assert json.loads((out / "steeple-demo.json").read_text()) == {"photos": 10, "seed": 5}


def test_so_can_one_that_was_interrupted(tmp_path):
    def interrupt(stage, done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take_tour(tmp_path / "out", photos=10, workers=1, progress=interrupt)
    assert (tmp_path / "out" / "city").is_dir()
    assert take_tour(tmp_path / "out", photos=10, workers=1).city.photos == 10


def test_what_others_put_beside_it_is_kept(tmp_path):
    (tmp_path / "steeple-demo.json").write_text("{}")
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(InputError, match="not empty"):
        take_tour(tmp_path, photos=10, workers=1)
    assert (tmp_path / "letter.txt").read_text() == "dear"


def test_a_folder_of_somebody_else_is_left_alone(tmp_path):
    (tmp_path / "city").mkdir()
    (tmp_path / "city" / "plan.txt").write_text("streets")
    with pytest.raises(InputError, match=r"not empty.*--out"):
        take_tour(tmp_path, photos=10, workers=1)
    assert (tmp_path / "city" / "plan.txt").read_text() == "streets"
    with pytest.raises(InputError, match="not empty"):
        take_tour(tmp_path / "city" / "plan.txt", photos=10, workers=1)


def test_bad_arguments_leave_room_for_good_ones(tmp_path):
    with pytest.raises(InputError, match="seed is -1"):
        take_tour(tmp_path / "out", photos=10, seed=-1, workers=1)
    with pytest.raises(InputError, match="at least 4"):
        take_tour(tmp_path / "out", photos=3, workers=1)


def test_a_full_disk_is_said_in_one_line(tmp_path, monkeypatch):
    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tour, "build_city", full)
    with pytest.raises(StorageError, match="No space left on device; make room"):
        take_tour(tmp_path / "out", photos=10, workers=1)


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        take_tour(tmp_path / "file" / "out", photos=10, workers=1)
