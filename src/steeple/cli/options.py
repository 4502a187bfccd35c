"""Arguments and options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from steeple.errors import InputError

__all__ = [
    "CollectionArgument",
    "Embedder",
    "FeaturesPerPhoto",
    "Html",
    "Json",
    "Landmarks",
    "LocalFeatures",
    "NoLocalFeatures",
    "Open",
    "Prefix",
    "Rerank",
    "Seed",
    "SkipMissing",
    "Source",
    "Workers",
    "chosen_local_features",
]

CollectionArgument = Annotated[
    Path, typer.Argument(metavar="COLLECTION", help="The folder of a collection.")
]
Source = Annotated[
    Path,
    typer.Argument(
        metavar="PHOTOS",
        help="A folder of photos (one subfolder per landmark, flat, or GLD-v2), or one photo.",
    ),
]
Landmarks = Annotated[
    Path | None,
    typer.Option(
        "--landmarks", help="A CSV of id,landmark or path,landmark; instead of subfolder names."
    ),
]
SkipMissing = Annotated[
    bool,
    typer.Option("--skip-missing", help="Leave out labels of photos that are not there."),
]
Prefix = Annotated[
    str, typer.Option("--prefix", help="Put before every id, to tell two sources apart.")
]
Embedder = Annotated[
    str, typer.Option("--embedder", help="What describes the photos of the collection.")
]
LocalFeatures = Annotated[
    str | None,
    typer.Option(
        "--local-features",
        metavar="KIND",
        help="What finds local features: sift (if not given), disk, aliked, or a model's folder.",
    ),
]
NoLocalFeatures = Annotated[
    bool,
    typer.Option("--no-local-features", help="Keep none: less disk, but nothing can be verified."),
]
FeaturesPerPhoto = Annotated[
    int,
    typer.Option(
        "--features-per-photo", min=1, max=1000, help="Local features kept, the strongest."
    ),
]
Seed = Annotated[int, typer.Option("--seed", help="Of everything that is learned or drawn.")]
Workers = Annotated[
    int | None,
    typer.Option("--workers", min=1, help="Processes; one per core if not given."),
]
Rerank = Annotated[
    str,
    typer.Option(
        "--rerank",
        help="default, knn, aqe, sort, two-stage, spatial, inliers, gated or fusion; several are "
        "joined by commas.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]
Html = Annotated[
    Path | None, typer.Option("--html", help="Write a page with the photos to this file.")
]
Open = Annotated[bool, typer.Option("--open", help="Show the page in the browser.")]


def chosen_local_features(kind: str | None, none: bool) -> str | None:
    """What ``--local-features`` and ``--no-local-features`` mean together.

    Raises:
        InputError: if both are given.
    """
    if none and kind is not None:
        raise InputError("--local-features and --no-local-features exclude each other; give one")
    return None if none else kind or "sift"
