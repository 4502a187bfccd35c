"""steeple search: hits as a table, as JSON, as a page."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

ODD = ["with space.jpg", "[red]x[bold].jpg", "-k.jpg", "--json", "日本 :cat:.jpg", "a\\.jpg"]


def test_every_hit_has_all_there_is_to_say(steeple, built, photos, city):
    ran = steeple("search", built, photos[0], "-k", "9", "--json")
    assert (ran.code, ran.err) == (0, "")
    assert set(ran.json) == {"query", "landmark", "confidence", "hits"}
    assert ran.json["query"] == str(photos[0])
    assert 0 <= ran.json["confidence"] <= 1
    assert len(ran.json["hits"]) == 9
    index = {photo.stem: str(photo) for photo in (city.root / "index").rglob("*.jpg")}
    for hit in ran.json["hits"]:
        assert index[hit["id"]] == hit["path"]
        assert -1.001 <= hit["score"] <= 1.001
        assert hit["origin"] in ("retrieved", "sorted", "inserted")
        assert 0 <= hit["probability"] <= 1
        assert hit["landmark"] is None or hit["probability"] > 0.5
        assert (hit["rank"] is None) == (hit["origin"] == "inserted")
        assert hit["inliers"] >= 0
        assert hit["surprise"] >= 0


def test_the_table_says_the_same_in_whole_ids(shell, built, photos):
    hits = shell("search", built, photos[0], "-k", "5", "--json").json["hits"]
    ran = shell("search", built, photos[0], "-k", "5", COLUMNS="30")
    assert (ran.code, ran.err) == (0, "")
    assert "\x1b" not in ran.out
    title, _, *rows = ran.out.splitlines()
    assert title.startswith(f"{photos[0].name}: ")
    assert len(rows) == 5
    for row, hit in zip(rows, hits, strict=True):
        assert f" {hit['id']} " in row
        assert f"{hit['score']:.3f}" in row
        assert hit["landmark"] is None or hit["landmark"] in row
        assert (hit["origin"] in row) == (hit["origin"] != "retrieved")


def test_an_image_of_the_collection_finds_itself(steeple, built, city):
    photo = next((city.root / "index").rglob("*.jpg"))
    hits = steeple("search", built, photo, "--rerank", "knn", "--json").json["hits"]
    assert hits[0]["id"] == photo.stem
    assert hits[0]["score"] == pytest.approx(1, abs=1e-3)
    assert {hit["origin"] for hit in hits} == {"retrieved"}


@pytest.mark.parametrize("rerank", ["default", "knn", "aqe", "sort", "two-stage", "aqe,sort"])
def test_every_re_ranker(steeple, built, photos, rerank):
    ran = steeple("search", built, photos[0], "--rerank", rerank, "-k", "3", "--json")
    assert (ran.code, len(ran.json["hits"])) == (0, 3)


@pytest.mark.parametrize("name", ODD)
def test_odd_names_of_photos(shell, built, photos, tmp_path, name):
    shutil.copy(photos[0], tmp_path / name)
    ran = shell("search", built, "-k", "1", "--", name, cwd=tmp_path)
    assert ran.code == 0, ran
    assert ran.out.startswith(f"{name}: ")
    assert shell("search", built, "--json", "--", name, cwd=tmp_path).json["query"] == name


def test_a_name_that_is_not_utf_8(shell, built, photos, tmp_path):
    name = os.fsdecode(b"not-utf-8-\xff.jpg")
    shutil.copy(photos[0], tmp_path / name)
    for variables in ({}, {"PYTHONIOENCODING": "utf-8:strict"}, {"PYTHONIOENCODING": "ascii"}):
        ran = shell("search", built, "-k", "1", "--json", "--", name, cwd=tmp_path, **variables)
        assert (ran.code, ran.json["query"]) == (0, name)
    ran = shell(
        "search", built, "-k", "1", "--", name, cwd=tmp_path, PYTHONIOENCODING="utf-8:strict"
    )
    assert (ran.code, ran.out.split(":")[0]) == (0, "not-utf-8-\\udcff.jpg")


def test_landmarks_and_ids_are_printed_literally(steeple, photos, tmp_path):
    for landmark, name, photo in (
        ("[red]St. :cat:", "[b]a.jpg", photos[0]),
        ("[red]St. :cat:", "b\\.jpg", photos[1]),
        ("[red]Gate[", "red].jpg", photos[2]),  # so that the id holds [/red]
    ):
        (tmp_path / "photos" / landmark).mkdir(parents=True, exist_ok=True)
        shutil.copy(photo, tmp_path / "photos" / landmark / name)
    steeple("build", tmp_path / "photos", "--out", tmp_path / "p", "--workers", "1")
    ran = steeple("search", tmp_path / "p", photos[0])
    assert ran.code == 0
    for image in ("[red]St. :cat:/[b]a.jpg", "[red]St. :cat:/b\\.jpg", "[red]Gate[/red].jpg"):
        assert f" {image} " in ran.out


def test_a_page(steeple, built, photos, tmp_path, monkeypatch):
    page = tmp_path / "page.html"
    ran = steeple("search", built, photos[0], "-k", "4", "--html", page)
    assert ran.code == 0
    assert f"page: {page}\n" in ran.out
    assert "<html" in page.read_text(encoding="utf-8")
    page.unlink()
    ran = steeple("search", built, photos[0], "-k", "4", "--html", page, "--json")
    assert len(ran.json["hits"]) == 4
    for hit in ran.json["hits"]:
        assert hit["id"] in page.read_text(encoding="utf-8")
    opened = []
    monkeypatch.setattr("typer.launch", opened.append)
    assert steeple("search", built, photos[0], "--html", page, "--open").code == 0
    assert opened == [str(page)]


def test_a_page_nobody_can_write_is_3(steeple, built, photos, tmp_path):
    page = tmp_path / "gone" / "page.html"
    ran = steeple("search", built, photos[0], "--html", page)
    assert ran.code == 3
    assert ran.err.startswith("error: ")
    assert len(ran.err.splitlines()) == 1


def test_explanations_in_words(shell, built, photos):
    ran = shell("search", built, photos[0], "-k", "5", "--explain")
    assert (ran.code, ran.err) == (0, "")
    hits = shell("search", built, photos[0], "-k", "5", "--json").json["hits"]
    table, *reasons, hint = ran.out.split("\n\n")
    assert "inliers" in table.splitlines()[1]
    assert len(reasons) == 3
    for place, (reason, hit) in enumerate(zip(reasons, hits, strict=False), start=1):
        title, *sentences = reason.splitlines()
        assert title == f"{place} {hit['id']}"
        assert len(sentences) == 5
        assert f"Looks alike: {hit['score']:.2f}" in sentences[0]
        assert f"{hit['inliers']} of " in sentences[1]
        assert f"  {hit['inliers']}  " in table.splitlines()[1 + place]
    assert hint == "to see what matches, add --open, or --html PAGE\n"


def test_explanations_as_json(steeple, built, photos):
    plain = steeple("search", built, photos[0], "-k", "4", "--json").json
    said = steeple("search", built, photos[0], "-k", "4", "--json", "--explain").json
    reasons = [hit.pop("explanation", None) for hit in said["hits"]]
    assert said == plain
    assert reasons[3] is None
    for hit, reason in zip(said["hits"], reasons[:3], strict=False):
        assert set(reason) == {
            "similarity", "inliers", "matches", "surprise", "transform", "text",
        }  # fmt: skip
        assert reason["similarity"] == hit["score"]
        assert reason["inliers"] == hit["inliers"] <= reason["matches"]
        assert reason["surprise"] == pytest.approx(hit["surprise"], abs=1e-3)
        assert len(reason["text"]) == 5


def test_what_was_not_verified_in_the_search_is_for_the_explanation(steeple, built, photos):
    knn = steeple("search", built, photos[0], "--rerank", "knn", "--explain", "--json").json
    for hit in knn["hits"][:3]:
        assert hit["explanation"]["inliers"] is not None
    ran = steeple("search", built, photos[0], "--rerank", "knn", "--explain", "-k", "1")
    assert f"{knn['hits'][0]['explanation']['inliers']} of " in ran.out
    assert "inliers" in ran.out


def test_explanations_on_the_page(steeple, built, photos, tmp_path):
    page = tmp_path / "page.html"
    ran = steeple("search", built, photos[0], "-k", "5", "--explain", "--html", page)
    assert ran.code == 0
    assert "to see what matches" not in ran.out
    text = page.read_text(encoding="utf-8")
    assert text.count("<details") == text.count('<img src="data:image/jpeg;base64,') == 3
    assert text.count("<img") == text.count('alt="The query and ')
    steeple("search", built, photos[0], "-k", "5", "--html", page)
    assert "<details" not in page.read_text(encoding="utf-8")


def test_a_photo_that_has_gone_is_explained_without_a_picture(steeple, places, photos, tmp_path):
    """Found are photos of a copy of the city that is taken away."""
    page = tmp_path / "page.html"
    copy = Path(shutil.copy(photos[0], tmp_path / "copy.jpg"))
    assert steeple("add", places, copy, "--workers", "1").code == 0
    copy.unlink()
    ran = steeple("search", places, photos[0], "--explain", "--html", page)
    assert ran.code == 0
    text = page.read_text(encoding="utf-8")
    assert (text.count("<details"), text.count("<img")) == (3, 2)
    assert "No picture: " in text
    assert "copy.jpg: no such file" in text


def test_without_local_features_explanations_say_so(steeple, city, photos, tmp_path):
    ran = steeple(
        "build", city.root, "--out", tmp_path / "p", "--no-local-features", "--workers", "1"
    )
    assert ran.code == 0
    page = tmp_path / "page.html"
    ran = steeple("search", tmp_path / "p", photos[0], "--explain", "-k", "2", "--html", page)
    assert ran.code == 0
    assert ran.out.count("build the collection again without --no-local-features") == 2
    assert "inliers" not in ran.out
    assert page.read_text(encoding="utf-8").count("<img") == 2  # the photos alone


def test_refuses_what_it_cannot_use(steeple, built, photos, tmp_path):
    text = tmp_path / "text.jpg"
    text.write_text("no photo")
    steeple("search", built, tmp_path / "gone.jpg").refused(2, "gone.jpg: no such file")
    steeple("search", built, text).refused(2, "text.jpg: not a photo")
    steeple("search", built, tmp_path).refused(2, "not a file")
    steeple("search", tmp_path, photos[0]).refused(2, "is not a collection", "steeple build")
    steeple("search", built, photos[0], "--rerank", "nix").refused(2, "nix", "two-stage")


def test_nothing_to_be_found_is_1(steeple, city, photos, tmp_path):
    """A GLD-v2 folder with a training set only: it votes, but there is nothing to find."""
    root = tmp_path / "training"
    shutil.copytree(city.root / "train", root / "train")
    shutil.copy(city.root / "train.csv", root)
    assert steeple("build", root, "--out", tmp_path / "p", "--workers", "1").code == 0
    ran = steeple("search", tmp_path / "p", photos[0], "--json")
    assert (ran.code, ran.json["hits"], ran.err) == (1, [], "")
