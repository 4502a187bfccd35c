"""From numbers to what the page says: digits, best values, gains, verdicts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from steeple.report.model import Mark, Row, Sample, Table

__all__ = [
    "Cell",
    "Change",
    "average_precision_gain",
    "change",
    "digits_for",
    "format_number",
    "format_signed",
    "table_cells",
    "trend",
    "verdict",
]

Change = Literal["improved", "worsened", "unchanged", "unrated"]

_NOT_MEASURED = "\N{EN DASH}"
_UNCHANGED_BELOW = 0.05
"""Percentage points of average precision; less does not show at one decimal."""


@dataclass(frozen=True)
class Cell:
    """One figure of a table: its text, its bar (0 to 1), and whether it leads its column."""

    text: str
    share: float
    best: bool


def format_number(value: float | None, digits: int) -> str:
    """Write a number with a true minus sign, or a dash where there is none."""
    if value is None or not math.isfinite(value):
        return _NOT_MEASURED
    return f"{value:z,.{digits}f}".replace("-", "\N{MINUS SIGN}")


def digits_for(values: Sequence[float]) -> int:
    """Return how many decimals finite figures beside each other get: some four digits in all."""
    size = max((abs(value) for value in values), default=0.0)
    return next((d for limit, d in ((1, 3), (10, 2), (1000, 1)) if size <= limit), 0)


def format_signed(value: float, digits: int) -> str:
    """Write a difference with its sign; one that rounds to zero has none."""
    if round(value, digits) == 0:
        return f"{0:.{digits}f}"
    return ("+" if value > 0 else "") + format_number(value, digits)


def table_cells(table: Table) -> list[tuple[str, list[Cell]]]:
    """Lay out a table: per method its cells, with digits and bars chosen per column."""
    columns = [_column([values[i] for _, values in table.rows]) for i in range(len(table.columns))]
    return [
        (name, [column[position] for column in columns])
        for position, (name, _) in enumerate(table.rows)
    ]


def _column(values: list[float | None]) -> list[Cell]:
    """Format one column; the best is what reads as the largest, unless all read the same."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    top = max(known, default=0.0)
    digits = digits_for(known)
    texts = [format_number(value, digits) for value in values]
    contested = len({text for text in texts if text != _NOT_MEASURED}) > 1
    leader = format_number(top, digits)
    return [
        Cell(text, _share(value, top), contested and text == leader)
        for text, value in zip(texts, values, strict=True)
    ]


def _share(value: float | None, top: float) -> float:
    """Return the length of a bar that starts at zero, 0 to 1."""
    if value is None or not math.isfinite(value) or value <= 0 or top <= 0:
        return 0.0
    return round(value / top, 4)


def average_precision_gain(row: Row, base: Row) -> float | None:
    """Return what a row gains over another, in percentage points, or None."""
    if row.average_precision is None or base.average_precision is None:
        return None
    return row.average_precision - base.average_precision


def change(sample: Sample) -> Change:
    """Say what the last ranking of a query did to the first one's average precision."""
    gain = average_precision_gain(sample.rows[-1], sample.rows[0]) if sample.rows else None
    return "unrated" if gain is None or len(sample.rows) < 2 else trend(gain)


def trend(gain: float) -> Change:
    """Name a difference in average precision, in percentage points."""
    if abs(gain) < _UNCHANGED_BELOW:
        return "unchanged"
    return "improved" if gain > 0 else "worsened"


def verdict(sample: Sample) -> Mark:
    """Say whether a query was recognized; "unknown" for a landmark that got no answer."""
    if sample.answer is None and sample.truth is not None:
        return "unknown"
    return "right" if sample.answer == sample.truth else "wrong"
