"""The page of a training: its curves, what it was told, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from steeple.report.model import Curve, Line
from steeple.report.pages import render
from steeple.report.photos import embed_photos
from steeple.report.storage import write_whole
from steeple.training.folder import read_run
from steeple.training.log import LOG, last_loss, read_log, validations

__all__ = ["PAGE", "TrainingReport", "training_page", "training_report"]

PAGE = "report.html"
"""The name of the page in the folder of a run."""

_POINTS = 200  # of a line; more are put together
_TITLES = {
    "loss": ("Loss", "nats", "The mean over some steps. What it says depends on the head."),
    "rate": ("Rate of learning", "rate", "Of the network; the head has a multiple of it."),
    "photos_per_second": ("Speed", "photos per second", "Validation and checkpoints aside."),
}


@dataclass(frozen=True)
class TrainingReport:
    """Everything on the page, from top to bottom.

    Attributes:
        title: the heading.
        subtitle: the line below it.
        facts: label and value.
        curves: mAP@100, loss, rate, speed; those of which there is something.
        settings: group -> setting and value.
        left_out: photos that could not be read, and why.
    """

    title: str
    subtitle: str
    facts: tuple[tuple[str, str], ...]
    curves: tuple[Curve, ...]
    settings: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    left_out: tuple[tuple[str, str], ...]


def training_report(folder: Path) -> TrainingReport:
    """Puts together what a run has left.

    Args:
        folder: of the run, under way or ended.

    Raises:
        InputError: if its files are damaged.
    """
    run = read_run(folder) or {"settings": {}}
    lines = read_log(folder / LOG)
    return TrainingReport(
        title=f"Training of {folder.name.removesuffix('.training')}",
        subtitle=str(run.get("source", "")),
        facts=_facts(run, lines),
        curves=tuple(_curves(lines)),
        settings=tuple(
            (group, tuple((name, str(value)) for name, value in values.items()))
            for group, values in run["settings"].items()
        ),
        left_out=tuple(
            (line["photo"], line["reason"]) for line in lines if line["kind"] == "left_out"
        ),
    )


def training_page(folder: Path) -> Path:
    """Writes the page into the folder of a run, as one self-contained HTML file.

    Returns:
        The file.

    Raises:
        InputError: if the files of the run are damaged.
        StorageError: if it cannot be written.
    """
    report = training_report(folder)
    page = render("training.html", title=report.title, album=embed_photos({}), report=report)
    return write_whole(page, folder / PAGE)


def _facts(
    run: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]
) -> tuple[tuple[str, str], ...]:
    facts = []
    if lines:
        facts += [("steps", f"{lines[-1]['step']:,}"), ("epochs begun", f"{lines[-1]['epoch']:,}")]
        facts.append(("seconds", f"{lines[-1]['seconds']:,.0f}"))
    measured = validations(lines)
    if measured:
        facts.append(("mAP@100", f"{100 * measured[-1][1]:.1f}"))
    loss = last_loss(lines)
    if loss is not None:
        facts.append(("loss, last epoch", f"{loss:.3f}"))
    if run.get("processes", 1) > 1:
        facts.append(("processes", f"{run['processes']}"))
    return tuple(facts)


def _curves(lines: Sequence[Mapping[str, Any]]) -> list[Curve]:
    curves = []
    measured = [line for line in lines if line["kind"] == "validation"]
    if measured:
        points = tuple((float(line["step"]), 100 * float(line["map"])) for line in measured)
        note = "Of the photos put aside, in percent: the higher, the better."
        curves.append(
            Curve("Validation", "steps", "mAP@100, percent", (Line("mAP@100", points),), note)
        )
    steps = [line for line in lines if line["kind"] == "step"]
    for key, (title, label, note) in _TITLES.items():
        if steps:
            line = Line(title.lower(), _points(steps, key))
            curves.append(Curve(title, "steps", label, (line,), note))
    return curves


def _points(steps: Sequence[Mapping[str, Any]], key: str) -> tuple[tuple[float, float], ...]:
    """Step and mean value of neighbouring lines, so that a few hundred points are left."""
    together = -(-len(steps) // _POINTS)
    parts = [steps[start : start + together] for start in range(0, len(steps), together)]
    return tuple((float(part[-1]["step"]), fmean(line[key] for line in part)) for part in parts)
