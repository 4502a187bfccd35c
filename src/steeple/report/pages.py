"""The two pages, the evaluation report and the contact sheet of one search; and a chart alone."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from steeple.report import curves, figures
from steeple.report.model import Curve, EvaluationReport, Origin, Tile
from steeple.report.photos import embed_photos
from steeple.report.storage import write_whole

__all__ = ["render", "write_contact_sheet", "write_curve", "write_evaluation_report"]

_ROW_SIDE = 152
"""Pixels; a tile is about 100 CSS pixels wide, ten to a row."""

_GRID_SIDE = 200
"""Pixels; a tile is about 190 CSS pixels wide."""

_QUERY_SIDE = 340
"""Pixels; there is one query per sample, shown larger."""

_ORIGINS: tuple[Origin, ...] = ("retrieved", "sorted", "inserted")


def write_evaluation_report(report: EvaluationReport, out: Path) -> Path:
    """Write tables and sample queries as one self-contained HTML file.

    The same report gives the same bytes.

    Args:
        report: What the page shows.
        out: The file to write; an older one is replaced.

    Returns:
        ``out``.

    Raises:
        StorageError: The file cannot be written.
    """
    hits = (tile for sample in report.samples for row in sample.rows for tile in row.tiles)
    album = embed_photos(
        _sides((sample.photo for sample in report.samples), hits, hit_side=_ROW_SIDE)
    )
    page = render(
        "evaluation.html",
        title=report.title,
        album=album,
        report=report,
        changes=[figures.change(sample) for sample in report.samples],
    )
    return write_whole(page, out)


def write_contact_sheet(
    query: Path,
    answer: str | None,
    confidence: float | None,
    tiles: Sequence[Tile],
    out: Path,
    *,
    title: str,
) -> Path:
    """Write the hits of one search as one self-contained HTML file.

    Args:
        query: The query's photo.
        answer: The landmark it shows, or None for "no known landmark".
        confidence: The answer's confidence, on the recognizer's own scale, or None.
        tiles: The hits, best first.
        out: The file to write; an older one is replaced.
        title: The heading.

    Returns:
        ``out``.

    Raises:
        StorageError: The file cannot be written.
    """
    album = embed_photos(_sides([query], tiles, hit_side=_GRID_SIDE))
    counts = [(origin, sum(tile.origin == origin for tile in tiles)) for origin in _ORIGINS]
    page = render(
        "contact.html",
        title=title,
        album=album,
        query=query,
        answer=answer,
        confidence=confidence,
        tiles=tiles,
        counts=[(origin, count) for origin, count in counts if count],
    )
    return write_whole(page, out)


def write_curve(curve: Curve, out: Path) -> Path:
    """Write one chart as a self-contained SVG file, in the report's light colours.

    The same chart gives the same bytes.

    Args:
        curve: What to draw.
        out: The file to write; an older one is replaced.

    Returns:
        ``out``.

    Raises:
        StorageError: The file cannot be written.
    """
    return write_whole(_environment().get_template("curve.svg").render(curve=curve), out)


def _sides(queries: Iterable[Path], hits: Iterable[Tile], *, hit_side: int) -> dict[Path, int]:
    """Return the long side to embed by path; a photo in both roles gets the larger one."""
    sides = dict.fromkeys(queries, _QUERY_SIDE)
    for tile in hits:
        sides.setdefault(tile.photo, hit_side)
    return sides


def render(template: str, **content: object) -> str:
    """Fill a template of a page."""
    environment = _environment()
    script = environment.get_template("samples.js").render()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    return environment.get_template(template).render(script_digest=digest, **content)


def _environment() -> Environment:
    """Return what fills templates; everything that is not markup of ours is escaped."""
    environment = Environment(
        loader=PackageLoader("steeple.report"),
        autoescape=select_autoescape(("html", "svg")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        base64=lambda data: base64.b64encode(data).decode("ascii"),
        number=figures.format_number,
        signed=figures.format_signed,
    )
    environment.globals.update(
        curve_cells=curves.curve_cells,
        describe=curves.describe,
        gain=figures.average_precision_gain,
        lay_out=curves.lay_out,
        sizes={"wide": curves.WIDE, "narrow": curves.NARROW},
        table_cells=figures.table_cells,
        trend=figures.trend,
        verdict=figures.verdict,
    )
    return environment
