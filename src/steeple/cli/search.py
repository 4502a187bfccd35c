"""steeple search: what shows the same as a photo."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from steeple.cli import options
from steeple.cli.console import console, emit_json, show_table, sure

if TYPE_CHECKING:
    from steeple.collection import Hits

__all__ = ["search"]

_HOW = {"retrieved": "", "sorted": "cyan", "inserted": "magenta"}  # origin -> colour


def search(
    collection: options.CollectionArgument,
    photo: Annotated[Path, typer.Argument(metavar="PHOTO", help="The photo to search for.")],
    k: Annotated[int, typer.Option("-k", min=1, help="How many images to find.")] = 20,
    rerank: options.Rerank = "default",
    html: options.Html = None,
    open_: options.Open = False,
    json: options.Json = False,
) -> None:
    """Find the images that show what a photo shows, and name it."""
    from steeple.collection import Collection

    with Collection.open(collection) as places:
        hits = places.search(photo, k, rerank=rerank)
    if json:
        emit_json({"query": str(photo), **hits.to_dict()})
    else:
        _show(photo, hits)
    if html or open_:
        page = html or Path(tempfile.mkdtemp(prefix="steeple-")) / "search.html"
        _write_page(photo, hits, page)
        if not json:
            console.print(f"page: {page}")
        if open_:
            typer.launch(str(page.absolute()))
    if not len(hits):
        raise typer.Exit(1)


def _show(photo: Path, hits: Hits) -> None:
    answer = Text("no known landmark")
    if hits.landmark is not None:
        answer = Text.assemble((hits.landmark, "bold green"), f", {sure(hits.confidence)}")
    console.print(Text.assemble((photo.name, "bold"), ": ", answer))
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name, justify in (("", "right"), ("image", "left"), ("similarity", "right")):
        table.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]
    table.add_column("landmark", overflow="fold")
    table.add_column("how")
    for place, hit in enumerate(hits, start=1):
        landmark = Text("unknown", "dim") if hit.landmark is None else Text(hit.landmark)
        if hit.landmark is not None and hit.probability < 1:
            landmark.append(f" ({sure(hit.probability)})", "dim")
        how = Text("" if hit.origin == "retrieved" else hit.origin, _HOW[hit.origin])
        table.add_row(str(place), hit.id, f"{hit.score:.3f}", landmark, how)
    show_table(table)


def _write_page(photo: Path, hits: Hits, page: Path) -> None:
    from steeple.report import Tile, write_contact_sheet

    known = hits.landmark is not None
    tiles = [
        Tile(
            photo=Path(hit.path),
            id=hit.id,
            score=hit.score,
            mark="unknown",
            origin=hit.origin,
            landmark=hit.landmark,
            probability=hit.probability if known and hit.landmark == hits.landmark else None,
            moved=None if hit.rank is None else hit.rank - place,
        )
        for place, hit in enumerate(hits)
    ]
    write_contact_sheet(
        photo,
        hits.landmark,
        hits.confidence if known else None,
        tiles,
        page,
        title="What shows the same",
    )
