"""steeple demo: everything at once, on a toy city."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from steeple.cli import options
from steeple.cli.console import command, console, emit_json, shown_progress, sure
from steeple.cli.evaluate import show_evaluation

__all__ = ["demo"]


def demo(
    out: Annotated[
        Path, typer.Option("--out", help="Where city, collection and report go.")
    ] = Path("steeple-demo"),
    photos: Annotated[
        int, typer.Option("--photos", min=10, help="How many photos to render.")
    ] = 400,
    embedder: options.Embedder = "sift-vlad",
    seed: options.Seed = 0,
    workers: options.Workers = None,
    open_: options.Open = False,
    json: options.Json = False,
) -> None:
    """Render a toy city, build a collection of it, search, evaluate, and write a report."""
    from steeple.demo.tour import take_tour

    with shown_progress() as progress:
        tour = take_tour(
            out, photos=photos, seed=seed, embedder=embedder, workers=workers, progress=progress
        )
    if json:
        emit_json(
            {
                "report": str(tour.report),
                "collection": str(tour.collection),
                "seconds_in_all": tour.seconds,
                **tour.evaluation.to_dict(),
            }
        )
    else:
        city, hits = tour.city, tour.hits
        console.print(
            Text.assemble(
                ("A toy city", "bold"),
                f": {city.photos} photos, {city.landmarks} landmarks "
                f"({city.unlabelled} of them without labels), {city.interiors} interiors",
            )
        )
        show_evaluation(tour.evaluation)
        name = hits.landmark
        answer = f"{name}, {sure(hits.confidence)}" if name else "no known landmark"
        console.print(f"one search: {tour.query.name}: {answer}")
        done = (f"done in {tour.seconds:.0f} s", "bold")
        console.print(Text.assemble(done, f"; report: {tour.report}"))
        console.print("try:", command("search", tour.collection, tour.query, "--open"))
    if open_:
        typer.launch(str(tour.report.absolute()))
