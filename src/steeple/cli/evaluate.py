"""steeple evaluate: figures by the published protocols."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from steeple.cli import options
from steeple.cli.console import emit_json, shown_progress
from steeple.cli.figures import show_evaluation, show_revisited
from steeple.errors import InputError

__all__ = ["evaluate", "show_evaluation"]


class Dataset(StrEnum):
    """The layouts that can be evaluated."""

    GLDV2 = "gldv2"
    ROXFORD5K = "roxford5k"
    RPARIS6K = "rparis6k"


Methods = Annotated[
    str | None,
    typer.Option(
        "--methods",
        help="What to compare, by commas; + makes chains: spatial+two-stage; all is every "
        "re-ranker that can run. If not given: knn, aqe, default, spatial where there are "
        "local features, and sort and two-stage where there is a training set.",
    ),
]


def evaluate(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The data set: photos, labels and solutions.")
    ],
    dataset: Annotated[
        Dataset, typer.Option("--dataset", help="The layout of the folder.")
    ] = Dataset.GLDV2,
    methods: Methods = None,
    collection: Annotated[
        Path | None,
        typer.Option("--collection", help="Keep the collection here, or use the one that is."),
    ] = None,
    distractors: Annotated[
        Path | None,
        typer.Option(
            "--distractors",
            metavar="PHOTOS",
            help="A folder of photos that join the index of roxford5k or rparis6k.",
        ),
    ] = None,
    queries_cropped: Annotated[
        bool,
        typer.Option(
            "--queries-cropped/--no-queries-cropped",
            help="Crop the queries of roxford5k and rparis6k to their boxes.",
        ),
    ] = True,
    embedder: options.Embedder = "sift-vlad",
    dimension: options.Dimension = None,
    whiten: options.Whiten = options.Whitening.NONE,
    local_features: options.LocalFeatures = None,
    no_local_features: options.NoLocalFeatures = False,
    seed: options.Seed = 0,
    workers: options.Workers = None,
    html: options.Html = None,
    json: options.Json = False,
) -> None:
    """Compare the re-rankers on a data set, by its own rules, in percent."""
    asked: dict[str, Any] = {
        "methods": None if methods is None else [name.strip() for name in methods.split(",")],
        "embedder": options.chosen_embedder(embedder, dimension, whiten),
        "local_features": options.chosen_local_features(local_features, no_local_features),
        "seed": seed,
        "workers": workers,
    }
    if dataset is not Dataset.GLDV2:
        asked |= {"distractors": distractors, "cropped": queries_cropped}
        _evaluate_revisited(folder, dataset, collection, asked, html=html, json=json)
    elif distractors is not None or not queries_cropped:
        raise InputError(
            "--distractors and --no-queries-cropped are for roxford5k and rparis6k; "
            "leave them out, or name the data set with --dataset"
        )
    else:
        _evaluate_gldv2(folder, collection, asked, html=html, json=json)


def _evaluate_gldv2(
    folder: Path, collection: Path | None, asked: dict[str, Any], *, html: Path | None, json: bool
) -> None:
    from steeple.evaluation import evaluate_gldv2
    from steeple.report import write_evaluation_report
    from steeple.report.comparison import evaluation_report

    with _place(collection) as places, shown_progress() as progress:
        evaluation, run = evaluate_gldv2(folder, places, progress=progress, **asked)
    if html:
        report = evaluation_report(
            evaluation,
            run,
            title=f"Evaluation of {folder.name}",
            subtitle=f"{evaluation.dataset}, {asked['embedder']}",
        )
        write_evaluation_report(report, html)
    if json:
        emit_json(evaluation.to_dict())
    else:
        show_evaluation(evaluation)


def _evaluate_revisited(
    folder: Path,
    dataset: Dataset,
    collection: Path | None,
    asked: dict[str, Any],
    *,
    html: Path | None,
    json: bool,
) -> None:
    from steeple.evaluation import evaluate_revisited
    from steeple.report import write_evaluation_report
    from steeple.report.tables import revisited_report

    with _place(collection) as places, shown_progress() as progress:
        evaluation = evaluate_revisited(folder, str(dataset), places, progress=progress, **asked)
    if html:
        report = revisited_report(
            evaluation,
            title=f"Evaluation of {folder.name}",
            subtitle=f"{evaluation.dataset}, {asked['embedder']}",
        )
        write_evaluation_report(report, html)
    if json:
        emit_json(evaluation.to_dict())
    else:
        show_revisited(evaluation)


@contextmanager
def _place(collection: Path | None) -> Iterator[Path]:
    """Where the collection goes: where it was told to, or nowhere for long."""
    with tempfile.TemporaryDirectory(prefix="steeple-") as scratch:
        yield collection or Path(scratch, "places")
