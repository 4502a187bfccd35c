"""steeple evaluate: figures by the published protocols."""

from __future__ import annotations

import tempfile
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from steeple.cli import options
from steeple.cli.console import console, emit_json, show_table, shown_progress

if TYPE_CHECKING:
    from steeple.evaluation import Evaluation

__all__ = ["evaluate", "show_evaluation"]


class Dataset(StrEnum):
    """The layouts that can be evaluated."""

    GLDV2 = "gldv2"


def evaluate(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The data set: photos, labels and solutions.")
    ],
    dataset: Annotated[
        Dataset, typer.Option("--dataset", help="The layout of the folder.")
    ] = Dataset.GLDV2,
    methods: Annotated[
        str | None,
        typer.Option(
            "--methods",
            help="What to compare, by commas; + makes chains: spatial+two-stage. If not given: "
            "knn, aqe, sort, two-stage, default, and spatial where there are local features.",
        ),
    ] = None,
    collection: Annotated[
        Path | None,
        typer.Option("--collection", help="Keep the collection here, or use the one that is."),
    ] = None,
    embedder: options.Embedder = "sift-vlad",
    local_features: options.LocalFeatures = None,
    no_local_features: options.NoLocalFeatures = False,
    seed: options.Seed = 0,
    workers: options.Workers = None,
    html: options.Html = None,
    json: options.Json = False,
) -> None:
    """Compare the re-rankers on a data set: mAP@100 and GAP, in percent."""
    from steeple.evaluation import evaluate_gldv2
    from steeple.report import write_evaluation_report
    from steeple.report.comparison import evaluation_report

    with tempfile.TemporaryDirectory(prefix="steeple-") as scratch, shown_progress() as progress:
        evaluation, run = evaluate_gldv2(
            folder,
            collection or Path(scratch, "places"),
            methods=None if methods is None else [name.strip() for name in methods.split(",")],
            embedder=embedder,
            local_features=options.chosen_local_features(local_features, no_local_features),
            seed=seed,
            workers=workers,
            progress=progress,
        )
    if html:
        report = evaluation_report(
            evaluation, run, title=f"Evaluation of {folder.name}", subtitle=f"{dataset}, {embedder}"
        )
        write_evaluation_report(report, html)
    if json:
        emit_json(evaluation.to_dict())
    else:
        show_evaluation(evaluation)


def show_evaluation(evaluation: Evaluation) -> None:
    """Prints the figures as tables."""
    sizes = evaluation.sizes
    console.print(
        f"{sizes['training']:,} training photos, {sizes['index']:,} index photos, "
        f"{sizes['queries']:,} queries, {sizes['scored']:,} of them scored for retrieval"
    )
    show_table(_table("mAP@100", evaluation.retrieval, ("public", "private", "all")))
    show_table(_table("GAP", evaluation.recognition, ("public", "private", "gap")))
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("stage")
    table.add_column("seconds", justify="right")
    for stage, seconds in evaluation.seconds.items():
        table.add_row(stage, f"{seconds:.2f}")
    show_table(table)
    for photo, reason in evaluation.failed:
        text = reason if photo in reason else f"{photo}: {reason}"
        console.print(text, style="yellow")


def _table(
    title: str, scores: dict[str, dict[str, float | None]], columns: tuple[str, ...]
) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column(Text(title, style="bold"))
    best = {}
    for column in columns:
        table.add_column("all" if column == "gap" else column, justify="right")
        best[column] = max((of[column] or 0 for of in scores.values()), default=0)
    for method, of in scores.items():
        cells = []
        for column in columns:
            value = of[column]
            text = "" if value is None else f"{value:.2f}"
            cells.append(Text(text, "bold green" if value and value == best[column] else ""))
        table.add_row(method, *cells)
    return table
