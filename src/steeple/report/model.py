"""What a report shows: plain frozen values, free of HTML."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

from steeple.errors import InputError
from steeple.retrieval.origins import Origin

__all__ = [
    "Curve",
    "EvaluationReport",
    "Guide",
    "Line",
    "Mark",
    "Origin",
    "Row",
    "Sample",
    "Table",
    "Tile",
    "Why",
]

Mark = Literal["right", "wrong", "unknown"]


@dataclass(frozen=True)
class Why:
    """Why a hit was found.

    Attributes:
        summary: What matches, in a sentence.
        sentences: The rest there is to say.
        picture: JPEG of both photos with lines between what matches; None where there is none.
        size: Width and height of the picture, in pixels; (0, 0) where there is none.
        alt: The picture in words.
    """

    summary: str
    sentences: tuple[str, ...]
    picture: bytes | None
    size: tuple[int, int]
    alt: str


@dataclass(frozen=True)
class Tile:
    """One hit in a ranking.

    Attributes:
        photo: Where the photo lies; one that cannot be read becomes a placeholder.
        id: The photo's id in the collection.
        score: The score the ranking is ordered by.
        mark: Whether the hit is right; ``"unknown"`` where there is no ground truth.
        origin: How the hit came to its place: found by k-NN, moved by the sort-step, or added by
            the insert-step.
        landmark: The hit's landmark, or None where none is known.
        probability: That the hit shows what the query shows, 0 to 1, or None.
        moved: Places gained against the k-NN row (negative: lost), or None where it has no place
            there; not shown for an inserted hit.
        inliers: Local features that match those of the query in one geometry, or None where
            nothing was verified.
        why: Why it was found, or None where nobody asked.
    """

    photo: Path
    id: str
    score: float
    mark: Mark
    origin: Origin
    landmark: str | None
    probability: float | None
    moved: int | None = None
    inliers: int | None = None
    why: Why | None = None


@dataclass(frozen=True)
class Row:
    """One method's ranking for one query.

    Attributes:
        title: The method's name.
        tiles: The first hits, best first.
        average_precision: In percent, 0 to 100, or None where it is not defined.
    """

    title: str
    tiles: tuple[Tile, ...]
    average_precision: float | None


@dataclass(frozen=True)
class Sample:
    """One query with what each method made of it.

    Attributes:
        photo: Where the query's photo lies.
        id: The query's id.
        truth: The landmark it shows, or None where it shows none.
        answer: The landmark that was recognized, or None for "no known landmark".
        confidence: The answer's confidence, on the recognizer's own scale, or None.
        rows: The rankings to compare. The first is the base line, usually k-NN; the last is the
            one that decides whether the query improved.
        why: Why the first hit of the last ranking was found, or None.
    """

    photo: Path
    id: str
    truth: str | None
    answer: str | None
    confidence: float | None
    rows: tuple[Row, ...]
    why: Why | None = None


@dataclass(frozen=True)
class Table:
    """Figures by method and measure; in every column larger is better.

    Attributes:
        title: The heading.
        columns: The measures' names.
        rows: A method's name and its value in each column; None where it was not measured.
        note: The conventions behind the figures, in a sentence or two.

    Raises:
        InputError: A row has not one value for each column.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[float | None, ...]], ...]
    note: str

    def __post_init__(self) -> None:
        for name, values in self.rows:
            if len(values) != len(self.columns):
                raise InputError(
                    f"table {self.title!r}: row {name!r} has {len(values)} values for "
                    f"{len(self.columns)} columns; give None where nothing was measured"
                )


@dataclass(frozen=True)
class Line:
    """One line of a chart.

    Attributes:
        name: What it shows, in a few words; they stand beside it.
        points: (x, y), the xs ascending.
        mark: Gives the line the colour of what is right or wrong; None takes the next of those
            that mean nothing.

    Raises:
        InputError: There is no point, one is not finite, or the xs do not ascend.
    """

    name: str
    points: tuple[tuple[float, float], ...]
    mark: Mark | None = None

    def __post_init__(self) -> None:
        if not self.points or not all(math.isfinite(v) for point in self.points for v in point):
            raise InputError(
                f"line {self.name!r} needs one point or more, all of them finite numbers; "
                "leave out what was not measured"
            )
        if any(a >= b for (a, _), (b, _) in pairwise(self.points)):
            raise InputError(f"line {self.name!r}: the xs must ascend; sort them, each once")


@dataclass(frozen=True)
class Guide:
    """A thin vertical line through a chart: where it stands, and what is there."""

    x: float
    text: str


@dataclass(frozen=True)
class Curve:
    """A line chart.

    Attributes:
        title: The heading.
        x_label: What runs to the right, with its unit.
        y_label: What runs upwards, with its unit.
        lines: One to six.
        note: How to read it, in a sentence or two.
        guide: A value of x to point at, or None.

    Raises:
        InputError: There are no lines, or more than six.
    """

    title: str
    x_label: str
    y_label: str
    lines: tuple[Line, ...]
    note: str
    guide: Guide | None = None

    def __post_init__(self) -> None:
        if not 1 <= len(self.lines) <= 6:
            raise InputError(
                f"chart {self.title!r} has {len(self.lines)} lines; one to six can be told apart"
            )


@dataclass(frozen=True)
class EvaluationReport:
    """Everything on an evaluation page, from top to bottom.

    Attributes:
        title: The heading.
        subtitle: One line below it: data set, method, date.
        facts: Short label and value pairs, for example ``("training photos", "154")``.
        tables: The figures.
        samples: The queries to look at.
        curves: Charts, beneath the tables.
    """

    title: str
    subtitle: str
    facts: tuple[tuple[str, str], ...]
    tables: tuple[Table, ...]
    samples: tuple[Sample, ...]
    curves: tuple[Curve, ...] = ()
