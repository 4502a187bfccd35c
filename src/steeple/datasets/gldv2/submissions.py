"""What is answered: the files that Kaggle takes, both ways.

    retrieval        id,images        at most 100 ids, best first, separated by spaces
    recognition      id,landmarks     "landmark score", or nothing

Ids may be paths here, since own photos have such; they never hold a space. An image may come twice
in a list: the metric counts it once.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from steeple.datasets.gldv2.tables import checked_at, line_error, read_rows, unique
from steeple.datasets.gldv2.writing import checked, write_rows
from steeple.datasets.names import word_fault
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

# As files have numbers: float() would read 1_0 and the digits of other scripts as well.
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


def write_retrieval_submission(path: Path | str, rankings: Mapping[str, Sequence[str]]) -> None:
    """Writes ``id,images``: per query the best image ids, separated by spaces.

    Args:
        path: the CSV file; an old one is replaced.
        rankings: query id -> image ids, best first; the first 100 are written.

    Raises:
        LabelError: an id is none: empty, of more than one word, with characters nobody can see.
        StorageError: the file cannot be written.
    """
    rows = (
        (checked(query, word_fault), _listed(images[:MAX_RETRIEVED]))
        for query, images in rankings.items()
    )
    write_rows(path, ("id", "images"), rows)


def read_retrieval_submission(path: Path | str) -> dict[str, list[str]]:
    """Reads ``id,images`` back: query id -> image ids, best first, repeats as they are.

    Raises:
        LabelError: the file is missing or malformed, or a query has more than 100 images.
    """
    path = Path(path)
    rows = read_rows(path, "id", "images")
    return unique(
        path, ((line, query, _images(path, line, text)) for line, (query, text) in rows), word_fault
    )


def write_recognition_submission(
    path: Path | str, predictions: Mapping[str, tuple[str | int, float] | None]
) -> None:
    """Writes ``id,landmarks``: per query "landmark score", or nothing where none is predicted.

    Args:
        path: the CSV file; an old one is replaced.
        predictions: query id -> (landmark, score), or None.

    Raises:
        LabelError: an id or a landmark is none, or a score is not a finite number.
        StorageError: the file cannot be written.
    """
    rows = (
        (checked(query, word_fault), _told(query, found)) for query, found in predictions.items()
    )
    write_rows(path, ("id", "landmarks"), rows)


def read_recognition_submission(path: Path | str) -> dict[str, tuple[str, float] | None]:
    """Reads ``id,landmarks`` back: query id -> (landmark, score), or None.

    Raises:
        LabelError: the file is missing or malformed.
    """
    path = Path(path)
    rows = read_rows(path, "id", "landmarks")
    return unique(
        path,
        ((line, query, _prediction(path, line, text)) for line, (query, text) in rows),
        word_fault,
    )


def _listed(images: Sequence[str]) -> str:
    return " ".join(checked(image, word_fault) for image in images)


def _images(path: Path, line: int, text: str) -> list[str]:
    images = text.split()
    if len(images) > MAX_RETRIEVED:
        raise line_error(
            path,
            line,
            f"{len(images):,} images where a query may have {MAX_RETRIEVED}",
            f"keep the first {MAX_RETRIEVED}",
        )
    for image in filter(word_fault, images):  # there are ten million, and hardly one is wrong
        checked_at(path, line, image, word_fault, what="image")
    return images


def _told(query: str, found: tuple[str | int, float] | None) -> str:
    if found is None:
        return ""
    landmark, score = found
    if not math.isfinite(score):
        raise LabelError(f"the score of query {query} is {score}; give a finite number, or None")
    return f"{checked(str(landmark), word_fault)} {float(score)!r}"


def _prediction(path: Path, line: int, text: str) -> tuple[str, float] | None:
    words = text.split()
    if not words:
        return None
    if len(words) != 2 or not _NUMBER.fullmatch(words[1]) or not math.isfinite(float(words[1])):
        raise line_error(
            path, line, f"{text[:80]!r} is not a landmark and its score", 'write "1234 0.5"'
        )
    return checked_at(path, line, words[0], word_fault, what="landmark"), float(words[1])
