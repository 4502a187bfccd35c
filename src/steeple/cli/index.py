"""steeple index: the approximate index of a collection, built now."""

from __future__ import annotations

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
    show_table,
    shown_progress,
    size_text,
)

if TYPE_CHECKING:
    from steeple.collection.approximate import About
    from steeple.collection.quality import SearchQuality

__all__ = ["IndexMemory", "index", "quality_rows", "show_whether_it_pays", "wanted_memory"]

IndexMemory = Annotated[
    str | None,
    typer.Option(
        "--memory",
        metavar="SIZE",
        show_default=False,
        help="What the approximate index may take, which auto keeps to: 4GB, unless this or an "
        "earlier command says otherwise.",
    ),
]


def wanted_memory(size: str | None) -> int | None:
    """The bytes that ``--memory`` says; None if it is not given.

    Raises:
        InputError: if it is no amount of memory.
    """
    return None if size is None else options.parse_memory(size)


def index(
    collection: options.CollectionArgument,
    kind: Annotated[
        str | None,
        typer.Option(
            "--kind",
            help="auto (by the number of images), flat (exact search, no index), both in any case, "
            "or the name of a FAISS factory, such as HNSW32 or IVF4096,SQ8. If not given, what it "
            "was before.",
        ),
    ] = None,
    memory: IndexMemory = None,
    json: options.Json = False,
) -> None:
    """Build the approximate index of a collection now, and measure it.

    Large collections get one by themselves; this is to choose its kind, or to bring it up to date
    before a fifth of the images has changed. A training set of thousands of images gets one of its
    own beside it, of a kind that suits it, unless these are the same images.
    """
    from steeple.collection import Collection

    bytes_ = wanted_memory(memory)
    with Collection.open(collection) as places:
        with shown_progress() as progress:
            about = places.build_index(kind, memory=bytes_, progress=progress)
            progress("measure", 0, None)
            quality = places.measure_search()
        if json:
            emit_json(_as_dict(about, quality))
            return
        table = Table(box=None, pad_edge=False, show_header=False)
        for name, value in [*_about_rows(about), *quality_rows(quality)]:
            table.add_row(name, value)
        show_table(table)
        if about is None:
            console.print(f"{collection} is searched exactly; there is no approximate index")
        else:
            show_whether_it_pays(collection, quality)


def _as_dict(about: About | None, quality: SearchQuality) -> dict[str, Any]:
    built = {"kind": "flat", "seconds": 0.0, "bytes": 0}
    if about is not None:
        built = {"kind": about.kind, "seconds": about.seconds, "bytes": about.bytes}
    return built | asdict(quality)


def _about_rows(about: About | None) -> list[tuple[str, str]]:
    if about is None:
        return []
    return [
        ("kind", about.factory),
        ("images", f"{about.images:,}"),
        ("built in", f"{about.seconds:,.1f} s"),
        ("size", f"{size_text(about.bytes)}, {about.bytes / about.images:,.0f} bytes an image"),
    ]


def quality_rows(quality: SearchQuality) -> list[tuple[str, str]]:
    """What was measured of a search, as rows of a table."""
    from steeple.retrieval.approximate.presets import FLAT

    return [
        (f"recall@{quality.length}", f"{quality.recall:.4f}"),
        ("finding neighbours", _compared(quality.milliseconds, quality.exact_milliseconds)),
        ("times faster", f"{quality.times_faster:,.1f}"),
        ("a whole search", _compared(quality.whole_milliseconds, quality.exact_whole_milliseconds)),
        ("times faster", f"{quality.whole_times_faster:,.1f}"),
        ("voters found by", "exact search" if quality.voters == FLAT else quality.voters),
        ("measured on", f"{quality.queries:,} {quality.origin}"),
    ]


def _compared(ours: float, exact: float) -> str:
    return f"{ours:,.2f} ms, exactly {exact:,.2f} ms"


def show_whether_it_pays(collection: Path, quality: SearchQuality) -> None:
    """Says so if an approximate index gains no time over exact search, which finds everything."""
    if quality.times_faster < 1:
        exact = command("index", collection, "--kind", "flat")
        console.print("it is slower than exact search, which finds everything:", exact)
