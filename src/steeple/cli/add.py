"""steeple add: more photos, or labels, into a collection."""

from __future__ import annotations

import typer

from steeple.cli import options
from steeple.cli.adding import report_json, show_report
from steeple.cli.console import emit_json, shown_progress
from steeple.cli.index import IndexMemory, wanted_memory

__all__ = ["add"]


def add(
    collection: options.CollectionArgument,
    photos: options.Source,
    landmarks: options.Landmarks = None,
    skip_missing: options.SkipMissing = False,
    prefix: options.Prefix = "",
    memory: IndexMemory = None,
    workers: options.Workers = None,
    json: options.Json = False,
) -> None:
    """Add photos to a collection, or labels to photos it has.

    What is there already stays as it is; exit code 1 says that there was nothing new.
    """
    from steeple.collection import Collection

    bytes_ = wanted_memory(memory)
    with Collection.open(collection) as places:
        with shown_progress() as progress:
            report = places.add(
                photos,
                landmarks,
                skip_missing=skip_missing,
                prefix=prefix,
                memory=bytes_,
                workers=workers,
                progress=progress,
            )
        if json:
            emit_json(report_json(places, report))
        else:
            show_report(places, report)
    if not report.changed:
        raise typer.Exit(1)
