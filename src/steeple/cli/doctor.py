"""steeple doctor: is the machine fit, is a collection whole."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from steeple.cli import options
from steeple.cli.console import command, console, emit_json, show_table, shown_progress
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
    workers: options.Workers = None,
    json: options.Json = False,
) -> None:
    """Describe this machine, or check a collection and repair it.

    Exit code 1 says that a collection is damaged.
    """
    from steeple.environment import environment

    if collection is None:
        if repair:
            raise InputError("there is nothing to --repair; name a folder with --collection")
        facts = environment()
        if json:
            emit_json(facts)
            return
        table = Table(box=None, pad_edge=False, show_header=False)
        for name, value in facts.items():
            table.add_row(name, value)
        show_table(table)
        return
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
