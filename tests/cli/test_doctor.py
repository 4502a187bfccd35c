"""steeple doctor: the machine, a whole collection, a damaged one, a repaired one."""

from __future__ import annotations

import pytest

from steeple import __version__


def damage(places):
    """Writes nonsense over the first descriptor."""
    segment = sorted((places / "descriptors").iterdir())[0]
    with segment.open("r+b") as file:
        file.write(b"\x00\x00\x80\x7f" * 4)  # infinity


def test_describes_the_machine(steeple):
    facts = steeple("doctor", "--json")
    assert (facts.code, facts.err) == (0, "")
    assert facts.json["steeple"] == __version__
    ran = steeple("doctor")
    for name, value in facts.json.items():
        if name != "free disk":
            assert name in ran.out
            assert value in ran.out


def test_a_whole_collection(steeple, places, city):
    number = city.train + city.index
    ran = steeple("doctor", "--collection", places)
    assert (ran.code, ran.out) == (0, f"{number} images checked: healthy\n")
    assert "re-ranking" not in ran.err
    ran = steeple("doctor", "--collection", places, "--json")
    assert ran.json == {"images": number, "findings": [], "healthy": True}


def test_damage_is_1_until_it_is_repaired(steeple, places):
    damage(places)
    ran = steeple("doctor", "--collection", places)
    assert ran.code == 1
    assert "DAMAGED: descriptor" in ran.out
    assert "images checked: damaged" in ran.out
    assert f"repair: steeple doctor --collection {places} --repair\n" in ran.out
    ran = steeple("doctor", "--collection", places, "--json")
    assert (ran.code, ran.json["healthy"]) == (1, False)
    ran = steeple("doctor", "--collection", places, "--repair", "--workers", "1")
    assert ran.code == 0
    assert "repaired: descriptor" in ran.out
    assert steeple("doctor", "--collection", places).code == 0


def test_a_photo_that_is_gone_is_a_note(steeple, tmp_path, photos):
    (tmp_path / "[red]p").mkdir()
    photo = tmp_path / "[red]p" / "[b]:cat:.jpg"
    photo.write_bytes(photos[0].read_bytes())
    steeple("build", photo.parent, "--out", tmp_path / "places", "--workers", 1)
    photo.unlink()
    ran = steeple("doctor", "--collection", tmp_path / "places")
    assert ran.code == 0
    assert f"note: photo [b]:cat:.jpg: {photo} is gone" in ran.out


@pytest.mark.parametrize("more", [[], ["--repair"], ["--json"]])
def test_refuses_what_is_no_collection(steeple, tmp_path, more):
    steeple("doctor", "--collection", tmp_path, *more).refused(2, "is not a collection")


class TestRecall:
    def test_of_exact_search(self, steeple, places, city):
        ran = steeple("doctor", "--collection", places, "--recall")
        assert ran.code == 0
        assert ran.out.startswith("kind")
        assert "Flat" in ran.out
        assert "1.0000" in ran.out
        assert "finding neighbours" in ran.out
        assert "a whole search" in ran.out
        assert "measuring the search" in ran.err
        found = steeple("doctor", "--collection", places, "--recall", "--json").json
        assert (found["factory"], found["images"], found["recall"]) == ("Flat", city.index, 1)

    def test_of_an_index(self, steeple, places):
        steeple("index", places, "--kind", "HNSW8")
        found = steeple("doctor", "--collection", places, "--recall", "--json").json
        assert found["factory"] == "HNSW8"
        assert found["length"] == min(100, found["images"] - 1)
        assert 0.9 < found["recall"] <= 1
        assert found["times_faster"] > 0
        assert "images of the index" in found["origin"]

    def test_is_one_thing_at_a_time(self, steeple, places):
        words = ("doctor", "--collection", places, "--recall", "--repair")
        steeple(*words).refused(2, "--recall measures and --repair mends")
        steeple("doctor", "--recall").refused(2, "name a folder with --collection")
        steeple("doctor", "--repair").refused(2, "name a folder with --collection")
