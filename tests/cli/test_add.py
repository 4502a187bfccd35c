"""steeple add: more photos, changed photos, labels; and nothing new."""

from __future__ import annotations

import shutil

from steeple import Collection


def test_adds_photos_and_labels(steeple, places, photos, tmp_path):
    more = tmp_path / "more"
    (more / "New Tower").mkdir(parents=True)
    shutil.copy(photos[0], more / "New Tower" / "a.jpg")
    shutil.copy(photos[1], more / "b c.jpg")
    ran = steeple("add", places, more, "--json", "--workers", "1")
    assert (ran.code, ran.json["added"], ran.json["duplicates"]) == (0, 2, [])
    with Collection.open(places) as collection:
        assert collection["New Tower/a.jpg"].landmark == "New Tower"
        assert collection["b c.jpg"].landmark is None
    labels = tmp_path / "labels.csv"
    labels.write_text("id,landmark\nb c.jpg,Old Mill\n")
    ran = steeple("add", places, more, "--landmarks", labels, "--workers", "1")
    assert ran.code == 0
    assert "1 relabelled, 1 there already" in ran.out


def test_nothing_new_is_1(steeple, places, city):
    ran = steeple("add", places, city.root, "--workers", "1")
    assert ran.code == 1
    assert f"{city.train + city.index} there already" in ran.out
    assert "error" not in ran.err
    ran = steeple("add", places, city.root, "--json", "--workers", "1")
    assert (ran.code, ran.json["added"]) == (1, 0)


def test_memory_of_the_index(steeple, places, city):
    words = ("add", places, city.root, "--workers", "1")
    steeple(*words, "--memory", "much").refused(2, "'much' is no amount of memory")
    with Collection.open(places) as collection:
        assert collection._store.setting("index")["memory"] == 4 * 10**9
    assert steeple(*words, "--memory", "512MB").code == 1  # no photo is new
    with Collection.open(places) as collection:
        assert collection._store.setting("index") == {"kind": "auto", "memory": 512 * 10**6}


def test_one_photo(steeple, places, photos):
    ran = steeple("add", places, photos[0], "--json", "--prefix", "one/", "--workers", "1")
    assert (ran.code, ran.json["added"]) == (0, 1)
    with Collection.open(places) as collection:
        assert f"one/{photos[0].name}" in collection


def test_labels_of_photos_that_are_not_there(steeple, places, photos, tmp_path):
    more = tmp_path / "more"
    more.mkdir()
    shutil.copy(photos[0], more / "a.jpg")
    labels = tmp_path / "labels.csv"
    labels.write_text("path,landmark\na.jpg,Tower\ngone.jpg,Tower\n")
    words = ["add", places, more, "--landmarks", labels, "--workers", "1"]
    steeple(*words).refused(2, "labels.csv line 3", "gone.jpg", "--skip-missing")
    assert steeple(*words, "--skip-missing").code == 0


def test_refuses_what_it_cannot_use(steeple, built, city, tmp_path):
    (tmp_path / "empty").mkdir()
    steeple("add", tmp_path / "gone", city.root).refused(2, "gone", "steeple build")
    steeple("add", tmp_path / "empty", city.root).refused(2, "empty is not a collection")
    steeple("add", built, tmp_path / "gone").refused(2, "gone does not exist")
    steeple("add", built, tmp_path / "empty").refused(1, "empty holds no photo")
