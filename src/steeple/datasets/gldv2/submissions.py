"""What is answered: the files that Kaggle takes, both ways.

    retrieval        id,images        at most 100 ids, best first, separated by spaces
    recognition      id,landmarks     "landmark score", or nothing

Ids may be paths here, since own photos have such; they never hold a space.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from steeple.datasets.gldv2.tables import line_error, read_rows, unique
from steeple.datasets.gldv2.writing import checked_word, write_rows
from steeple.errors import LabelError

__all__ = [
    "MAX_RETRIEVED",
    "read_recognition_submission",
    "read_retrieval_submission",
    "write_recognition_submission",
    "write_retrieval_submission",
]

MAX_RETRIEVED = 100
"""Images per query that a retrieval submission may hold."""


def write_retrieval_submission(path: Path | str, rankings: Mapping[str, Sequence[str]]) -> None:
    """Writes ``id,images``: per query the best image ids, separated by spaces.

    Args:
        path: the CSV file; an old one is replaced.
        rankings: query id -> image ids, best first; the first 100 are written.

    Raises:
        LabelError: an id is empty, or holds a space.
        StorageError: the file cannot be written.
    """
    rows = (
        (checked_word(query), " ".join(map(checked_word, images[:MAX_RETRIEVED])))
        for query, images in rankings.items()
    )
    write_rows(path, ("id", "images"), rows)


def read_retrieval_submission(path: Path | str) -> dict[str, list[str]]:
    """Reads ``id,images`` back: query id -> image ids, best first.

    Raises:
        LabelError: the file is missing or malformed.
    """
    path = Path(path)
    rows = read_rows(path, "id", "images")
    return unique(path, ((line, query, images.split()) for line, (query, images) in rows))


def write_recognition_submission(
    path: Path | str, predictions: Mapping[str, tuple[str | int, float] | None]
) -> None:
    """Writes ``id,landmarks``: per query "landmark score", or nothing where none is predicted.

    Args:
        path: the CSV file; an old one is replaced.
        predictions: query id -> (landmark, score), or None.

    Raises:
        LabelError: an id is empty or holds a space, or a score is not a finite number.
        StorageError: the file cannot be written.
    """
    rows = ((checked_word(query), _told(query, found)) for query, found in predictions.items())
    write_rows(path, ("id", "landmarks"), rows)


def read_recognition_submission(path: Path | str) -> dict[str, tuple[str, float] | None]:
    """Reads ``id,landmarks`` back: query id -> (landmark, score), or None.

    Raises:
        LabelError: the file is missing or malformed.
    """
    path = Path(path)
    rows = read_rows(path, "id", "landmarks")
    return unique(
        path, ((line, query, _prediction(path, line, text)) for line, (query, text) in rows)
    )


def _told(query: str, found: tuple[str | int, float] | None) -> str:
    if found is None:
        return ""
    landmark, score = found
    if not math.isfinite(score):
        raise LabelError(f"the score of query {query} is {score}; give a finite number, or None")
    return f"{checked_word(str(landmark))} {float(score)!r}"


def _prediction(path: Path, line: int, text: str) -> tuple[str, float] | None:
    words = text.split()
    if not words:
        return None
    try:
        landmark, score = words[0], float(words[1])
    except (IndexError, ValueError):
        landmark, score = "", math.nan
    if len(words) != 2 or not math.isfinite(score):
        raise line_error(
            path, line, f"{text!r} is not a landmark and its score", 'write "1234 0.5"'
        )
    return landmark, score
