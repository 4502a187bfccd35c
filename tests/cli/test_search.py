"""steeple search: hits as a table, as JSON, as a page."""

from __future__ import annotations

import os
import shutil

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
