"""The page of a training: what the log says, in curves, and nothing from elsewhere."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from steeple.errors import InputError
from steeple.report.training import PAGE, training_page, training_report
from steeple.training.folder import write_run
from steeple.training.log import Log


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of 1,000 lines, of which two are validations, and one photo was left out."""
    folder = tmp_path / "small <b>.training"
    settings = {"model": {"backbone": "resnet<18>"}, "run": {"seed": 7}}
    write_run(folder, {"source": "photos & more", "settings": settings, "processes": 2})
    log = Log(folder)
    for step in range(1, 1001):
        values = {"loss": 5 / step, "rate": 0.1, "photos_per_second": 40.0, "seconds": step / 2}
        log.write("step", step, 1 + step // 501, **values)
    log.write("validation", 500, 1, map=0.25, seconds=250.0)
    log.write("validation", 1000, 2, map=0.5, seconds=501.0)
    log.write("left_out", 1000, 2, photo="<i>.jpg", reason="cut off", seconds=501.0)
    return folder


def test_what_is_on_it(run: Path) -> None:
    report = training_report(run)
    assert report.title == "Training of small <b>"
    facts = dict(report.facts)
    assert (facts["steps"], facts["seconds"], facts["mAP@100"]) == ("1,000", "501", "50.0")
    assert facts["processes"] == "2"
    assert [curve.title for curve in report.curves] == [
        "Validation",
        "Loss",
        "Rate of learning",
        "Speed",
    ]
    assert report.curves[0].lines[0].points == ((500.0, 25.0), (1000.0, 50.0))
    points = report.curves[1].lines[0].points
    assert len(points) == 200
    assert points[0] == (5.0, pytest.approx(sum(5 / n for n in range(1, 6)) / 5))
    assert points[-1][0] == 1000
    assert dict(report.settings)["run"] == (("seed", "7"),)
    assert report.left_out == (("<i>.jpg", "cut off"),)


def test_it_is_complete_in_itself(run: Path) -> None:
    page = training_page(run)
    assert page == run / PAGE
    text = page.read_text()
    assert text == training_page(run).read_text()
    assert "resnet&lt;18&gt;" in text
    assert "<i>.jpg" not in text
    assert "photos &amp; more" in text
    assert text.count('<svg class="plot') == 8
    assert not re.search(r'(?:src|href)="(?!#|data:)', text)


def test_a_run_that_has_only_begun(tmp_path: Path) -> None:
    folder = tmp_path / "m.training"
    write_run(folder, {"source": "x", "settings": {"run": {"seed": 1}}})
    assert "Nothing was logged yet." in training_page(folder).read_text()


def test_damaged_files(run: Path) -> None:
    (run / "settings.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        training_page(run)
    (run / "settings.json").write_text(json.dumps([1]))
    with pytest.raises(InputError, match="no description of a run"):
        training_page(run)
