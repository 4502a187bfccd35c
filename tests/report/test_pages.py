"""The two pages, read back with a parser."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from steeple.errors import StorageError
from steeple.report import (
    EvaluationReport,
    Row,
    Sample,
    Table,
    Tile,
    write_contact_sheet,
    write_evaluation_report,
)
from steeple.report.model import Curve, Guide, Line
from steeple.report.pages import write_curve

from .conftest import Page, Photo

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = """<script>alert("1")</script>'"&amp;</style>{{ 7*7 }} 🏰 برج"""


CURVE = Curve(
    "A chart",
    "confidence",
    "percent",
    (Line("rightly", ((0.0, 80.0), (0.5, 60.0)), "right"), Line("otherwise", ((0.5, 12.5),))),
    "Read it from the left.",
    Guide(0.25, "here"),
)


def tile(path: Path, **changes: Any) -> Tile:
    plain = Tile(path, path.name, 0.5, "right", "retrieved", "Old Tower", None)
    return dataclasses.replace(plain, **changes)


def sample(query: Path, *rows: Row, **changes: Any) -> Sample:
    plain = Sample(query, query.name, "Old Tower", "Old Tower", 0.83, rows)
    return dataclasses.replace(plain, **changes)


@pytest.fixture
def report(photo: Photo) -> EvaluationReport:
    hits = [photo(seed) for seed in range(5)]
    base = Row("k-NN", tuple(tile(p, mark="wrong") for p in hits), 20.0)
    better = Row(
        "Two-stage",
        (
            tile(hits[3], origin="sorted", moved=3),
            tile(hits[4], origin="inserted", mark="unknown"),
            tile(hits[0], mark="wrong", moved=-2),
        ),
        52.5,
    )
    return EvaluationReport(
        "An evaluation",
        "of five photos",
        (("index photos", "5"), ("queries", "2")),
        (Table("Retrieval", ("mAP",), (("k-NN", (20.0,)), ("Two-stage", (52.5,))), "Percent."),),
        (
            sample(photo(100), base, better),
            sample(photo(101), base, dataclasses.replace(base, average_precision=11.0)),
        ),
        (CURVE, CURVE),
    )


def test_the_report_asks_nothing_of_the_network(report: EvaluationReport, tmp_path: Path) -> None:
    page = Page(write_evaluation_report(report, tmp_path / "report.html"))

    assert "http:" not in page.source
    assert "https:" not in page.source
    assert "@import" not in page.style
    for _, attributes in page.elements:
        for name in ("src", "href", "action", "data", "srcset", "poster"):
            assert (attributes.get(name) or "#").startswith(("#", "data:"))
    assert all(url.startswith("data:") for url in re.findall(r"url\(([^)]*)", page.style))


def test_the_policy_allows_only_the_script_of_the_page(
    report: EvaluationReport, tmp_path: Path
) -> None:
    page = Page(write_evaluation_report(report, tmp_path / "report.html"))

    policy = next(a["content"] for tag, a in page.elements if tag == "meta" and "http-equiv" in a)
    (script,) = page.scripts
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in (policy or "")
    assert "default-src 'none'" in (policy or "")


def test_each_photo_is_embedded_once(report: EvaluationReport, tmp_path: Path) -> None:
    page = Page(write_evaluation_report(report, tmp_path / "report.html"))

    embedded = re.findall(r"url\(data:image/jpeg;base64,([A-Za-z0-9+/=]+)\)", page.style)
    assert len(embedded) == len(set(embedded)) == 7
    assert all(base64.b64decode(data, validate=True)[:2] == b"\xff\xd8" for data in embedded)
    assert len(page.with_class("mount")) == 5 + 3 + 5 + 5
    for used in page.with_class("photo"):
        name = (used["class"] or "").split()[-1]
        assert f".{name}{{" in page.style


def test_equal_photos_under_two_names_are_embedded_once(photo: Photo, tmp_path: Path) -> None:
    tiles = [tile(photo(1, "a.png")), tile(photo(1, "b.png"))]

    page = Page(
        write_contact_sheet(photo(2), None, None, tiles, tmp_path / "sheet.html", title="Search")
    )

    assert page.style.count("data:image/jpeg") == 2
    first, second = page.with_class("mount")
    assert first["class"] == second["class"] == "mount photo p1"
    assert ".p1{" in page.style


def test_marks_origins_and_movement_are_told_without_colour(
    report: EvaluationReport, tmp_path: Path
) -> None:
    page = Page(write_evaluation_report(report, tmp_path / "report.html"))

    for mark in ("right", "wrong", "unknown"):
        assert page.with_class("tile", mark)
        assert any(a.get("aria-label") == mark for a in page.with_class("icon", mark))
        assert f"#{mark}" in {a.get("href") for tag, a in page.elements if tag == "use"}
    for origin in ("retrieved", "sorted", "inserted"):
        assert page.with_class("tile", origin)
    assert "▲3\n" in page.text
    assert "▼2\n" in page.text
    assert page.text.count("\ninserted\n") == 2  # the legend and the tile
    assert "\n0.500\n" in page.text


def test_samples_carry_what_the_filter_and_the_order_need(
    report: EvaluationReport, tmp_path: Path
) -> None:
    page = Page(write_evaluation_report(report, tmp_path / "report.html"))

    changes = [(a["data-change"], a["data-gain"]) for a in page.with_class("sample")]
    assert changes == [("improved", "32.5000"), ("worsened", "-9.0000")]
    radios = {a["value"]: a for tag, a in page.elements if tag == "input"}
    assert set(radios) == {"all", "improved", "worsened", "unchanged"}
    assert "checked" in radios["all"]
    assert "disabled" in radios["unchanged"]
    assert all(f"#show-{value}:checked" in page.style for value in set(radios) - {"all"})


def test_every_picture_has_a_text_and_every_id_is_unique(
    report: EvaluationReport, tmp_path: Path
) -> None:
    page = Page(write_evaluation_report(report, tmp_path / "report.html"))

    pictures = [a for _, a in page.elements if a.get("role") == "img"]
    assert all(a.get("aria-label") or a.get("aria-labelledby") for a in pictures)
    ids = page.ids()
    assert len(ids) == len(set(ids))
    for name in ("aria-labelledby", "aria-describedby"):
        assert {a.get(name) for _, a in page.elements} - {None} <= set(ids)


def test_hostile_names_stay_text(photo: Photo, tmp_path: Path) -> None:
    hit = tile(photo(1), id=HOSTILE, landmark=HOSTILE)
    gone = tile(tmp_path / "gone" / "<b>&.jpg", landmark=None)
    query = sample(
        photo(2), Row(HOSTILE, (hit, gone), 1.0), id=HOSTILE, truth=HOSTILE, answer=HOSTILE
    )
    table = Table(HOSTILE, (HOSTILE,), ((HOSTILE, (1.0,)),), HOSTILE)
    curve = Curve(
        HOSTILE, HOSTILE, HOSTILE, (Line(HOSTILE, ((0.0, 1.0),)),), HOSTILE, Guide(0.0, HOSTILE)
    )
    facts = ((HOSTILE, HOSTILE),)
    report = EvaluationReport(HOSTILE, HOSTILE, facts, (table,), (query,), (curve,))

    page = Page(write_evaluation_report(report, tmp_path / "report.html"))
    sheet = Page(
        write_contact_sheet(
            photo(2), HOSTILE, 0.5, [hit, gone], tmp_path / "sheet.html", title=HOSTILE
        )
    )

    assert len(page.scripts) == 1
    assert not sheet.scripts
    assert page.text.count(HOSTILE) >= 10
    assert sheet.text.count(HOSTILE) >= 4
    assert any(HOSTILE in (a.get("aria-label") or "") for a in page.with_class("mount"))
    assert "<b>&.jpg" in page.text


def test_a_name_that_is_not_unicode_does_not_stop_the_page(photo: Photo, tmp_path: Path) -> None:
    tiles = [tile(photo(1), id="caf\udce9.jpg")]

    out = write_contact_sheet(photo(2), None, None, tiles, tmp_path / "sheet.html", title="Search")

    assert "caf?.jpg" in out.read_text(encoding="utf-8")


def test_a_photo_that_cannot_be_read_is_a_placeholder_with_its_name(
    photo: Photo, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8 no photo")
    tiles = [tile(broken), tile(tmp_path / "gone.jpg"), tile(photo(1))]

    page = Page(
        write_contact_sheet(
            tmp_path / "query.jpg", None, None, tiles, tmp_path / "sheet.html", title="Search"
        )
    )

    labels = [a["aria-label"] or "" for a in page.with_class("photo", "missing")]
    assert [label.split(",")[0].split(" (")[0] for label in labels] == [
        "Query query.jpg",
        "broken.jpg",
        "gone.jpg",
    ]
    assert "\ngone.jpg\n" in page.text
    assert page.style.count("data:image/jpeg") == 1


def test_nothing_to_show_is_said(photo: Photo, tmp_path: Path) -> None:
    bare = EvaluationReport("Bare", "", (), (), ())
    hollow = dataclasses.replace(
        bare,
        tables=(Table("Empty", ("mAP",), (), ""),),
        samples=(sample(photo(1), Row("k-NN", (), None)), sample(photo(2))),
    )

    assert "no sample queries" in Page(write_evaluation_report(bare, tmp_path / "a.html")).text
    page = Page(write_evaluation_report(hollow, tmp_path / "b.html"))
    assert "Nothing was measured." in page.text
    assert "This ranking is empty." in page.text
    assert "No ranking was kept for this query." in page.text
    sheet = write_contact_sheet(photo(1), None, None, [], tmp_path / "c.html", title="Search")
    assert "Nothing was found." in Page(sheet).text


def test_the_contact_sheet_shows_answer_ranks_scores_and_origins(
    photo: Photo, tmp_path: Path
) -> None:
    tiles = [
        tile(photo(1), mark="unknown", score=0.9123),
        tile(photo(2), mark="unknown", origin="sorted", moved=7, probability=0.82),
        tile(photo(3), mark="unknown", origin="inserted", landmark=None),
    ]

    page = Page(
        write_contact_sheet(photo(4), "Old Tower", 0.834, tiles, tmp_path / "s.html", title="Mine")
    )

    for text in ("Old Tower", "Mine", "0.83", "0.912", "▲7", "sorted · 82% likely", "inserted"):
        assert f"\n{text}\n" in page.text
    assert [line for line in page.text.split("\n") if line in {"1", "2", "3"}][-3:] == [
        "1",
        "2",
        "3",
    ]
    assert not page.with_class("icon")  # no ground truth, no marks


def test_no_answer_is_no_known_landmark(photo: Photo, tmp_path: Path) -> None:
    sheet = write_contact_sheet(photo(1), None, None, [], tmp_path / "s.html", title="Search")

    page = Page(sheet)

    assert "\nNo known landmark\n" in page.text
    assert "confidence" not in page.text


def test_the_same_report_gives_the_same_bytes(report: EvaluationReport, tmp_path: Path) -> None:
    first = write_evaluation_report(report, tmp_path / "a.html").read_bytes()

    assert write_evaluation_report(report, tmp_path / "b.html").read_bytes() == first


def test_a_chart_is_drawn_for_both_widths_with_its_figures_beneath(
    report: EvaluationReport, tmp_path: Path
) -> None:
    page = Page(write_evaluation_report(report, tmp_path / "report.html"))

    wide, narrow, *_ = page.with_class("plot")
    assert (wide["class"], narrow["class"]) == ("plot wide", "plot narrow")
    assert wide["role"] == narrow["role"] == "img"
    assert wide["viewbox"] != narrow["viewbox"]
    assert len(page.with_class("trace")) == len(page.with_class("name")) == 2 * 2 * 2
    assert len(page.with_class("guide")) == 2 * 2
    assert page.text.count("\nRead it from the left.\n") == 2
    assert "\n0.0\n80.0\n\N{EN DASH}\n" in re.sub(r"\n+", "\n", page.text)
    assert "\n0.5\n60.0\n12.5\n" in re.sub(r"\n+", "\n", page.text)
    assert ".plot .trace {" in page.style


def test_without_curves_there_is_no_chart(report: EvaluationReport, tmp_path: Path) -> None:
    bare = dataclasses.replace(report, curves=())
    page = Page(write_evaluation_report(bare, tmp_path / "report.html"))
    assert not page.with_class("plot")
    assert not page.with_class("curve")


@pytest.mark.parametrize("text", ["plain", HOSTILE])
def test_a_chart_alone_is_one_whole_svg(text: str, tmp_path: Path) -> None:
    curve = dataclasses.replace(CURVE, title=text, lines=(Line(text, ((0.0, 1.0), (1.0, 2.0))),))
    out = write_curve(curve, tmp_path / "curve.svg")

    root = ElementTree.fromstring(out.read_text(encoding="utf-8"))
    assert root.tag == f"{SVG}svg"
    assert root.findtext(f"{SVG}title") == text
    assert root.findtext(f"{SVG}desc", "").startswith(f"percent, by confidence. {text}: 1.00")
    assert len(root.findall(f".//{SVG}path[@class='trace']")) == 1
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
        "svg", "title", "desc", "style", "path", "text", "tspan", "g", "circle"
    }  # fmt: skip
    assert out.read_bytes() == write_curve(curve, tmp_path / "again.svg").read_bytes()


def test_a_chart_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be written"):
        write_curve(CURVE, tmp_path / "gone" / "curve.svg")
