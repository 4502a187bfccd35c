"""steeple delf: a model of local features, learned from photos."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from steeple.cli import options
from steeple.cli.console import console, emit_json, shown_progress

__all__ = ["delf"]


def delf(
    photos: options.Source,
    out: Annotated[Path, typer.Option("--out", help="The folder of the new model.")],
    landmarks: options.Landmarks = None,
    skip_missing: options.SkipMissing = False,
    backbone: Annotated[
        str, typer.Option("--backbone", help="The network, by timm's name.")
    ] = "resnet50",
    weights: Annotated[
        str,
        typer.Option("--weights", help="imagenet (downloaded once), random, or a file of weights."),
    ] = "imagenet",
    attention: Annotated[
        bool,
        typer.Option(
            "--attention/--no-attention",
            help="Learn from the landmarks what counts, or take strong answers of the network.",
        ),
    ] = True,
    epochs: Annotated[
        int, typer.Option("--epochs", min=1, help="How often attention sees every photo.")
    ] = 10,
    most: Annotated[
        int, typer.Option("--photos", min=1, help="Photos learned from at most, drawn at random.")
    ] = 2000,
    seed: options.Seed = 0,
    json: options.Json = False,
) -> None:
    """Learn attentive local features (DELF) from photos.

    The model can then be named where local features are chosen. Needs the extra torch.
    """
    from steeple.collection.sources import read_source
    from steeple.geometry.delf.learning import Recipe, learn_delf
    from steeple.geometry.delf.training import Lesson

    source = read_source(photos, landmarks, skip_missing=skip_missing)
    recipe = Recipe(backbone, weights, attention, most, lesson=Lesson(epochs))
    with shown_progress() as progress:
        report = learn_delf(
            ((photo.path, photo.landmark) for photo in source),
            out,
            recipe,
            seed=seed,
            progress=progress,
        )
    if json:
        emit_json({"model": str(out), **asdict(report)})
        return
    console.print(f"{out}: learned from {report.photos:,} photos, {report.features:,} features")
    if report.losses:
        console.print(
            f"attention tells {report.landmarks:,} landmarks apart; "
            f"loss {report.losses[0]:.3f} in the first epoch, {report.losses[-1]:.3f} in the last"
        )
    for photo, reason in report.failed:
        console.print(f"left out: {reason if photo in reason else f'{photo}: {reason}'}")
