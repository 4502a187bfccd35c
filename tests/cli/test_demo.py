"""steeple demo: everything at once, and once more."""

from __future__ import annotations

import shlex

import pytest


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("demo") / "[red]demo"


def test_shows_everything_and_says_what_to_try(steeple, out, monkeypatch):
    opened = []
    monkeypatch.setattr("typer.launch", opened.append)
    ran = steeple("demo", "--out", out, "--photos", 12, "--workers", 1, "--open")
    assert ran.code == 0
    assert "A toy city: 12 photos" in ran.out
    assert "mAP@100" in ran.out
    assert f"report: {out}/report.html" in ran.out
    assert opened == [str(out / "report.html")]
    tried = next(line for line in ran.out.splitlines() if line.startswith("try: "))
    words = shlex.split(tried.removeprefix("try: steeple ").removesuffix(" --open"))
    assert steeple(*words).code == 0


def test_can_be_made_anew(steeple, out):
    words = ["demo", "--out", out, "--photos", 10, "--workers", 1, "--json"]
    ran = steeple(*words)
    assert ran.code == 0
    assert ran.json["report"] == str(out / "report.html")
    assert ran.json["collection"] == str(out / "places")
    assert set(ran.json["retrieval"]) >= {"knn", "two-stage", "default"}
    assert "rendering the city: 10 of 10" in ran.err


def test_refuses_what_it_cannot_use(steeple, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    steeple("demo", "--out", tmp_path / "mine").refused(2, "mine is not empty", "--out")
    assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"
    steeple("demo", "--out", tmp_path / "a", "--seed", "-1").refused(2, "seed is -1")
    steeple("demo", "--out", tmp_path / "mine" / "letter.txt" / "x").refused(3, "letter.txt/x")


def test_with_the_model_that_comes_along(steeple, tmp_path):
    words = ["--photos", 12, "--workers", 1, "--embedder", "small", "--json"]
    ran = steeple("demo", "--out", tmp_path / "demo", *words)
    assert ran.code == 0
    assert set(ran.json["retrieval"]) >= {"knn", "default"}
    assert "small" in (tmp_path / "demo" / "report.html").read_text()


def test_what_cannot_be_had_is_said_before_anything_is_rendered(steeple, tmp_path):
    steeple("demo", "--out", tmp_path / "demo", "--embedder", "no-such").refused(2, "no-such")
    assert not (tmp_path / "demo").exists()
