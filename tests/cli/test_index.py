"""steeple index: an approximate index by hand, what it says, and what it refuses."""

from __future__ import annotations

import json
import re

import pytest

from steeple import Collection
from steeple.collection import quality


def test_builds_and_measures(steeple, places, city):
    ran = steeple("index", places, "--kind", "HNSW8")
    assert ran.code == 0
    rows = dict(re.split(r"  +", line, maxsplit=1) for line in ran.out.splitlines() if "  " in line)
    assert ran.out.count("times faster") == 2
    assert rows["kind"].strip() == "HNSW8"
    assert rows["images"].strip() == f"{city.index}"
    assert "bytes an image" in ran.out
    assert "recall@" in ran.out
    assert rows["finding neighbours"].strip().endswith(" ms")
    assert ", exactly " in rows["a whole search"]
    assert rows["voters found by"].strip() == "exact search"
    assert "building the index" in ran.err
    assert "re-ranking" not in ran.err
    with Collection.open(places) as opened, opened.view() as view:
        assert view.approximate is not None


def test_json(steeple, places, city):
    found = steeple("index", places, "--kind", "IVF4,SQ8", "--memory", "1GB", "--json").json
    assert (found["kind"], found["factory"]) == ("IVF4,SQ8", "IVF4,SQ8")
    assert found["images"] == city.index
    assert found["seconds"] > 0
    assert found["bytes"] > 512 * city.index
    assert 0.9 <= found["recall"] <= 1
    assert found["times_faster"] == pytest.approx(
        found["exact_milliseconds"] / found["milliseconds"]
    )
    assert found["whole_times_faster"] == pytest.approx(
        found["exact_whole_milliseconds"] / found["whole_milliseconds"]
    )
    assert found["voters"] == "Flat"
    again = steeple("index", places, "--json").json  # as it was before
    assert again["kind"] == "IVF4,SQ8"
    flat = steeple("index", places, "--kind", "FLAT", "--json").json
    assert (flat["kind"], flat["factory"], flat["bytes"]) == ("flat", "Flat", 0)
    assert flat["recall"] == 1


def test_flat_says_so(steeple, places):
    ran = steeple("index", places)
    assert ran.code == 0
    assert f"{places} is searched exactly; there is no approximate index" in ran.out


@pytest.mark.parametrize(("faster", "said"), [(0.5, True), (1.5, False)])
def test_says_whether_it_pays(steeple, places, monkeypatch, faster, said):
    """On so few images the clock says one thing today and another tomorrow; here it is ours."""
    spent = quality._time

    def time(*words):
        spent(*words)
        return [1.0, faster]

    monkeypatch.setattr(quality, "_time", time)
    hint = f"it is slower than exact search, which finds everything: steeple index {places} "
    for words in (
        ("index", places, "--kind", "HNSW8"),
        ("doctor", "--collection", places, "--recall"),
    ):
        ran = steeple(*words)
        assert (hint in " ".join(ran.out.split())) == said


def test_refuses_what_cannot_be(steeple, places, tmp_path):
    steeple("index", tmp_path).refused(2, "is not a collection")
    steeple("index", places, "--kind", "magic").refused(2, "FAISS knows no index 'magic'")
    steeple("index", places, "--kind", "IVF4096,SQ8").refused(2, "in 4096 lists")
    steeple("index", places, "--memory", "much").refused(2, "'much' is no amount of memory")
    assert not list((places / "cache").glob("approximate-*"))


def test_search_uses_it_and_can_do_without(steeple, places, photos, monkeypatch):
    exact = steeple("search", places, photos[0], "--json", "--rerank", "knn").json
    steeple("index", places, "--kind", "HNSW8")
    assert steeple("search", places, photos[0], "--json", "--rerank", "knn").json == exact
    from steeple.collection.coverage import Coverage

    def refuse(*_):
        pytest.fail("searched approximately")

    monkeypatch.setattr(Coverage, "search", refuse)
    words = ("search", places, photos[0], "--json", "--rerank", "knn", "--exact")
    assert steeple(*words).json == exact


@pytest.mark.parametrize("rerank", ["egt", "dba"])
def test_progress_of_what_is_computed_for_the_whole_index(steeple, places, photos, rerank):
    ran = steeple("search", places, photos[0], "--rerank", rerank)
    assert ran.code == 0
    assert "finding neighbours" in ran.err
    assert "re-ranking: " not in ran.err
    assert "finding neighbours" not in steeple("search", places, photos[0], "--rerank", rerank).err


def test_a_damaged_one_is_warned_of_and_mended(shell, places, photos):
    assert shell("index", places, "--kind", "HNSW8").code == 0
    path = places / "cache" / "approximate-000001" / "index.faiss"
    path.write_bytes(path.read_bytes()[:5000])
    ran = shell("search", places, photos[0], "--json")
    assert ran.code == 0
    assert len(json.loads(ran.out)["hits"]) == 20
    assert f"searched exactly until: steeple doctor --collection {places} --repair" in ran.err
    ran = shell("doctor", "--collection", places, "--repair", "--workers", "1")
    assert "repaired: cache" in ran.out
    assert "building the index" in ran.err
    assert shell("search", places, photos[0], "--json").err == ""
