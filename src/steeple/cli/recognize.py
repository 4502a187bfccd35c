"""steeple recognize: the landmarks that photos show."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from steeple.cli import options
from steeple.cli.console import console, emit_json, errors, shown_progress, sure

__all__ = ["recognize"]


def recognize(
    collection: options.CollectionArgument,
    photos: Annotated[
        list[Path], typer.Argument(metavar="PHOTO...", help="Photos, or folders of photos.")
    ],
    workers: options.Workers = None,
    json: options.Json = False,
) -> None:
    """Name the landmark that each photo shows, or say that it shows no known one."""
    from steeple.collection import Collection

    with Collection.open(collection) as places, shown_progress() as progress:
        answers, failed = places.recognize(photos, workers=workers, progress=progress)
    if json:
        emit_json(
            {
                "answers": [
                    {"photo": str(path), "landmark": a.landmark, "confidence": a.confidence}
                    for path, a in answers
                ],
                "failed": [{"photo": str(path), "reason": reason} for path, reason in failed],
            }
        )
    else:
        table = Table(box=None, pad_edge=False, header_style="dim")
        table.add_column("photo", overflow="fold")
        table.add_column("landmark", overflow="fold")
        table.add_column("", justify="right")
        for path, answer in answers:
            known = answer.landmark is not None
            name = answer.landmark if known else "[dim]no known landmark[/]"
            table.add_row(str(path), name, sure(answer.confidence) if known else "")
        console.print(table)
        for path, reason in failed:
            text = reason if str(path) in reason else f"{path}: {reason}"
            errors.print(text, style="yellow", markup=False, soft_wrap=True)
    if not answers:
        raise typer.Exit(1)
