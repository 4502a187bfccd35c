"""What `build` and `add` say when they are done."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.text import Text

from steeple.cli.console import console
from steeple.collection import AddReport, Collection

__all__ = ["report_json", "show_report"]

_LISTED = 10  # photos named of those left out; --json names all


def report_json(places: Collection, report: AddReport) -> dict[str, Any]:
    """The report as one JSON document."""
    return {"collection": str(places.folder), "images": len(places), **asdict(report)}


def show_report(places: Collection, report: AddReport) -> None:
    """Prints what became of the photos, those left out last."""
    counts = {
        "added": report.added,
        "replaced": report.replaced,
        "relabelled": report.relabelled,
        "moved": report.moved,
        "there already": report.unchanged,
    }
    said = ", ".join(f"{number:,} {what}" for what, number in counts.items() if number)
    numbers = places.statistics()
    console.print(Text.assemble((str(places.folder), "bold"), f": {said or 'nothing new'}"))
    console.print(
        f"{numbers['images']:,} images: {numbers['index']:,} to be found, "
        f"{numbers['training']:,} that vote for {numbers['landmarks']:,} landmarks"
    )
    kept = numbers["local_features"]
    if kept and numbers["images"]:
        console.print(
            f"local features: {kept['per_photo']:,.0f} ({kept['kind']}) a photo, "
            f"{kept['bytes_per_photo'] / 1024:,.0f} KiB"
        )
    learned_from = numbers["learned_from"]
    if learned_from and numbers["images"] >= 10 * max(learned_from, 50):
        console.print(
            f"the visual words were learned from {learned_from:,} photos only; "
            "build the collection again for better descriptors"
        )
    _list(
        [(photo, f"the same photo as {other}") for photo, other in report.duplicates],
        "left out as doubles",
    )
    _list(report.failed, "left out")


def _list(photos: list[tuple[str, str]], title: str) -> None:
    if not photos:
        return
    console.print(f"{len(photos):,} {title}:", style="yellow")
    for photo, reason in photos[:_LISTED]:
        text = reason if photo in reason else f"{photo}: {reason}"
        console.print(f"  {text}")
    if len(photos) > _LISTED:
        console.print(f"  and {len(photos) - _LISTED:,} more; --json names all")
