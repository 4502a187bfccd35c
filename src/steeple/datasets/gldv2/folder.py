"""A folder in GLD-v2 layout: its tables, and where its photos lie."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, TypeVar

from steeple.datasets.gldv2 import labels, solutions
from steeple.datasets.gldv2.solutions import Usage
from steeple.errors import LabelError

__all__ = ["GldV2", "Split", "is_gldv2"]

Split: TypeAlias = Literal["train", "index", "test"]

_SPLITS: tuple[Split, ...] = ("train", "index", "test")
_PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png")

_TRAIN = "train.csv"
_CLEAN = "train_clean.csv"
_NAMES = "train_label_to_category.csv"
_INDEX = "index.csv"
_INDEX_LANDMARKS = "index_image_to_landmark.csv"
_TEST = "test.csv"
_RETRIEVAL = "retrieval_solution_v2.1.csv"
_RECOGNITION = "recognition_solution_v2.1.csv"

_Table = TypeVar("_Table")


@dataclass(frozen=True)
class GldV2:
    """A folder in GLD-v2 layout, its tables read; landmarks are strings, as in the files.

    Attributes:
        root: the folder.
        train: training image id -> landmark.
        index: ids of the index images.
        index_landmarks: index image id -> landmark, for those that have one.
        test: ids of the queries.
        retrieval_solution: query id -> ids of the relevant index images, empty where ignored.
        recognition_solution: query id -> landmarks, empty where it shows none.
        usage: query id -> its part of the retrieval challenge.
        recognition_usage: query id -> its part of the recognition challenge.
        names: landmark -> category.
    """

    root: Path
    train: Mapping[str, str]
    index: Sequence[str]
    index_landmarks: Mapping[str, str]
    test: Sequence[str]
    retrieval_solution: Mapping[str, list[str]]
    recognition_solution: Mapping[str, list[str]]
    usage: Mapping[str, Usage]
    recognition_usage: Mapping[str, Usage]
    names: Mapping[str, str]

    @classmethod
    def read(cls, root: Path | str, *, clean: bool = True) -> GldV2:
        """Reads every table that the folder has; one that it lacks is empty.

        Args:
            root: the folder.
            clean: take ``train_clean.csv`` in place of ``train.csv`` where it is there.

        Raises:
            LabelError: the folder is not in GLD-v2 layout, or a table is malformed; the message
                names the file, the line, the reason and the way out.
        """
        root = Path(root)
        if not is_gldv2(root):
            raise LabelError(
                f"{root}: not a folder in GLD-v2 layout; it needs train.csv or index.csv, "
                "and the photos in train/, index/ or test/"
            )
        cleaned = clean and (root / _CLEAN).is_file()
        nothing: tuple[dict[str, list[str]], dict[str, Usage]] = ({}, {})
        retrieval, usage = _read(root / _RETRIEVAL, solutions.read_retrieval_solution, nothing)
        recognition, recognition_usage = _read(
            root / _RECOGNITION, solutions.read_recognition_solution, nothing
        )
        return cls(
            root=root,
            train=(
                labels.read_train_clean(root / _CLEAN)
                if cleaned
                else _read(root / _TRAIN, labels.read_train, {})
            ),
            index=_read(root / _INDEX, labels.read_ids, []),
            index_landmarks=_read(root / _INDEX_LANDMARKS, labels.read_index_landmarks, {}),
            test=_read(root / _TEST, labels.read_ids, []),
            retrieval_solution=retrieval,
            recognition_solution=recognition,
            usage=usage,
            recognition_usage=recognition_usage,
            names=_read(root / _NAMES, labels.read_categories, {}),
        )

    def write(self, root: Path | str) -> None:
        """Writes every table, so that `read` gives them back; photos are not copied.

        Args:
            root: an existing folder.

        Raises:
            LabelError: a table holds something that its file cannot say.
            StorageError: a file cannot be written.
        """
        root = Path(root)
        labels.write_train(root / _TRAIN, self.train)
        labels.write_categories(root / _NAMES, self.names)
        labels.write_ids(root / _INDEX, self.index)
        labels.write_index_landmarks(root / _INDEX_LANDMARKS, self.index_landmarks)
        labels.write_ids(root / _TEST, self.test)
        solutions.write_retrieval_solution(root / _RETRIEVAL, self.retrieval_solution, self.usage)
        solutions.write_recognition_solution(
            root / _RECOGNITION, self.recognition_solution, self.recognition_usage
        )

    def check_solutions(self) -> None:
        """Sees to it that the solutions are of these queries, and their images in this index.

        Otherwise every method would score 0, which says that nothing was found.

        Raises:
            LabelError: none of the queries that have an answer is in ``test.csv``, or none of their
                images is in ``index.csv``.
        """
        solved = ((_RETRIEVAL, self.retrieval_solution), (_RECOGNITION, self.recognition_solution))
        for table, solution in solved:
            asked = [query for query, answers in solution.items() if answers]
            if asked and set(asked).isdisjoint(self.test):
                raise self._strangers(table, "queries with an answer", asked[0], _TEST)
        found = [image for query in self.test for image in self.retrieval_solution.get(query, ())]
        if found and set(found).isdisjoint(self.index):
            raise self._strangers(_RETRIEVAL, "images", found[0], _INDEX)

    def _strangers(self, table: str, what: str, first: str, other: str) -> LabelError:
        return LabelError(
            f"{self.root / table}: none of its {what} ({first}, ...) is in {other}; give files of "
            "one data set"
        )

    def photo(self, split: Split, image: str) -> Path:
        """Finds the photo of an id: ``split/a/b/c/ID.jpg`` (.jpeg, .png), or flat ``split/ID.jpg``.

        Where there is none, the path where it should lie is returned, so that reading it says so.
        """
        folder = self.root / split
        nested = folder.joinpath(*image[:3])
        places = [place / f"{image}{end}" for place in (nested, folder) for end in _PHOTO_SUFFIXES]
        return next((path for path in places if path.is_file()), places[0])


def is_gldv2(root: Path | str) -> bool:
    """Says whether a folder has a GLD-v2 table of images and at least one folder of photos."""
    root = Path(root)
    tables = (_TRAIN, _CLEAN, _INDEX)
    return any((root / table).is_file() for table in tables) and any(
        (root / split).is_dir() for split in _SPLITS
    )


def _read(path: Path, read: Callable[[Path], _Table], nothing: _Table) -> _Table:
    return read(path) if path.is_file() else nothing
