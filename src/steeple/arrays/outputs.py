"""What comes out: submissions and figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from steeple.arrays.files.content import Names
from steeple.datasets.gldv2 import (
    read_recognition_solution,
    read_retrieval_solution,
    write_recognition_submission,
    write_retrieval_submission,
)
from steeple.datasets.names import word_fault
from steeple.errors import LabelError
from steeple.evaluation import global_average_precision, mean_average_precision
from steeple.evaluation.usages import by_usage
from steeple.retrieval.types import PAD, UNVOTED, Ids, Ranking, Votes

__all__ = [
    "Lists",
    "Predictions",
    "RecognitionSolution",
    "RetrievalSolution",
    "write_rankings",
    "write_votes",
]


class Lists(Mapping[str, list[str]]):
    """A ranking as query id -> image ids, best first; texts are made when they are asked for.

    Args:
        ranking: (Q, K).
        queries: (Q,) ids.
        index: (N,) ids.
    """

    def __init__(self, ranking: Ranking, queries: Names, index: Names) -> None:
        self._ids, self._index = ranking.ids, index
        self._row = {query.decode(): row for row, query in enumerate(queries.tolist())}

    def __len__(self) -> int:
        return len(self._row)

    def __iter__(self) -> Iterator[str]:
        return iter(self._row)

    def __getitem__(self, query: str) -> list[str]:
        ids: Ids = self._ids[self._row[query]]
        return [name.decode() for name in self._index[ids[ids != PAD]].tolist()]


class Predictions(Mapping[str, tuple[str, float]]):
    """Votes as query id -> (landmark, score), of the queries that have one.

    Args:
        votes: Q.
        queries: (Q,) ids.
        landmarks: (C,) what they are called.
    """

    def __init__(self, votes: Votes, queries: Names, landmarks: Names) -> None:
        self._votes, self._landmarks = votes, landmarks
        names = zip(queries.tolist(), votes.labels.tolist(), strict=True)
        self._row = {q.decode(): row for row, (q, label) in enumerate(names) if label != UNVOTED}

    def __len__(self) -> int:
        return len(self._row)

    def __iter__(self) -> Iterator[str]:
        return iter(self._row)

    def __getitem__(self, query: str) -> tuple[str, float]:
        row = self._row[query]
        landmark: bytes = self._landmarks[self._votes.labels[row]]
        return landmark.decode(), float(self._votes.scores[row])


def write_rankings(path: Path, lists: Lists) -> None:
    """Writes the submission of a retrieval challenge: ``id,images``.

    Raises:
        StorageError: if it cannot be written.
    """
    write_retrieval_submission(path, lists)


def write_votes(path: Path, predictions: Predictions, queries: Names) -> None:
    """Writes the submission of a recognition challenge, ``id,landmarks``, a line per query.

    Raises:
        LabelError: if a landmark's name holds a space.
        StorageError: if it cannot be written.
    """
    names = [query.decode() for query in queries.tolist()]
    write_recognition_submission(path, {name: predictions.get(name) for name in names})


@dataclass(frozen=True)
class RetrievalSolution:
    """What is right: ``retrieval_solution_v2.1.csv``.

    Args:
        path: the file.
        images: query id -> ids of the relevant index images.
        usage: query id -> its part of the challenge.
    """

    path: Path
    images: Mapping[str, Sequence[str]]
    usage: Mapping[str, str]

    @classmethod
    def read(cls, path: Path) -> RetrievalSolution:
        """Reads the file.

        Raises:
            LabelError: if it is missing or malformed, or has no query that is scored.
        """
        images, usage = read_retrieval_solution(path, ids=word_fault)
        scored = {query: some for query, some in images.items() if some}
        if not scored:
            raise _nothing_scored(path, "a relevant image")
        return cls(path, scored, usage)

    def missing(self, queries: Names, index: Names) -> tuple[int, int]:
        """How many of its queries, and how many of its images, are not among the ids.

        Raises:
            LabelError: if none of the queries, or none of the images, is.
        """
        asked = set(self.images)
        there = {name.decode() for name in queries.tolist()} & asked
        if not there:
            raise _strangers(self.path, "queries", next(iter(self.images)), queries)
        relevant = {image for some in self.images.values() for image in some}
        found = sum(name.decode() in relevant for name in index.tolist())
        if not found:
            raise _strangers(self.path, "index", min(relevant), index)
        return len(asked) - len(there), len(relevant) - found

    def score(self, lists: Lists) -> dict[str, float | None]:
        """mAP@100 in percent: ``public``, ``private``, ``all``; None where nothing is scored."""
        return {
            part: None if right is None else 100 * mean_average_precision(lists, right)
            for part, right in by_usage(self.images, self.usage).items()
        }


@dataclass(frozen=True)
class RecognitionSolution:
    """What is right: ``recognition_solution_v2.1.csv``.

    Args:
        path: the file.
        landmarks: query id -> the landmarks it shows, none for most.
        usage: query id -> its part of the challenge.
    """

    path: Path
    landmarks: Mapping[str, Sequence[str]]
    usage: Mapping[str, str]

    @classmethod
    def read(cls, path: Path) -> RecognitionSolution:
        """Reads the file.

        Raises:
            LabelError: if it is missing or malformed, or has no query that is scored.
        """
        landmarks, usage = read_recognition_solution(path, ids=word_fault)
        if not any(landmarks.values()):
            raise _nothing_scored(path, "a landmark")
        return cls(path, landmarks, usage)

    def missing(self, queries: Names, landmarks: Names) -> tuple[int, int]:
        """How many of its queries that show a landmark, and of these, are not among the names.

        Args:
            queries: (Q,) ids.
            landmarks: (C,) those that can be named.

        Raises:
            LabelError: if none of the queries, or none of the landmarks they show, is.
        """
        asked = [query for query, shown in self.landmarks.items() if shown]
        there = {name.decode() for name in queries.tolist()}.intersection(asked)
        if not there:
            raise _strangers(self.path, "queries", asked[0], queries)
        shown = {landmark for query in there for landmark in self.landmarks[query]}
        found = shown.intersection(name.decode() for name in landmarks.tolist())
        if not found:
            raise LabelError(
                f"{self.path}: none of the landmarks that queries show ({min(shown)}, ...) is a "
                f"landmark of the training set ({landmarks[0].decode()}, ...); give --training-"
                "labels that name them alike"
            )
        return len(asked) - len(there), len(shown) - len(found)

    def score(self, predictions: Predictions) -> dict[str, float | None]:
        """GAP in percent: ``public``, ``private``, ``gap`` (all); None where nothing is scored."""
        named = dict(predictions)
        return {
            "gap" if part == "all" else part: None
            if right is None
            else 100 * global_average_precision(named, right)
            for part, right in by_usage(self.landmarks, self.usage).items()
        }


def _nothing_scored(path: Path, what: str) -> LabelError:
    return LabelError(f"{path}: no query has {what}, so nothing is scored; is this the right file?")


def _strangers(path: Path, part: str, first: str, names: Names) -> LabelError:
    return LabelError(
        f"{path}: none of its {part} ids ({first}, ...) is among the {part} ids "
        f"({names[0].decode()}, ...); give the ids of the rows with --ids {part}=FILE"
    )
