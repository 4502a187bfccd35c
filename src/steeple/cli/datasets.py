"""steeple datasets: which public data sets there are, how they get here, and one that is drawn."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from steeple.cli import options
from steeple.cli.console import (
    command,
    console,
    emit_json,
    errors,
    show_table,
    shown_progress,
    size_text,
)
from steeple.datasets import fetching
from steeple.datasets.fetching.catalogue import read_numbers
from steeple.errors import InputError

__all__ = ["datasets"]

datasets = typer.Typer()


@datasets.callback()
def _group() -> None:
    """List public data sets, download them, or render one."""


@datasets.command("list")
def list_(json: options.Json = False) -> None:
    """List the data sets: their parts, sizes and licences, and where they come from.

    Sizes are those that the publishers name; before a download the servers are asked.
    """
    if json:
        emit_json({"datasets": [_described(dataset) for dataset in fetching.DATASETS]})
        return
    for number, dataset in enumerate(fetching.DATASETS):
        if number:
            console.print()
        console.print(f"{dataset.name}: {dataset.title}", style="bold")
        console.print(f"from {dataset.page}")
        show_table(_parts_table(dataset.parts))


@datasets.command("download")
def download(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A data set that the list names.")],
    out: Annotated[Path, typer.Option("--out", help="The folder it goes into.")],
    split: Annotated[
        str | None,
        typer.Option("--split", help="Parts of it, joined by commas; all if not given."),
    ] = None,
    archives: Annotated[
        str | None,
        typer.Option("--archives", help="Numbers of archives, as in 0-9,12; all if not given."),
    ] = None,
    connections: Annotated[
        int, typer.Option("--connections", min=1, max=32, help="Files at once.")
    ] = 4,
    mirror: Annotated[
        str | None,
        typer.Option("--mirror", help="A URL that the files lie under by the same names."),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Agree to licence and size without being asked.")
    ] = False,
    keep_archives: Annotated[
        bool, typer.Option("--keep-archives", help="Keep the archives once they are unpacked.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Download a data set, or a part of it, and unpack it.

    Licence and size are shown first. An interruption keeps what came: the same command goes on.
    Exit code 1 says that everything was there already, that a file is not what was published, or
    that licence and size were not agreed to.
    """
    dataset = fetching.find(name)
    # Nothing between commas is the name of no part, and refused as such: it never means everything.
    words = [] if split is None else [word.strip() for word in split.split(",")]
    numbers = None if archives is None else read_numbers(archives)
    parts = fetching.choose(dataset, words, numbers)
    wanted = fetching.Options(connections, mirror, keep_archives)
    with shown_progress() as progress:
        plan = fetching.plan(dataset, parts, out, wanted, progress=progress)
    if plan.files:
        _agree(plan, yes)
    with shown_progress() as progress:
        done = fetching.download(plan, progress=progress)
    if json:
        emit_json({"dataset": name, "out": str(out), **asdict(done)})
    else:
        console.print(
            f"{out}: {done.files:,} files came ({size_text(done.bytes)}), {done.photos:,} photos "
            f"unpacked; {done.there:,} files were there"
        )
    if not done.files:
        raise typer.Exit(1)


@datasets.command("toy")
def toy(
    out: Annotated[Path, typer.Option("--out", help="The folder it goes into, new or empty.")],
    photos: Annotated[
        int, typer.Option("--photos", min=4, help="How many photos to render.")
    ] = 600,
    landmarks: Annotated[
        int | None,
        typer.Option(
            "--landmarks", min=1, help="How many landmarks; one per 18 photos if not given."
        ),
    ] = None,
    size: Annotated[
        int, typer.Option("--size", min=64, help="Longer side of the photos, in pixels.")
    ] = 480,
    training_only: Annotated[
        bool,
        typer.Option(
            "--training-only",
            help="Every photo shows a landmark and is for training: for networks to learn from.",
        ),
    ] = False,
    seed: options.Seed = 0,
    workers: options.Workers = None,
    json: options.Json = False,
) -> None:
    """Render a toy city in the layout of GLD-v2: photos, labels and solutions.

    The same seed renders the same city; another seed, other landmarks.
    """
    from steeple.demo import build_city

    with shown_progress() as progress:
        city = build_city(
            out,
            photos=photos,
            landmarks=landmarks,
            seed=seed,
            size=size,
            training_only=training_only,
            workers=workers,
            progress=lambda done, total: progress("render", done, total),
        )
    if json:
        emit_json({**asdict(city), "root": str(city.root)})
        return
    console.print(
        f"{out}: {city.photos:,} photos of {city.landmarks:,} landmarks: {city.train:,} for "
        f"training, {city.index:,} in the index, {city.test:,} queries"
    )
    further = ("train", out, "--out", "MODEL") if training_only else ("evaluate", out)
    console.print("try:", command(*further))


def _agree(plan: fetching.Plan, yes: bool) -> None:
    """Shows licence and size; goes on only with a yes.

    Raises:
        InputError: nobody can be asked.
        Exit: the answer is no.
    """
    errors.print(f"{plan.dataset.title}, from {plan.options.mirror or plan.dataset.page}")
    for part in plan.parts:
        errors.print(f"licence of {part.name}: {part.licence}")
    size = size_text(plan.missing)
    about = "about " if plan.rough else ""
    unknown = f", and {plan.unknown:,} of unknown size" if plan.unknown else ""
    there = f"; {plan.there:,} are there" if plan.there else ""
    errors.print(f"to download: {len(plan.files):,} files, {about}{size}{unknown}{there}")
    least = "at least " if plan.unknown else ""
    errors.print(f"disk needed: {least}{about}{size_text(plan.space)} in {plan.out}")
    if yes:
        return
    if not (sys.stdin.isatty() and errors.is_terminal):
        raise InputError("nobody is there to agree to licence and size; say --yes")
    if not typer.confirm("Download it?", err=True):
        raise typer.Exit(1)


def _described(dataset: fetching.Dataset) -> dict[str, Any]:
    return {
        "name": dataset.name,
        "title": dataset.title,
        "page": dataset.page,
        "parts": [
            {
                "name": part.name,
                "photos": part.photos,
                "files": len(part.files),
                "bytes": part.size,
                "licence": part.licence,
                "servers": sorted({file.base for file in part.files}),
            }
            for part in dataset.parts
        ],
        "command": command("datasets", "download", dataset.name, "--out", dataset.name),
    }


def _parts_table(parts: tuple[fetching.Part, ...]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("split")
    for heading in ("photos", "files", "download"):
        table.add_column(heading, justify="right")
    table.add_column("licence", overflow="fold")
    for part in parts:
        photos = "unknown" if part.photos is None else f"{part.photos:,}"
        size = "unknown" if part.size is None else f"about {size_text(part.size)}"
        table.add_row(part.name, photos, f"{len(part.files):,}", size, part.licence)
    return table
