"""An evaluation as a report: small runs made by hand, so that every tile can be told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from steeple.datasets.gldv2 import GldV2
from steeple.evaluation import Evaluation, RejectionPoint, Run
from steeple.geometry.sift import Sift
from steeple.images import read_image
from steeple.report import write_evaluation_report
from steeple.report.comparison import evaluation_report
from steeple.retrieval.types import Ranking, Votes

INDEX = [f"i{number}" for number in range(6)]
# Query -> what is to be found. "won" gains by re-ranking, "lost" loses, "same" does not move;
# "stranger" shows nothing that could be found.
SOLUTION = {"won": ["i1", "i5"], "lost": ["i0"], "same": ["i2"], "stranger": []}
KNN = {
    "won": [0, 1, 2, 3],
    "lost": [0, 1, 2, 3],
    "same": [2, 3, 4, -1],
    "stranger": [3, 4, -1, -1],
}
DEFAULT = KNN | {"won": [1, 5, 0, 2], "lost": [1, 0, 2, 3]}


def make_run(*methods):
    queries = list(SOLUTION)
    dataset = GldV2(
        root=Path("city"),
        train={},
        index=INDEX,
        index_landmarks=dict.fromkeys(INDEX, "2") | {"i1": "1", "i5": "1", "i4": "3"},
        test=queries,
        retrieval_solution=SOLUTION,
        recognition_solution={"won": ["1"], "same": []},
        usage=dict.fromkeys(queries, "Public"),
        recognition_usage=dict.fromkeys(queries, "Public"),
        names={"1": "Town_Hall", "2": "Old Mill"},
    )
    rankings = {}
    for method in methods or ("knn", "default"):
        found = DEFAULT if method == "default" else KNN
        ids = np.array([found[query] for query in queries])
        rankings[method] = Ranking(ids, np.tile([1, 0.7, 0.4, 0.1], (len(queries), 1)))
    return Run(
        dataset,
        INDEX,
        queries,
        rankings,
        Votes(np.array([7, 8, -1, 8]), np.array([0.9, 0.3, 0.0, 0.8])),
        Votes(np.array([7, 7, 8, 8, 8, 7]), np.linspace(0, 1, 6)),
        {7: "1", 8: "2"},
    )


EVALUATION = Evaluation(
    dataset="gldv2",
    sizes={"training": 1000, "index": 6, "queries": 4, "scored": 3},
    retrieval={"knn": {"public": 1.0, "private": None, "all": 3.0}},
    recognition={"votes": {"gap": 4.0, "public": 5.0, "private": None}},
    rejection=(),
    seconds={"embed": 1.25, "vote": 2.5},
    precision={"knn": {"public": None, "all": {"mp@1": 60.0, "mp@5": 50.0, "mp@10": 40.0}}},
    accuracy={"votes": {"public": None, "all": 70.0}},
)


def report(run=None, samples=12):
    return evaluation_report(
        EVALUATION, run or make_run(), title="T", subtitle="S", samples=samples
    )


def sample(query, samples=12):
    return next(s for s in report(samples=samples).samples if s.id == query)


def test_facts_and_tables():
    made = report()
    assert (made.title, made.subtitle) == ("T", "S")
    assert made.facts == (
        ("training photos", "1,000"),
        ("index photos", "6"),
        ("queries", "4"),
        ("scored queries", "3"),
        ("seconds in all", "3.8"),
    )
    retrieval, recognition = made.tables
    assert retrieval.columns == ("public", "private", "all", "mP@1", "mP@5", "mP@10")
    assert retrieval.rows == (("knn", (1.0, None, 3.0, 60.0, 50.0, 40.0)),)
    assert recognition.columns == ("public", "private", "all", "top-1")
    assert recognition.rows == (("votes", (5.0, None, 4.0, 70.0)),)


def test_figures_that_are_not_there_are_blank():
    made = evaluation_report(
        replace(EVALUATION, precision={"knn": {"all": None}}, accuracy={}),
        make_run(),
        title="T",
        subtitle="S",
    )
    retrieval, recognition = made.tables
    assert retrieval.rows == (("knn", (1.0, None, 3.0, None, None, None)),)
    assert recognition.rows == (("votes", (5.0, None, 4.0, None)),)


def test_every_query_is_shown_once_where_there_is_room():
    shown = [s.id for s in report().samples]
    assert sorted(shown) == sorted(SOLUTION)
    assert shown[0] == "won"


@pytest.mark.parametrize("samples", [0, 1, 2, 3, 4])
def test_no_more_than_asked_for(samples):
    assert len(report(samples=samples).samples) == samples


def test_few_samples_are_of_every_kind():
    """Gained, lost, unmoved and strangers, however many there are of one kind."""
    solution = {f"won{n}": SOLUTION["won"] for n in range(20)} | SOLUTION
    queries = list(solution)
    knn = {q: KNN["won" if q.startswith("won") else q] for q in queries}
    default = {q: DEFAULT["won" if q.startswith("won") else q] for q in queries}
    run = make_run()
    votes = Votes(np.full(len(queries), -1), np.zeros(len(queries)))
    scores = np.zeros((len(queries), 4))
    run = Run(
        GldV2(**{**vars(run.dataset), "test": queries, "retrieval_solution": solution}),
        INDEX,
        queries,
        {
            "knn": Ranking(np.array([knn[q] for q in queries]), scores),
            "default": Ranking(np.array([default[q] for q in queries]), scores),
        },
        votes,
        run.index_beliefs,
        run.names,
    )
    shown = [s.id for s in report(run, samples=6).samples]
    assert len(shown) == len(set(shown)) == 6
    assert {"lost", "same", "stranger"} <= set(shown)
    assert shown[:3] == ["won0", "won1", "won2"]


def test_without_both_methods_there_are_no_samples():
    assert report(make_run("knn", "aqe")).samples == ()


def test_tiles_tell_what_is_right_and_how_it_came_there():
    knn, default = sample("won").rows
    assert (knn.title, default.title) == ("knn", "default")
    assert [tile.id for tile in default.tiles] == ["i1", "i5", "i0", "i2"]
    assert [tile.mark for tile in default.tiles] == ["right", "right", "wrong", "wrong"]
    assert [tile.origin for tile in default.tiles] == [
        "sorted",
        "inserted",
        "retrieved",
        "retrieved",
    ]
    assert [tile.moved for tile in default.tiles] == [1, None, -2, -1]
    assert [tile.landmark for tile in default.tiles] == [
        "Town Hall",
        "Town Hall",
        "Old Mill",
        "Old Mill",
    ]
    assert [tile.probability for tile in default.tiles] == pytest.approx([0.2, 1.0, 0.0, 0.4])
    assert [tile.score for tile in default.tiles] == pytest.approx([1, 0.7, 0.4, 0.1])
    assert default.tiles[0].photo == Path("city/index/i/1/i1.jpg")
    assert {tile.origin for tile in knn.tiles} == {"retrieved"}
    assert {tile.moved for tile in knn.tiles} == {0}


def test_precision_of_each_row():
    precisions = {s.id: [row.average_precision for row in s.rows] for s in report().samples}
    assert precisions == {
        "won": pytest.approx([25, 100]),  # (1/2) / 2 and (1 + 1) / 2
        "lost": pytest.approx([100, 50]),
        "same": pytest.approx([100, 100]),
        "stranger": [None, None],
    }


def test_pads_are_no_tiles():
    assert [[tile.id for tile in row.tiles] for row in sample("same").rows] == [
        ["i2", "i3", "i4"]
    ] * 2
    assert sample("same").rows[0].tiles[2].landmark == "3"  # one that has no name


def test_truth_and_answer():
    assert sample("won").truth == "Town Hall"  # from the solution of recognition
    assert sample("lost").truth == "Old Mill"  # from what it should find
    assert sample("stranger").truth is None
    assert sample("won").answer == "Town Hall"
    assert sample("won").confidence == pytest.approx(0.9)
    assert sample("lost").answer is None  # not likely enough
    assert sample("same").answer is None  # nobody voted
    assert sample("stranger").answer == "Old Mill"


def test_long_rankings_are_cut():
    wide = make_run()
    ids = np.tile(np.arange(6), (4, 4))[:, :24]
    ids = np.array([list(dict.fromkeys(row)) + [-1] * 18 for row in ids.tolist()])
    scores = np.zeros(ids.shape)
    rankings = {"knn": Ranking(ids, scores), "default": Ranking(ids, scores)}
    run = Run(
        wide.dataset, wide.index, wide.queries, rankings, wide.beliefs, wide.index_beliefs,
        wide.names,
    )  # fmt: skip
    assert all(len(row.tiles) <= 10 for s in report(run).samples for row in s.rows)


def test_it_becomes_a_page(tmp_path):
    page = write_evaluation_report(report(), tmp_path / "report.html")
    text = page.read_text(encoding="utf-8")
    for query in SOLUTION:
        assert query in text
    assert "Town Hall" in text


@pytest.fixture
def run_of_photos(tmp_path):
    """The run, with photos: the query "won" and its first hit are one photo of many corners."""
    run = make_run()
    dataset = GldV2(**{**vars(run.dataset), "root": tmp_path})
    seeds = {"won": 1, "i1": 1, "lost": 2}  # the others have no photo
    for name, seed in seeds.items():
        path = dataset.photo("index" if name.startswith("i") else "test", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        small = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)
        cv2.imwrite(str(path), cv2.resize(small, (320, 240), interpolation=cv2.INTER_NEAREST))
    return replace(run, dataset=dataset, extractor=Sift())


def test_the_first_hit_of_the_last_row_is_explained(run_of_photos, caplog):
    whys = {sample.id: sample.why for sample in report(run_of_photos).samples}
    same = whys["won"]
    inliers, _, matches = same.summary.split()[:3]
    assert inliers == matches
    assert int(inliers) > 50
    assert "far more than photos of different places" in same.summary
    assert same.alt.startswith("The query and i1, with lines between")
    assert read_image(same.picture).shape[:2] == same.size[::-1]
    assert same.sentences == ()  # the page has them already
    other = whys["lost"]
    assert "far more" not in other.summary
    assert whys["same"] is whys["stranger"] is None
    assert "the first hit of" in caplog.text


def test_without_local_features_there_are_no_pictures(run_of_photos):
    made = report(replace(run_of_photos, extractor=None))
    assert {sample.why for sample in made.samples} == {None}


def test_the_page_unfolds_them(run_of_photos, tmp_path):
    page = write_evaluation_report(report(run_of_photos), tmp_path / "report.html")
    text = page.read_text(encoding="utf-8")
    assert text.count("<details") == text.count('<img src="data:image/jpeg;base64,') == 2
    assert "First hit of <bdi>default</bdi>" in text


POINTS = (RejectionPoint(0.0, 0.75, 0.25, 1.0), RejectionPoint(0.5, 0.5, 0.0, 0.125))


def curves(solution, *, points=POINTS, ignored=()):
    run = make_run()
    usage = dict.fromkeys(solution, "Public") | dict.fromkeys(ignored, "Ignored")
    dataset = replace(run.dataset, recognition_solution=solution, recognition_usage=usage)
    evaluation = replace(EVALUATION, rejection=points)
    run = replace(run, dataset=dataset)
    return evaluation_report(evaluation, run, title="T", subtitle="S").curves


def test_the_rejection_curve_is_in_percent_and_marks_what_search_asks_for():
    (curve,) = curves({"won": ["1"], "stranger": []})
    assert [(line.name, line.points, line.mark) for line in curve.lines] == [
        ("named rightly", ((0.0, 75.0), (0.5, 50.0)), "right"),
        ("named wrongly", ((0.0, 25.0), (0.5, 0.0)), "wrong"),
        ("named though no landmark is shown", ((0.0, 100.0), (0.5, 12.5)), None),
    ]
    assert (curve.x_label, curve.y_label) == ("confidence asked for", "percent of queries")
    assert (curve.guide.x, curve.guide.text) == (0.5, "search names above 0.5")
    assert "surer than 0.5" in curve.note


def test_without_points_there_is_no_curve():
    assert curves({"won": ["1"], "stranger": []}, points=()) == ()
    assert report().curves == ()


@pytest.mark.parametrize(
    ("solution", "ignored", "names"),
    [
        ({"won": ["1"]}, (), ["named rightly", "named wrongly"]),
        ({"won": ["1"], "stranger": []}, ("stranger",), ["named rightly", "named wrongly"]),
        ({"stranger": []}, (), ["named though no landmark is shown"]),
    ],
)
def test_a_share_of_no_queries_is_no_line(solution, ignored, names):
    (curve,) = curves(solution, ignored=ignored)
    assert [line.name for line in curve.lines] == names
