"""What `build` and `add` say when they are done."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.text import Text

from steeple.cli.console import console, show_left_out
from steeple.collection import AddReport, Collection
from steeple.embedding.cards import cards_of

__all__ = ["report_json", "show_report", "show_weights", "weights_json"]


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
    if "index" in report.seconds and numbers["approximate"]:
        console.print(_searched(**numbers["approximate"]))
    learned_from = numbers["learned_from"]
    if learned_from and numbers["images"] >= 10 * max(learned_from, 50):
        console.print(
            f"the embedder has learned from {learned_from:,} photos only; "
            "build the collection again for better descriptors"
        )
    show_left_out(
        [(photo, f"the same photo as {other}") for photo, other in report.duplicates],
        "left out as doubles",
    )
    show_left_out(report.failed)


def weights_json(places: Collection) -> list[dict[str, str]]:
    """Whose weights describe the photos, and on what terms: name, source and licence of each."""
    return [
        {"name": card.name, "source": card.source, "licence": card.licence}
        for card in cards_of(places.embedder)
    ]


def show_weights(places: Collection) -> None:
    """Prints whose weights describe the photos, and on what terms."""
    for card in weights_json(places):
        source = f" from {card['source']}" if card["source"] else ", of unknown source"
        licence = card["licence"] or "unknown; ask who made them before you publish anything"
        console.print(f"weights: {card['name']}{source}; licence: {licence}")


def _searched(factory: str, images: int, recall: float | None) -> str:
    found = "" if recall is None else f", which finds {100 * recall:.1f} % of the nearest images"
    return (
        f"searched by an approximate index of {images:,} images, {factory}{found}; "
        "all of them: steeple search --exact"
    )
