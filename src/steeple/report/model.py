"""What a report shows: plain frozen values, free of HTML."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from steeple.errors import InputError
from steeple.retrieval.origins import Origin

__all__ = ["EvaluationReport", "Mark", "Origin", "Row", "Sample", "Table", "Tile"]

Mark = Literal["right", "wrong", "unknown"]


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
    """

    photo: Path
    id: str
    score: float
    mark: Mark
    origin: Origin
    landmark: str | None
    probability: float | None
    moved: int | None = None


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
    """

    photo: Path
    id: str
    truth: str | None
    answer: str | None
    confidence: float | None
    rows: tuple[Row, ...]


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
class EvaluationReport:
    """Everything on an evaluation page, from top to bottom.

    Attributes:
        title: The heading.
        subtitle: One line below it: data set, method, date.
        facts: Short label and value pairs, for example ``("training photos", "154")``.
        tables: The figures.
        samples: The queries to look at.
    """

    title: str
    subtitle: str
    facts: tuple[tuple[str, str], ...]
    tables: tuple[Table, ...]
    samples: tuple[Sample, ...]
