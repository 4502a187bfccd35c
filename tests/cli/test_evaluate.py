"""steeple evaluate: figures as tables, as JSON, as a page."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest

from steeple.retrieval.reranking import RERANKERS

_spec = importlib.util.spec_from_file_location("oxford", Path(__file__).parents[1] / "oxford.py")
oxford = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(oxford)

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
    for method in METHODS:
        for part in ("public", "private", "all"):
            precision, position = (figures[key][method][part] for key in ("precision", "position"))
            if figures["retrieval"][method][part] is None:
                assert precision is None
                assert position is None
                continue
            assert list(precision) == ["mp@1", "mp@5", "mp@10"]
            assert all(0 <= score <= 100 for score in precision.values())
            assert list(position) == ["mean", "median"]
            assert all(1 <= rank <= 101 for rank in position.values())
    assert list(figures["accuracy"]) == list(figures["recognition"])
    assert 0 < figures["accuracy"]["default"]["all"] <= 100
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
    words = ("mAP@100", "GAP", "public", "private", "all", "votes", "mP@5", "median", "top-1")
    for word in (*words, *METHODS):
        assert word in ran.out
    assert "\x1b" not in ran.out
    assert f"Evaluation of {city.root.name}" in page.read_text(encoding="utf-8")


def test_methods_can_be_chosen(steeple, city, kept):
    ran = steeple(
        "evaluate", city.root, "--collection", kept, "--methods", "sort, aqe", "--json",
        "--workers", 1,
    )  # fmt: skip
    assert list(ran.json["retrieval"]) == ["sort", "aqe"]


def test_all_methods(steeple, city, kept):
    ran = steeple(
        "evaluate", city.root, "--collection", kept, "--methods", "all", "--json", "--workers", 1
    )
    assert list(ran.json["retrieval"]) == list(RERANKERS)


def test_parameters_and_chains(steeple, city, kept):
    methods = ["aqe:alpha=0:n=5", "aqe+two-stage:threshold=0.5"]
    ran = steeple(
        "evaluate", city.root, "--collection", kept, "--methods", ",".join(methods), "--json",
        "--workers", 1,
    )  # fmt: skip
    assert list(ran.json["retrieval"]) == methods


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


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return oxford.make_oxford(tmp_path_factory.mktemp("revisited") / "roxford5k")


class TestRevisited:
    def run(self, steeple, root, *words):
        return steeple("evaluate", root, "--dataset", "roxford5k", "--workers", 1, *words)

    def test_json_tables_and_a_page(self, steeple, root, tmp_path):
        places, page = tmp_path / "places", tmp_path / "page.html"
        ran = self.run(steeple, root, "--collection", places, "--json")
        assert ran.code == 0
        figures = ran.json
        assert list(figures) == [
            *("dataset", "sizes", "cropped", "retrieval", "seconds", "failed"),
        ]
        assert figures["sizes"] == {"index": 20, "distractors": 0, "queries": 4}
        assert list(figures["retrieval"]) == ["knn", "aqe", "spatial", "default"]
        assert figures["retrieval"]["knn"]["easy"]["map"] > 50  # percent
        ran = self.run(steeple, root, "--collection", places, "--html", page)
        assert ran.code == 0
        assert "20 index photos, 0 distractors, 4 queries, cropped" in ran.out
        for word in ("mAP", "mP@1", "mP@5", "mP@10", "easy", "medium", "hard", "spatial"):
            assert word in ran.out
            assert word in page.read_text(encoding="utf-8")
        assert f"{figures['retrieval']['knn']['hard']['map']:.2f}" in ran.out
        assert "Queries are cropped." in page.read_text(encoding="utf-8")

    def test_options(self, steeple, root, tmp_path):
        distractors = oxford.make_distractors(tmp_path / "distractors", 3)
        ran = self.run(
            steeple, root, "--distractors", distractors, "--no-queries-cropped", "--methods", "knn",
            "--no-local-features", "--json",
        )  # fmt: skip
        assert ran.json["sizes"]["distractors"] == 3
        assert ran.json["cropped"] is False
        assert list(ran.json["retrieval"]) == ["knn"]

    def test_refuses_what_it_cannot_use(self, steeple, root, city, kept, tmp_path):
        self.run(steeple, city.root).refused(2, "no ground truth of roxford5k", "gnd_roxford5k.pkl")
        self.run(steeple, root, "--methods", "two-stage").refused(2, "training set", "leave it out")
        self.run(steeple, root, "--collection", kept).refused(2, "other images", "--collection")
        self.run(steeple, root, "--distractors", tmp_path / "gone").refused(2, "gone", "no folder")
        steeple("evaluate", root, "--dataset", "oxford").refused(2, "roxford5k")
        for words in (["--distractors", root], ["--no-queries-cropped"]):
            steeple("evaluate", city.root, *words).refused(2, words[0], "roxford5k")
        (tmp_path / "gnd_rparis6k.pkl").write_bytes(b"cos\nsystem\n(S'touch pwned'\ntR.")
        ran = steeple("evaluate", tmp_path, "--dataset", "rparis6k")
        ran.refused(2, "gnd_rparis6k.pkl", "wants to load 'os.system'")
