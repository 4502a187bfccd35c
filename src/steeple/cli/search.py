"""steeple search: what shows the same as a photo."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from steeple.cli import options
from steeple.cli.console import console, emit_json, show_table, shown_progress, sure

if TYPE_CHECKING:
    from steeple.collection import Hits
    from steeple.collection.explaining import Explanation

__all__ = ["search"]

_EXPLAINED = 3  # hits explained; who wants to know more asks hits[n].explain()
_WHY_SIDE = 960  # pixels; the width of a picture in a page
_HOW = {"retrieved": "", "sorted": "cyan", "inserted": "magenta"}  # origin -> colour


def search(
    collection: options.CollectionArgument,
    photo: Annotated[Path, typer.Argument(metavar="PHOTO", help="The photo to search for.")],
    k: Annotated[int, typer.Option("-k", min=1, help="How many images to find.")] = 20,
    rerank: options.Rerank = "default",
    exact: Annotated[
        bool, typer.Option("--exact", help="Search exactly, even with an approximate index.")
    ] = False,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="Say why the first three were found; a page shows what matches in both photos.",
        ),
    ] = False,
    html: options.Html = None,
    open_: options.Open = False,
    json: options.Json = False,
) -> None:
    """Find the images that show what a photo shows, and name it."""
    from steeple.collection import Collection

    with Collection.open(collection) as places:
        with shown_progress() as progress:
            hits = places.search(photo, k, rerank=rerank, exact=exact, progress=progress)
        reasons = [hit.explain() for hit in hits[:_EXPLAINED]] if explain else []
    if json:
        emit_json({"query": str(photo), **_as_dict(hits, reasons)})
    else:
        _show(photo, hits, reasons)
        _show_reasons(reasons, pictures=bool(html or open_))
    if html or open_:
        page = html or Path(tempfile.mkdtemp(prefix="steeple-")) / "search.html"
        _write_page(photo, hits, reasons, page)
        if not json:
            console.print(f"page: {page}")
        if open_:
            typer.launch(str(page.absolute()))
    if not len(hits):
        raise typer.Exit(1)


def _as_dict(hits: Hits, reasons: Sequence[Explanation]) -> dict[str, Any]:
    said = hits.to_dict()
    for hit, reason in zip(said["hits"], reasons, strict=False):
        hit["explanation"] = reason.to_dict()
    return said


def _inliers(hits: Hits, reasons: Sequence[Explanation]) -> list[int | None]:
    """Of each hit: what the search found, or else what the explanation did."""
    found = [hit.inliers for hit in hits]
    for place, reason in enumerate(reasons):
        found[place] = reason.inliers if found[place] is None else found[place]
    return found


def _show(photo: Path, hits: Hits, reasons: Sequence[Explanation]) -> None:
    answer = Text("no known landmark")
    if hits.landmark is not None:
        answer = Text.assemble((hits.landmark, "bold green"), f", {sure(hits.confidence)}")
    console.print(Text.assemble((photo.name, "bold"), ": ", answer))
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name, justify in (("", "right"), ("image", "left"), ("similarity", "right")):
        table.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]
    table.add_column("landmark", overflow="fold")
    inliers = _inliers(hits, reasons)
    verified = bool(reasons) and any(number is not None for number in inliers)
    if verified:
        table.add_column("inliers", justify="right")
    table.add_column("how")
    for place, hit in enumerate(hits, start=1):
        landmark = Text("unknown", "dim") if hit.landmark is None else Text(hit.landmark)
        if hit.landmark is not None and hit.probability < 1:
            landmark.append(f" ({sure(hit.probability)})", "dim")
        how = Text("" if hit.origin == "retrieved" else hit.origin, _HOW[hit.origin])
        number = inliers[place - 1]
        counted = [str("" if number is None else number)] if verified else []
        table.add_row(str(place), hit.id, f"{hit.score:.3f}", landmark, *counted, how)
    show_table(table)


def _show_reasons(reasons: Sequence[Explanation], *, pictures: bool) -> None:
    for place, reason in enumerate(reasons, start=1):
        console.print(Text.assemble("\n", (f"{place} {reason.id}", "bold")))
        for sentence in reason.sentences():
            console.print(f"  {sentence}")
    if reasons and not pictures:
        console.print("\nto see what matches, add --open, or --html PAGE", style="dim")


def _write_page(photo: Path, hits: Hits, reasons: Sequence[Explanation], page: Path) -> None:
    from steeple.report import Tile, show_matches, write_contact_sheet

    known = hits.landmark is not None
    inliers = _inliers(hits, reasons)
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
            inliers=inliers[place],
            why=show_matches(reasons[place], side=_WHY_SIDE) if place < len(reasons) else None,
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
