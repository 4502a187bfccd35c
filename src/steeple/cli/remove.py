"""steeple remove: images out of a collection."""

from __future__ import annotations

from typing import Annotated

import typer

from steeple.cli import options
from steeple.cli.console import console, emit_json, shown_progress

__all__ = ["remove"]


def remove(
    collection: options.CollectionArgument,
    images: Annotated[list[str], typer.Argument(metavar="ID...", help="Ids of the images.")],
    json: options.Json = False,
) -> None:
    """Remove images from a collection; the photos themselves are not touched."""
    from steeple.collection import Collection

    with Collection.open(collection) as places:
        with shown_progress() as progress:
            removed = places.remove(images, progress=progress)
        if json:
            emit_json({"collection": str(places.folder), "removed": removed})
        else:
            console.print(f"{removed:,} removed, {len(places):,} left")
