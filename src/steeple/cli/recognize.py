"""steeple recognize: the landmarks that photos show."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from steeple.cli import options
from steeple.cli.console import emit_json, errors, show_table, shown_progress, sure

__all__ = ["recognize"]


def recognize(
    collection: options.CollectionArgument,
    photos: Annotated[
        list[Path], typer.Argument(metavar="PHOTO...", help="Photos, or folders of photos.")
    ],
    distractors: Annotated[
        int | None,
        typer.Option(
            "--distractors",
            min=1,
            metavar="N",
            help="List landmarks named for more than N photos last: they look like everything.",
        ),
    ] = None,
    workers: options.Workers = None,
    json: options.Json = False,
) -> None:
    """Name the landmark that each photo shows, or say that it shows no known one."""
    from steeple.collection import Collection

    with Collection.open(collection) as places, shown_progress() as progress:
        answers, failed = places.recognize(
            photos, distractors=distractors, workers=workers, progress=progress
        )
    answers.sort(key=lambda answer: answer[1].distractor)  # stable: the others keep their order
    if json:
        emit_json(
            {
                "answers": [{"photo": str(path), **asdict(answer)} for path, answer in answers],
                "failed": [{"photo": str(path), "reason": reason} for path, reason in failed],
            }
        )
    else:
        table = Table(box=None, pad_edge=False, header_style="dim")
        table.add_column("photo", overflow="fold")
        table.add_column("landmark", overflow="fold")
        table.add_column("", justify="right")
        for path, answer in answers:
            if answer.landmark is None:
                table.add_row(str(path), Text("no known landmark", "dim"), "")
            elif answer.distractor:
                table.add_row(str(path), Text(f"{answer.landmark}, named too often", "dim"), "")
            else:
                table.add_row(str(path), answer.landmark, sure(answer.confidence))
        show_table(table)
        for path, reason in failed:
            text = reason if str(path) in reason else f"{path}: {reason}"
            errors.print(text, style="yellow")
    if not answers:
        raise typer.Exit(1)
