"""The report of Revisited Oxford and Paris: one table a metric, a row a method."""

from __future__ import annotations

import pytest

from steeple.evaluation import RevisitedEvaluation
from steeple.report import write_evaluation_report
from steeple.report.tables import revisited_report


def figures(start):
    names = ("map", "mp@1", "mp@5", "mp@10")
    return {
        rule: {name: start + 10 * r + n for n, name in enumerate(names)}
        for r, rule in enumerate(("easy", "medium", "hard"))
    }


EVALUATION = RevisitedEvaluation(
    dataset="rparis6k",
    sizes={"index": 6322, "distractors": 1_001_001, "queries": 70},
    cropped=False,
    retrieval={"knn": figures(1.0), "aqe": figures(51.0)},
    seconds={"embed": 1.25, "neighbours": 2.5},
    failed=(("a.jpg", "not a photo"),),
)


@pytest.fixture
def made():
    return revisited_report(EVALUATION, title="T", subtitle="S")


def test_every_figure_is_in_its_table(made):
    assert (made.title, made.subtitle, made.samples) == ("T", "S", ())
    assert made.facts == (
        ("index photos", "6,322"),
        ("distractors", "1,001,001"),
        ("queries", "70"),
        ("seconds in all", "3.8"),
    )
    assert [table.title for table in made.tables] == ["mAP", "mP@1", "mP@5", "mP@10"]
    for number, table in enumerate(made.tables):
        assert table.columns == ("easy", "medium", "hard")
        assert table.rows == (
            ("knn", (1.0 + number, 11.0 + number, 21.0 + number)),
            ("aqe", (51.0 + number, 61.0 + number, 71.0 + number)),
        )
        assert "Queries are whole photos." in table.note


def test_it_becomes_a_page(made, tmp_path):
    page = write_evaluation_report(made, tmp_path / "report.html")
    text = page.read_text(encoding="utf-8")
    for word in ("1,001,001", "aqe", "medium"):
        assert word in text


def test_it_is_ready_for_json():
    assert EVALUATION.to_dict() == {
        "dataset": "rparis6k",
        "sizes": EVALUATION.sizes,
        "cropped": False,
        "retrieval": EVALUATION.retrieval,
        "seconds": EVALUATION.seconds,
        "failed": [["a.jpg", "not a photo"]],
    }
