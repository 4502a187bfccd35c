"""Arguments and options that several verbs share."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from steeple.errors import InputError

__all__ = [
    "CollectionArgument",
    "Dimension",
    "Embedder",
    "FeaturesPerPhoto",
    "Html",
    "Json",
    "Landmarks",
    "LocalFeatures",
    "Memory",
    "NoLocalFeatures",
    "Open",
    "Prefix",
    "Rerank",
    "Seed",
    "SkipMissing",
    "Source",
    "Whiten",
    "Whitening",
    "Workers",
    "chosen_embedder",
    "chosen_local_features",
    "parse_memory",
]

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_BINARY = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_LEAST = 1 << 20  # bytes; with less, a search would go row by row


def parse_memory(size: str) -> int:
    """Reads an amount of memory as people write it.

    Args:
        size: a number and a unit: KB, MB, GB, TB (thousands), KiB, MiB, GiB, TiB (1024s), or B or
            nothing for bytes; in any case, "4G" for "4GB".

    Returns:
        Bytes.

    Raises:
        InputError: if it is no such amount, or less than 1 MiB.
    """
    read = re.fullmatch(
        r"\s*(\d{1,15}(?:\.\d{1,15})?)\s*([KMGT]?)(I?)B?\s*", size.upper(), re.ASCII
    )
    if read is None or (read[3] and not read[2]):
        raise InputError(f"{size!r} is no amount of memory; write 512MB, 4GB or 4GiB")
    number = int(float(read[1]) * (_BINARY if read[3] else _UNITS)[read[2]])
    if number < _LEAST:
        raise InputError(f"{size!r} is too little memory to work with; give 1MiB or more")
    return number


def _parse_memory(size: str | int) -> int:
    if isinstance(size, int):  # the default of a verb
        return size
    try:
        return parse_memory(size)
    except InputError as error:  # of a ValueError, only the value would be told
        raise typer.BadParameter(str(error)) from error


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
    str,
    typer.Option(
        "--embedder",
        help="What describes the photos: sift-vlad, small, a model's folder, a network of timm "
        "(resnet101), or several joined by + (sift-vlad+small:weight=0.5).",
    ),
]


class Whitening(StrEnum):
    """What is done to descriptors beside leaving out directions."""

    NONE = "none"
    PCA = "pca"
    SUPERVISED = "supervised"


Dimension = Annotated[
    int | None,
    typer.Option(
        "--dim",
        metavar="N",
        min=1,
        help="Reduce descriptors to this many numbers, by PCA of these photos.",
    ),
]
Whiten = Annotated[
    Whitening,
    typer.Option(
        "--whiten",
        help="Whiten descriptors: by PCA of these photos, or supervised, by those of them that "
        "show the same landmark.",
    ),
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
Memory = Annotated[
    int,
    typer.Option(
        "--memory",
        metavar="SIZE",
        parser=_parse_memory,
        show_default=False,
        help="Work space beside what is read and written, such as 512MB or 4GB.",
    ),
]
Rerank = Annotated[
    str,
    typer.Option(
        "--rerank",
        metavar="NAME,...",
        help="default, knn, aqe, label-aqe, dba, egt, diffusion, label-diffusion, sort, two-stage, "
        "spatial, inliers, gated or fusion. Parameters follow by colons (aqe:alpha=0:n=5), further "
        "re-rankers by commas (aqe,two-stage:threshold=0.5).",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]
Html = Annotated[
    Path | None, typer.Option("--html", help="Write a page with the photos to this file.")
]
Open = Annotated[bool, typer.Option("--open", help="Show the page in the browser.")]


def chosen_embedder(text: str, dimension: int | None, whiten: Whitening) -> str:
    """What ``--embedder``, ``--dim`` and ``--whiten`` mean together, as one text.

    Raises:
        InputError: if the text says already how descriptors are reduced.
    """
    if dimension is None and whiten is Whitening.NONE:
        return text
    from steeple.embedding.notation import with_reduction

    return with_reduction(text, dimension, whiten.value)


def chosen_local_features(kind: str | None, none: bool) -> str | None:
    """What ``--local-features`` and ``--no-local-features`` mean together.

    Raises:
        InputError: if both are given.
    """
    if none and kind is not None:
        raise InputError("--local-features and --no-local-features exclude each other; give one")
    return None if none else kind or "sift"
