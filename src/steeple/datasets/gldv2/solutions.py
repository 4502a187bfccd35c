"""What is right: the two solutions of the challenges, both ways.

    retrieval_solution_v2.1.csv          id,images,Usage          Public, Private or Ignored
    recognition_solution_v2.1.csv        id,landmarks,Usage

Lists are separated by spaces; None, or nothing, is an empty one. Ignored queries have none:
landmarks that the file has for them are left out, as the published code does; images are refused,
since no published file has any.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeAlias, cast

from steeple.datasets.gldv2.tables import checked_at, line_error, read_rows, unique
from steeple.datasets.gldv2.writing import checked, write_rows
from steeple.datasets.names import Rule, id_fault, listed_fault
from steeple.errors import LabelError

__all__ = [
    "Usage",
    "read_recognition_solution",
    "read_retrieval_solution",
    "write_recognition_solution",
    "write_retrieval_solution",
]

Usage: TypeAlias = Literal["Public", "Private", "Ignored"]
"""The part of a challenge to which a query belongs."""

_USAGES = ("Public", "Private", "Ignored")
_NOTHING = ("", "None")
_LISTED = "list them as other tables have them, separated by spaces, or write None alone"


def read_retrieval_solution(
    path: Path | str, *, ids: Rule = id_fault
) -> tuple[dict[str, list[str]], dict[str, Usage]]:
    """Reads ``retrieval_solution_v2.1.csv``.

    Args:
        path: the CSV file.
        ids: the rule for ids of queries and index images; `word_fault` where they may be paths.

    Returns:
        Query id -> ids of the relevant index images, none where the file says None; query id ->
        usage.

    Raises:
        LabelError: the file is missing or malformed.
    """
    return _read(Path(path), "images", ids, ids)


def read_recognition_solution(
    path: Path | str, *, ids: Rule = id_fault
) -> tuple[dict[str, list[str]], dict[str, Usage]]:
    """Reads ``recognition_solution_v2.1.csv``.

    Args:
        path: the CSV file.
        ids: the rule for ids of queries; `word_fault` where they may be paths.

    Returns:
        Query id -> landmarks, none where it shows none or is ignored; query id -> usage.

    Raises:
        LabelError: the file is missing or malformed.
    """
    return _read(Path(path), "landmarks", ids, listed_fault)


def write_retrieval_solution(
    path: Path | str, solution: Mapping[str, Sequence[str]], usage: Mapping[str, Usage]
) -> None:
    """Writes ``retrieval_solution_v2.1.csv``; where there is nothing to find it says None.

    Args:
        path: the CSV file; an old one is replaced.
        solution: query id -> ids of the relevant index images.
        usage: query id -> its part of the challenge.

    Raises:
        LabelError: a query has no usage, or an id is something that the file cannot say.
        StorageError: the file cannot be written.
    """
    _write(path, "images", solution, usage, id_fault, nothing="None")


def write_recognition_solution(
    path: Path | str, solution: Mapping[str, Sequence[str]], usage: Mapping[str, Usage]
) -> None:
    """Writes ``recognition_solution_v2.1.csv``; where no landmark is shown it says nothing.

    Args:
        path: the CSV file; an old one is replaced.
        solution: query id -> landmarks.
        usage: query id -> its part of the challenge.

    Raises:
        LabelError: a query has no usage, or an id is something that the file cannot say.
        StorageError: the file cannot be written.
    """
    _write(path, "landmarks", solution, usage, listed_fault, nothing="")


def _read(
    path: Path, column: str, ids: Rule, listed: Rule
) -> tuple[dict[str, list[str]], dict[str, Usage]]:
    usage: dict[str, Usage] = {}

    def items() -> Iterator[tuple[int, str, list[str]]]:
        for line, (query, text, part) in read_rows(path, "id", column, "Usage"):
            usage[query] = _usage(path, line, part)
            answers = _answers(path, line, text, listed)
            if part == "Ignored" and answers:
                if column == "images":
                    raise line_error(
                        path, line, "an ignored query has images", "write None, or another usage"
                    )
                answers = []
            yield line, query, answers

    return unique(path, items(), ids), usage


def _usage(path: Path, line: int, part: str) -> Usage:
    if part not in _USAGES:
        way_out = f"use one of {', '.join(_USAGES)}"
        raise line_error(path, line, f"the usage {part[:80]!r} is unknown", way_out)
    return cast("Usage", part)


def _answers(path: Path, line: int, text: str, rule: Rule) -> list[str]:
    answers = [] if text in _NOTHING else text.split()
    for answer in answers:
        checked_at(path, line, answer, rule, what="answer", way_out=_LISTED)
    return answers


def _write(
    path: Path | str,
    column: str,
    solution: Mapping[str, Sequence[str]],
    usage: Mapping[str, Usage],
    rule: Rule,
    *,
    nothing: str,
) -> None:
    def rows() -> Iterator[tuple[str, str, str]]:
        for query, answers in solution.items():
            part = usage.get(query)
            if part not in _USAGES:
                raise LabelError(f"query {query} has no usage; give one of {', '.join(_USAGES)}")
            if answers and part == "Ignored":
                raise LabelError(
                    f"query {query} is ignored and has an answer; give it another usage"
                )
            some = " ".join(checked(answer, rule) for answer in answers)
            yield checked(query, id_fault), some or nothing, part

    write_rows(path, ("id", column, "Usage"), rows())
