"""steeple evaluate: figures as tables, as JSON, as a page."""

from __future__ import annotations

import shutil

import pytest

METHODS = ["knn", "aqe", "sort", "two-stage", "spatial", "default"]


@pytest.fixture(scope="module")
def kept(built, tmp_path_factory):
    """A collection of the city that evaluations may use and change."""
    return shutil.copytree(built, tmp_path_factory.mktemp("kept") / "places")


def test_json_is_what_is_promised(steeple, city, tmp_path):
    places = tmp_path / "places"
    ran = steeple(
        "evaluate",
        city.root,
        "--dataset",
        "gldv2",
        "--json",
        "--collection",
        places,
        "--workers",
        1,
    )
    assert ran.code == 0
    figures = ran.json
    assert figures["sizes"] == {
        "training": city.train,
        "index": city.index,
        "queries": city.test,
        "scored": figures["sizes"]["scored"],
    }
    assert list(figures["retrieval"]) == METHODS
    for scores in figures["retrieval"].values():
        assert set(scores) == {"public", "private", "all"}
        assert all(score is None or 0 <= score <= 100 for score in scores.values())
        assert scores["all"] > 1  # percent
    assert [point["threshold"] for point in figures["rejection"]] == [n / 20 for n in range(20)]
    for method in ("votes", "default", "inliers", "inliers-distractors"):
        assert 0 <= figures["recognition"][method]["gap"] <= 100
    assert (places / "collection.sqlite").is_file()
    again = steeple("evaluate", city.root, "--json", "--collection", places, "--workers", 1).json
    assert again["retrieval"] == figures["retrieval"]
    assert again["recognition"] == figures["recognition"]
    assert "index: learn" not in again["seconds"]


def test_tables_and_a_page(steeple, city, kept, tmp_path):
    page = tmp_path / "page.html"
    ran = steeple("evaluate", city.root, "--collection", kept, "--html", page, "--workers", 1)
    assert ran.code == 0
    for word in ("mAP@100", "GAP", "public", "private", "all", "votes", *METHODS):
        assert word in ran.out
    assert "\x1b" not in ran.out
    assert f"Evaluation of {city.root.name}" in page.read_text(encoding="utf-8")


def test_methods_can_be_chosen(steeple, city, kept):
    ran = steeple(
        "evaluate", city.root, "--collection", kept, "--methods", "sort, aqe", "--json",
        "--workers", 1,
    )  # fmt: skip
    assert list(ran.json["retrieval"]) == ["sort", "aqe"]


def test_without_local_features(steeple, city):
    ran = steeple("evaluate", city.root, "--no-local-features", "--json", "--workers", 1)
    assert list(ran.json["retrieval"]) == [name for name in METHODS if name != "spatial"]
    assert list(ran.json["recognition"]) == ["votes", "default"]


def test_refuses_what_it_cannot_use(steeple, city, photos, tmp_path):
    steeple("evaluate", tmp_path / "gone").refused(2, "gone", "GLD-v2")
    steeple("evaluate", photos[0].parent).refused(2, "GLD-v2 layout", "train.csv")
    steeple("evaluate", city.root, "--methods", "knn,nix").refused(2, "nix", "two-stage")
    steeple("evaluate", city.root, "--methods", "").refused(2, "re-ranker")
    steeple("evaluate", city.root, "--no-local-features", "--methods", "spatial").refused(
        2, "local features", "--no-local-features"
    )
    steeple("evaluate", city.root, "--no-local-features", "--local-features", "sift").refused(
        2, "exclude each other"
    )
    root = tmp_path / "unsolved"
    (root / "index").mkdir(parents=True)
    shutil.copy(city.root / "index.csv", root)
    steeple("evaluate", root).refused(2, "test.csv", "solution")
