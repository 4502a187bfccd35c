"""steeple embed: photos into arrays of descriptors."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steeple.arrays.files.writing import Format
from steeple.cli import options
from steeple.cli.console import command, console, emit_json, show_left_out, shown_progress
from steeple.errors import InputError

if TYPE_CHECKING:
    from steeple.arrays import EmbedReport, Output
    from steeple.embedding.base import Embedder

__all__ = ["embed"]


class Number(StrEnum):
    """The types of numbers that are written."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"


Out = Annotated[Path, typer.Option("--out", help="The folder that the arrays go into.")]
Kept = Annotated[
    Path | None,
    typer.Option("--collection", help="Describe them as this collection describes its photos."),
]
EmbedderOption = Annotated[
    str | None,
    typer.Option(
        "--embedder",
        help="What describes them: sift-vlad (if not given), which learns from these photos, a "
        "model, several joined by +, or the folder 'embedder' of an earlier run, so that more "
        "photos are described alike.",
    ),
]
FormatOption = Annotated[Format, typer.Option("--format", help="Of the arrays.")]
NumberOption = Annotated[Number, typer.Option("--dtype", help="Of the numbers.")]


def embed(
    photos: options.Source,
    out: Out,
    collection: Kept = None,
    embedder: EmbedderOption = None,
    dimension: options.Dimension = None,
    whiten: options.Whiten = options.Whitening.NONE,
    form: FormatOption = Format.NPY,
    dtype: NumberOption = Number.FLOAT32,
    seed: options.Seed = 0,
    workers: options.Workers = None,
    json: options.Json = False,
) -> None:
    """Write descriptors of photos as arrays, for `steeple rerank` or programs of your own.

    A GLD-v2 folder gives training, index and queries, and the landmarks in training.csv; any other
    folder gives photos. Photos that cannot be read are left out and listed at the end.
    """
    from steeple.arrays import Output, embed_photos

    output = Output(out, form, dtype.value)
    with shown_progress() as progress:
        report = embed_photos(
            photos,
            output,
            _embedder(collection, embedder, dimension, whiten),
            seed=seed,
            workers=workers,
            progress=progress,
        )
    if json:
        emit_json({"out": str(out), **asdict(report)})
    else:
        _show(report, output)


def _embedder(
    collection: Path | None, name: str | None, dimension: int | None, whiten: options.Whitening
) -> Embedder:
    """What ``--collection``, ``--embedder``, ``--dim`` and ``--whiten`` mean together."""
    from steeple.arrays import find_embedder
    from steeple.collection import Collection

    if collection is None:
        return find_embedder(options.chosen_embedder(name or "sift-vlad", dimension, whiten))
    if name is not None:
        raise InputError("--collection and --embedder exclude each other; give one")
    if dimension is not None or whiten is not options.Whitening.NONE:
        raise InputError(
            "a collection describes photos in its own way; leave --dim and --whiten out, or build "
            "the collection with them"
        )
    with Collection.open(collection) as places:
        found = places.embedder
    if found.learned_from is None:
        raise InputError(f"{collection} has no photos yet, so its embedder has learned nothing")
    return found


def _show(report: EmbedReport, output: Output) -> None:
    for part, rows in report.parts.items():
        what = f"{rows:,} x {report.dimension}" if rows else "not written, for want of photos"
        console.print(f"{output.array(part)}: {what}")
    if report.learned_from is not None:
        console.print(
            f"{report.learned_from:,} photos were learned from; describe more photos alike with "
            f"--embedder {output.folder / 'embedder'}"
        )
    for note in report.notes:
        console.print(note, style="yellow")
    show_left_out(report.failed)
    if all(report.parts.get(part) for part in ("queries", "index", "training")):
        words = ["rerank"]
        for part in ("queries", "index", "training"):
            words += [f"--{part}", str(output.array(part))]
        words += ["--training-labels", str(output.folder / "training.csv")]
        console.print("try:", command(*words, "--out", "submission.csv"))
