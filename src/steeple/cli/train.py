"""steeple train: a network that tells landmarks apart, learned from photos."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from steeple.cli import options
from steeple.cli.console import (
    command,
    console,
    emit_json,
    errors,
    show_left_out,
    show_table,
    shown_progress,
)

if TYPE_CHECKING:
    from steeple.training.run import TrainReport

__all__ = ["train"]

Out = Annotated[Path, typer.Option("--out", help="The folder of the new model.")]
Config = Annotated[
    Path | None, typer.Option("--config", help="A TOML file of settings; options go before it.")
]
From = Annotated[
    Path | None,
    typer.Option("--from", metavar="MODEL", help="The folder of a model to begin with."),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the newest checkpoint.")]
Clean = Annotated[
    str | None,
    typer.Option(
        "--clean",
        help="use or ignore the train_clean.csv of a GLD-v2 folder, or a CSV of steeple clean.",
    ),
]
Validation = Annotated[
    Path | None,
    typer.Option(
        "--validation",
        help="Photos to measure mAP@100 on: a GLD-v2 folder with a solution, or labelled ones.",
    ),
]
Epochs = Annotated[
    int | None, typer.Option("--epochs", min=1, help="How often every photo is learned from.")
]
Side = Annotated[
    int | None, typer.Option("--side", min=32, help="Long side of the photos, in pixels.")
]
Seed = Annotated[int | None, typer.Option("--seed", min=0, help="Of everything that is drawn.")]
Workers = Annotated[
    int | None,
    typer.Option("--workers", min=1, help="Processes that read photos; 1 is this one alone."),
]
TensorBoard = Annotated[
    bool, typer.Option("--tensorboard", help="Write event files for TensorBoard, too.")
]


def train(
    photos: options.Source,
    out: Out,
    config: Config = None,
    start_from: From = None,
    resume: Resume = False,
    landmarks: options.Landmarks = None,
    skip_missing: options.SkipMissing = False,
    clean: Clean = None,
    validation: Validation = None,
    epochs: Epochs = None,
    side: Side = None,
    seed: Seed = None,
    workers: Workers = None,
    tensorboard: TensorBoard = False,
    json: options.Json = False,
) -> None:
    """Train a network that describes photos.

    Ctrl-C saves a checkpoint; go on with the same command and --resume. Needs the extra torch.
    """
    # Threads that wait for each other are to sleep: spinning, they take the cores from who could
    # work, and beside other processes a step took five times as long (on two cores). OpenMP looks
    # at it when PyTorch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    from steeple.training.folder import run_folder, stored_settings
    from steeple.training.run import train as run
    from steeple.training.settings import Settings

    # Whoever goes on need not say again what the training began with.
    known = stored_settings(run_folder(out)) if resume and config is None else Settings.read(config)
    settings = known.merged(epochs=epochs, side=side, seed=seed, clean=clean)
    try:
        with shown_progress() as progress:
            report = run(
                photos,
                out,
                settings,
                landmarks=landmarks,
                skip_missing=skip_missing,
                resume=resume,
                start_from=start_from,
                validation=validation,
                tensorboard=tensorboard,
                workers=workers,
                progress=progress,
            )
    except KeyboardInterrupt as stop:
        if str(stop) and _speaks():
            errors.print(str(stop))
            _write_page(run_folder(out))
        raise
    if _speaks():
        _tell(report, _write_page(report.run), json)


def _speaks() -> bool:
    """Whether this is the first of several processes, or the only one."""
    return os.environ.get("RANK", "0") == "0"


def _write_page(run: Path) -> Path:
    from steeple.report.training import training_page

    return training_page(run)


def _tell(report: TrainReport, page: Path, json: bool) -> None:
    if json:
        values: dict[str, Any] = asdict(report) | {"page": page}
        emit_json({name: str(v) if isinstance(v, Path) else v for name, v in values.items()})
        return
    table = Table(title=str(report.model), title_justify="left", show_header=False)
    for name, value in _facts(report).items():
        table.add_row(name, value)
    table.add_row("report", str(page))
    show_table(table)
    few, theirs = report.without
    if few:
        console.print(f"{few:,} landmarks with too few photos ({theirs:,}) were left out")
    show_left_out(report.failed)
    console.print(
        "try:", command("build", "PHOTOS", "--out", "COLLECTION", "--embedder", report.model)
    )


def _facts(report: TrainReport) -> dict[str, str]:
    facts = {
        "photos": f"{report.photos:,}",
        "landmarks": f"{report.landmarks:,}",
        "epochs": f"{report.epochs:,}",
        "steps": f"{report.steps:,}",
        "seconds": f"{report.seconds:,.0f}",
    }
    if report.loss is not None:
        facts["loss, last epoch"] = f"{report.loss:.3f}"
    for epoch, value in report.validations[-1:]:
        facts[f"mAP@100, epoch {epoch}"] = f"{100 * value:.1f}"
    return facts
