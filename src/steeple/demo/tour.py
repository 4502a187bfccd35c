"""The whole of steeple on a toy city: render, build, search, evaluate, report."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from steeple.collection import Collection, Hits
from steeple.demo.city import City, build_city
from steeple.embedding import create_embedder
from steeple.errors import InputError, StorageError
from steeple.evaluation.protocol import evaluate_gldv2
from steeple.evaluation.results import Evaluation, Run
from steeple.progress import Progress, silent
from steeple.report import write_evaluation_report
from steeple.report.comparison import evaluation_report

__all__ = ["Tour", "take_tour"]

_MARKER = "steeple-demo.json"  # says that the folder is a demo's, and may be made anew


@dataclass(frozen=True)
class Tour:
    """What the demo leaves behind.

    Args:
        city: the rendered photos.
        collection: the folder of the collection built from them.
        report: the report, one HTML file.
        evaluation: the figures.
        query: one photo that was searched for.
        hits: what was found.
        seconds: wall time of everything.
    """

    city: City
    collection: Path
    report: Path
    evaluation: Evaluation
    query: Path
    hits: Hits
    seconds: float


def take_tour(
    out: Path,
    *,
    photos: int = 400,
    seed: int = 0,
    embedder: str = "sift-vlad",
    workers: int | None = None,
    progress: Progress = silent,
) -> Tour:
    """Renders a city and does with it what one does with photos.

    Args:
        out: a new or empty folder, or one of an earlier demo, which is made anew.
        photos: how many to render.
        seed: another seed, another city.
        embedder: what describes the photos; see `create_embedder`.
        workers: processes; None takes one per core.
        progress: called with stage, photos done, and their number.

    Raises:
        InputError: if the folder holds something else, photos or seed are out of bounds, or nothing
            is called like the embedder.
        MissingExtraError: if the embedder needs an extra that is not installed.
        StorageError: if the disk is full.
    """
    start = perf_counter()
    create_embedder(embedder)  # what cannot be had is said before anything is rendered
    try:
        _clear(out)
        # First of all, so that a demo that is interrupted can be made anew as well.
        (out / _MARKER).write_text(json.dumps({"photos": photos, "seed": seed}) + "\n")
        city = build_city(
            out / "city",
            photos=photos,
            seed=seed,
            workers=workers,
            progress=lambda done, total: progress("render", done, total),
        )
    except OSError as error:
        raise StorageError(
            f"{out} cannot be written: {error.strerror or error}; make room, or choose another "
            "folder with --out"
        ) from error
    evaluation, run = evaluate_gldv2(
        city.root, out / "places", embedder=embedder, workers=workers, progress=progress
    )
    query = _query(run)
    with Collection.open(out / "places") as places:
        hits = places.search(query, k=10)
    report = write_evaluation_report(
        evaluation_report(
            evaluation,
            run,
            title="A toy city, searched",
            subtitle=f"{city.photos} rendered photos of {city.landmarks} landmarks, seed {seed}; "
            f"described by {embedder}",
        ),
        out / "report.html",
    )
    return Tour(city, out / "places", report, evaluation, query, hits, perf_counter() - start)


def _clear(out: Path) -> None:
    if (out / _MARKER).is_file():
        for name in ("city", "places"):
            shutil.rmtree(out / name, ignore_errors=True)
        for name in ("report.html", _MARKER):
            (out / name).unlink(missing_ok=True)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(
            f"{out} is not empty and not from an earlier demo; choose another folder with --out"
        )
    out.mkdir(parents=True, exist_ok=True)


def _query(run: Run) -> Path:
    """The query whose answer is surest: one to try things on."""
    surest = int(run.beliefs.scores.argmax())
    return run.dataset.photo("test", run.queries[surest])
