"""steeple doctor: is the machine fit, is a collection whole."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from steeple.cli import options
from steeple.cli.console import command, console, emit_json, show_table, shown_progress
from steeple.cli.index import quality_rows, show_whether_it_pays
from steeple.errors import InputError

__all__ = ["doctor"]


def doctor(
    collection: Annotated[
        Path | None,
        typer.Option("--collection", help="Check every checksum of this collection."),
    ] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Repair what can be derived again.")
    ] = False,
    recall: Annotated[
        bool,
        typer.Option(
            "--recall",
            help="Measure, instead of checking, what its search finds of what exact search does.",
        ),
    ] = False,
    workers: options.Workers = None,
    json: options.Json = False,
) -> None:
    """Describe this machine, or check a collection and repair it, or measure its search.

    Exit code 1 says that a collection is damaged.
    """
    if recall and repair:
        raise InputError("--recall measures and --repair mends; give one after the other")
    if collection is None and (repair or recall):
        what = "--repair" if repair else "--recall"
        raise InputError(f"there is nothing to {what}; name a folder with --collection")
    if collection is None:
        _describe_machine(json)
    elif recall:
        _measure(collection, json)
    else:
        _check(collection, repair, workers, json)


def _describe_machine(json: bool) -> None:
    from steeple.environment import environment

    facts = environment()
    if json:
        emit_json(facts)
    else:
        _show(facts.items())


def _check(collection: Path, repair: bool, workers: int | None, json: bool) -> None:
    """Looks a collection over; exit code 1 if damage is left."""
    from steeple.collection.doctor import check

    with shown_progress() as progress:
        diagnosis = check(collection, repair=repair, workers=workers, progress=progress)
    if json:
        emit_json({**asdict(diagnosis), "healthy": diagnosis.healthy})
    else:
        for finding in diagnosis.findings:
            state = "repaired" if finding.repaired else "note" if finding.harmless else "DAMAGED"
            name = f" {finding.id}" if finding.id else ""
            console.print(f"{state}: {finding.kind}{name}: {finding.detail}")
        verdict = ("healthy", "green") if diagnosis.healthy else ("damaged", "red")
        console.print(Text.assemble(f"{diagnosis.images:,} images checked: ", verdict))
        if not diagnosis.healthy and not repair:
            console.print("repair:", command("doctor", "--collection", collection, "--repair"))
    if not diagnosis.healthy:
        raise typer.Exit(1)


def _measure(folder: Path, json: bool) -> None:
    """Shows what the search of a collection finds of what exact search does."""
    from steeple.collection import Collection

    with Collection.open(folder) as places, shown_progress() as progress:
        progress("measure", 0, None)
        quality = places.measure_search()
    if json:
        emit_json(asdict(quality))
    else:
        _show([("kind", quality.factory), *quality_rows(quality)])
        show_whether_it_pays(folder, quality)


def _show(facts: Iterable[tuple[str, str]]) -> None:
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, value in facts:
        table.add_row(name, value)
    show_table(table)
