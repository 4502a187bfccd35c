"""steeple embed, then steeple rerank: the same figures as evaluate, without a photo."""

from __future__ import annotations

import numpy as np
import pytest

from steeple.datasets import GldV2, read_recognition_submission, read_retrieval_submission
from steeple.evaluation import evaluate_gldv2

METHODS = ("knn", "aqe", "sort", "two-stage", "gated")


@pytest.fixture(scope="module")
def arrays(city, tmp_path_factory):
    """What `steeple embed` writes of the city."""
    from steeple.arrays import Output, embed_photos, find_embedder

    out = tmp_path_factory.mktemp("embedded") / "arrays"
    embed_photos(city.root, Output(out), find_embedder("sift-vlad"), workers=1)
    return out


@pytest.fixture(scope="module")
def evaluated(city, tmp_path_factory):
    """What `steeple evaluate` finds on the city."""
    places = tmp_path_factory.mktemp("evaluated") / "places"
    return evaluate_gldv2(city.root, places, methods=METHODS, local_features=None, workers=1)


@pytest.fixture(scope="module")
def words(arrays):
    """The files on the command line."""
    return [
        "rerank",
        *("--queries", arrays / "queries.npy"),
        *("--index", arrays / "index.npy"),
        *("--training", arrays / "training.npy"),
        *("--training-labels", arrays / "training.csv"),
    ]


def solutions(root):
    return [
        *("--solution", root / "retrieval_solution_v2.1.csv"),
        *("--recognition-solution", root / "recognition_solution_v2.1.csv"),
    ]


def chosen(*names):
    return [word for name in names for word in ("--rerank", name)]


def test_figures_are_those_of_evaluate(steeple, city, words, evaluated):
    ran = steeple(*words, *solutions(city.root), *chosen(*METHODS), "--json")
    assert ran.code == 0
    evaluation, _ = evaluated
    assert list(ran.json["retrieval"]) == list(METHODS)
    for name in METHODS:
        assert ran.json["retrieval"][name] == pytest.approx(evaluation.retrieval[name])
    assert ran.json["recognition"]["gap"] == pytest.approx(evaluation.recognition["votes"]["gap"])
    assert ran.json["sizes"]["training"] == city.train
    assert len({ran.json["retrieval"][name]["all"] for name in METHODS}) >= 4


@pytest.mark.parametrize("name", METHODS)
def test_rankings_are_those_of_evaluate(steeple, words, evaluated, tmp_path, name):
    out = tmp_path / "submission.csv"
    assert steeple(*words, "--rerank", name, "--out", out).code == 0
    _, run = evaluated
    assert read_retrieval_submission(out) == {
        query: [run.index[image] for image in ids if image >= 0]
        for query, ids in zip(run.queries, run.rankings[name].ids.tolist(), strict=True)
    }


def test_tables_for_people(steeple, city, words, tmp_path):
    out, named = tmp_path / "submission.csv", tmp_path / "landmarks.csv"
    ran = steeple(
        *words, *solutions(city.root), *chosen("knn", "two-stage"),
        "--out", out, "--recognition-out", named,
    )  # fmt: skip
    assert ran.code == 0
    for word in ("mAP@100", "GAP", "public", "private", "knn", "two-stage", "index votes"):
        assert word in ran.out
    assert f"{out}: two-stage" in ran.out
    assert f"{named}: votes" in ran.out
    assert f"{city.test:,} queries, {city.index:,} index images" in ran.out
    landmarks = set(GldV2.read(city.root).train.values())
    predictions = read_recognition_submission(named)
    assert len(predictions) == city.test
    assert {landmark for landmark, _ in filter(None, predictions.values())} <= landmarks
    assert "finding voters" in ran.err


def test_ids_in_any_way(steeple, city, words, arrays, tmp_path):
    bare = tmp_path / "bare"
    bare.mkdir()
    for part in ("queries", "index", "training"):
        np.save(bare / f"{part}.npy", np.load(arrays / f"{part}.npy"))
    files = [
        "rerank",
        *(word for part in ("queries", "index") for word in (f"--{part}", bare / f"{part}.npy")),
        *("--training", bare / "training.npy", "--training-labels", city.root / "train.csv"),
    ]
    first = tmp_path / "first.csv"
    assert steeple(*words, "--out", first).code == 0
    texts = [arrays / f"{part}.txt" for part in ("queries", "index", "training")]
    for ids in (
        ["--ids", arrays],
        ["--ids", ",".join(map(str, texts))],
        ["--ids", texts[0], "--ids", f"index={texts[1]}", "--training-ids", texts[2]],
        ["--query-ids", texts[0], "--index-ids", texts[1], "--training-ids", texts[2]],
    ):
        out = tmp_path / "again.csv"
        assert steeple(*files, *ids, "--out", out).code == 0
        assert out.read_text() == first.read_text()
    steeple(*files, "--out", first).refused(2, "train.csv", "--training-ids")


def test_without_a_training_set(steeple, words, arrays, tmp_path):
    out = tmp_path / "s.csv"
    assert steeple(*words[:5], "--rerank", "knn", "--out", out, "--ids", arrays).code == 0
    assert len(read_retrieval_submission(out)) > 0
    assert steeple(*words[:5], "--rerank", "aqe:alpha=0:n=3", "--out", out).code == 0
    assert len(read_retrieval_submission(out)) > 0


def test_what_the_help_says(steeple):
    said = " ".join(steeple("rerank", "--help").out.replace("│", " ").split())
    assert "[default: 4GB]" in said
    assert "4000000000" not in said
    assert "100 at most" in said


def test_a_second_run_finds_what_was_kept(steeple, words, tmp_path):
    line = [*words, "--out", tmp_path / "s.csv", "--keep", tmp_path / "kept"]
    first = steeple(*line)
    text = (tmp_path / "s.csv").read_text()
    second = steeple(*line)
    assert "finding voters" in first.err
    assert "finding voters" not in second.err
    assert (tmp_path / "s.csv").read_text() == text


def test_approximate_search_says_how_good_it_is(steeple, words, tmp_path):
    ran = steeple(*words, "--out", tmp_path / "s.csv", "--approximate", "IVF2,Flat")
    assert "index: approximate by IVF2,Flat" in ran.out
    assert "of the exact neighbours found" in ran.out


def test_refuses_what_it_cannot_use(steeple, words, arrays, tmp_path):
    out = ["--out", tmp_path / "s.csv"]
    steeple(*words).refused(2, "--out submission.csv")
    steeple(*words[:5], *out).refused(2, "two-stage needs votes", "--training")
    steeple(*words[:7], *out).refused(2, "belong together")
    steeple(*words, *out, "--rerank", "spatial").refused(2, "spatial", "photos")
    steeple(*words, *out, "--rerank", "nix").refused(2, "nix")
    steeple(*words, *out, "--memory", "much").refused(2, "much")
    ids = ["--training-ids", arrays / "training.txt"]
    steeple(*words[:5], *out, "--rerank", "knn", *ids).refused(2, "give --training")
    steeple(*words[:3], "--index", arrays, *words[5:], *out).refused(2, "is a folder")
    steeple(*words, *out, "--ids", arrays, "--query-ids", "x.txt").refused(2, "given twice")
    steeple("rerank", "--queries", "gone.npy", *words[3:], *out).refused(2, "gone.npy")
    np.save(tmp_path / "odd.npy", np.full((3, 512), 5.0))
    steeple("rerank", "--queries", tmp_path / "odd.npy", *words[3:], *out).refused(
        2, "odd.npy", "--normalize"
    )
    assert not (tmp_path / "s.csv").exists()
