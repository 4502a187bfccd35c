"""The files of a Google Landmarks Dataset v2 folder: labels, solutions, photos, submissions.

    train.csv                            id,url,landmark_id       (url may be missing)
    train_clean.csv                      landmark_id,images       ids separated by spaces
    train_label_to_category.csv          landmark_id,category
    index.csv                            id
    index_image_to_landmark.csv          id,landmark_id
    test.csv                             id
    retrieval_solution_v2.1.csv          id,images,Usage          Public, Private or Ignored
    recognition_solution_v2.1.csv        id,landmarks,Usage
    {train,index,test}/a/b/c/abc*.jpg    folders: the first three characters of the id

(Weyand et al., "Google Landmarks Dataset v2", CVPR 2020, and its repository's README.)
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar, cast

from steeple.errors import LabelError, StorageError

__all__ = [
    "MAX_RETRIEVED",
    "GldV2",
    "Split",
    "Usage",
    "is_gldv2",
    "read_recognition_submission",
    "read_retrieval_submission",
    "write_recognition_submission",
    "write_retrieval_submission",
]

MAX_RETRIEVED = 100
"""Images per query that a retrieval submission may hold."""

Split = Literal["train", "index", "test"]
Usage = Literal["Public", "Private", "Ignored"]

_SPLITS: tuple[Split, ...] = ("train", "index", "test")
_USAGES = ("Public", "Private", "Ignored")
_PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png")

_FILL_IN = "fill it in, or remove the line"

_Value = TypeVar("_Value")


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
        """Read every table that the folder has; one that it lacks is empty.

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
        cleaned = root / "train_clean.csv"
        retrieval, usage = _read_solution(root / "retrieval_solution_v2.1.csv", "images")
        recognition, recognition_usage = _read_solution(
            root / "recognition_solution_v2.1.csv", "landmarks"
        )
        return cls(
            root=root,
            train=(
                _read_clean(cleaned)
                if clean and cleaned.is_file()
                else _read_pairs(root / "train.csv", "id", "landmark_id")
            ),
            index=_read_ids(root / "index.csv"),
            index_landmarks=_read_pairs(root / "index_image_to_landmark.csv", "id", "landmark_id"),
            test=_read_ids(root / "test.csv"),
            retrieval_solution=retrieval,
            recognition_solution=recognition,
            usage=usage,
            recognition_usage=recognition_usage,
            names=_read_pairs(root / "train_label_to_category.csv", "landmark_id", "category"),
        )

    def photo(self, split: Split, image: str) -> Path:
        """Find the photo of an id: ``split/a/b/c/ID.jpg`` (.jpeg, .png), or flat ``split/ID.jpg``.

        Where there is none, the path where it should lie is returned, so that reading it says so.
        """
        folder = self.root / split
        nested = folder.joinpath(*image[:3])
        places = [place / f"{image}{end}" for place in (nested, folder) for end in _PHOTO_SUFFIXES]
        return next((path for path in places if path.is_file()), places[0])


def is_gldv2(root: Path | str) -> bool:
    """Say whether a folder has a GLD-v2 table of images and at least one folder of photos."""
    root = Path(root)
    tables = ("train.csv", "train_clean.csv", "index.csv")
    return any((root / table).is_file() for table in tables) and any(
        (root / split).is_dir() for split in _SPLITS
    )


def write_retrieval_submission(path: Path | str, rankings: Mapping[str, Sequence[str]]) -> None:
    """Write ``id,images``: per query the best image ids, separated by spaces.

    Args:
        path: the CSV file; an old one is replaced.
        rankings: query id -> image ids, best first; the first 100 are written.

    Raises:
        LabelError: an id is empty, or holds a space.
        StorageError: the file cannot be written.
    """
    rows = (
        (_checked(query), " ".join(_checked(image) for image in images[:MAX_RETRIEVED]))
        for query, images in rankings.items()
    )
    _write(Path(path), ("id", "images"), list(rows))


def read_retrieval_submission(path: Path | str) -> dict[str, list[str]]:
    """Read ``id,images`` back: query id -> image ids, best first.

    Raises:
        LabelError: the file is missing or malformed.
    """
    path = _required(path)
    rows = _rows(path, "id", "images")
    return _unique(path, ((line, query, images.split()) for line, (query, images) in rows))


def write_recognition_submission(
    path: Path | str, predictions: Mapping[str, tuple[str | int, float] | None]
) -> None:
    """Write ``id,landmarks``: per query "landmark score", or nothing where none is predicted.

    Args:
        path: the CSV file; an old one is replaced.
        predictions: query id -> (landmark, score), or None.

    Raises:
        LabelError: an id is empty, or holds a space.
        StorageError: the file cannot be written.
    """
    rows = (
        (
            _checked(query),
            "" if found is None else f"{_checked(str(found[0]))} {float(found[1])!r}",
        )
        for query, found in predictions.items()
    )
    _write(Path(path), ("id", "landmarks"), list(rows))


def read_recognition_submission(path: Path | str) -> dict[str, tuple[str, float] | None]:
    """Read ``id,landmarks`` back: query id -> (landmark, score), or None.

    Raises:
        LabelError: the file is missing or malformed.
    """
    path = _required(path)
    rows = _rows(path, "id", "landmarks")
    return _unique(
        path, ((line, query, _prediction(path, line, text)) for line, (query, text) in rows)
    )


def _prediction(path: Path, line: int, text: str) -> tuple[str, float] | None:
    words = text.split()
    if not words:
        return None
    try:
        landmark, score = words[0], float(words[1])
    except (IndexError, ValueError):
        landmark, score = "", math.nan
    if len(words) != 2 or not math.isfinite(score):
        raise _error(path, line, f"{text!r} is not a landmark and its score", 'write "1234 0.5"')
    return landmark, score


def _error(path: Path, line: int, reason: str, way_out: str) -> LabelError:
    return LabelError(f"{path}, line {line}: {reason}; {way_out}")


def _checked(name: str) -> str:
    """Return an id that can stand between spaces in a CSV file."""
    if not name or name.split() != [name]:
        raise LabelError(f"the id {name!r} is empty or holds a space; such files cannot say it")
    return name


def _required(path: Path | str) -> Path:
    path = Path(path)
    if not path.is_file():
        raise LabelError(f"{path}: no such file; check the path")
    return path


def _write(path: Path, header: tuple[str, ...], rows: list[tuple[str, str]]) -> None:
    try:
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(header)
            writer.writerows(rows)
    except OSError as error:
        raise StorageError(
            f"{path}: cannot be written ({error.strerror}); choose another place"
        ) from error


def _read_ids(path: Path) -> list[str]:
    return list(_unique(path, ((line, image, None) for line, (image,) in _rows(path, "id"))))


def _read_pairs(path: Path, key: str, value: str) -> dict[str, str]:
    """Read two columns; equal values are one string in memory, of which there are few."""
    shared: dict[str, str] = {}

    def items() -> Iterator[tuple[int, str, str]]:
        for line, (name, text) in _rows(path, key, value):
            if not text:
                raise _error(path, line, f"{value} is empty", _FILL_IN)
            yield line, name, shared.setdefault(text, text)

    return _unique(path, items())


def _read_clean(path: Path) -> dict[str, str]:
    def items() -> Iterator[tuple[int, str, str]]:
        for line, (landmark, images) in _rows(path, "landmark_id", "images"):
            if not landmark:
                raise _error(path, line, "landmark_id is empty", _FILL_IN)
            for image in images.split():
                yield line, image, landmark

    return _unique(path, items())


def _read_solution(path: Path, column: str) -> tuple[dict[str, list[str]], dict[str, Usage]]:
    """Read query id -> answers (none where "None" or ignored), and query id -> usage."""
    usage: dict[str, Usage] = {}

    def items() -> Iterator[tuple[int, str, list[str]]]:
        for line, (query, answers, part) in _rows(path, "id", column, "Usage"):
            if part not in _USAGES:
                raise _error(
                    path, line, f"the usage {part!r} is unknown", f"use one of {', '.join(_USAGES)}"
                )
            usage[query] = cast("Usage", part)
            nothing = answers == "None" or part == "Ignored"
            yield line, query, [] if nothing else answers.split()

    return _unique(path, items()), usage


def _unique(path: Path, items: Iterable[tuple[int, str, _Value]]) -> dict[str, _Value]:
    """Collect (line, id, value) by id; an id must be there, in one word, and once."""
    found: dict[str, _Value] = {}
    for line, name, value in items:
        if not name:
            raise _error(path, line, "the id is empty", _FILL_IN)
        if name.split() != [name] or "/" in name:
            raise _error(path, line, f"the id {name!r} holds a space or a slash", "rename it")
        if name in found:
            raise _error(path, line, f"the id {name} is there already", "keep one of the two lines")
        found[name] = value
    return found


def _rows(path: Path, *columns: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the line number (from 1) and the named columns of every row; none without the file.

    Line by line, so that a bad byte has its line number and a list of any length is no trouble:
    the csv module refuses fields of more than 128 KiB, which the largest landmarks exceed.
    """
    if not path.is_file():
        return
    width, wanted = 0, list[int]()
    with path.open("rb") as stream:
        for line, raw in enumerate(stream, start=1):
            fields = _fields(path, line, raw)
            if not fields:
                continue
            if not width:
                width, wanted = len(fields), _positions(path, line, fields, columns)
                continue
            if len(fields) != width:
                raise _error(
                    path,
                    line,
                    f"{len(fields)} columns where the first line names {width}",
                    "quote a text that holds a comma",
                )
            yield line, [fields[position] for position in wanted]
    if not width:
        raise _error(path, 1, "the file is empty", f"begin it with {','.join(columns)}")


def _positions(path: Path, line: int, header: list[str], columns: Sequence[str]) -> list[int]:
    for column in columns:
        if column not in header:
            raise _error(
                path,
                line,
                f"no column {column} among {', '.join(header)}",
                f"name the columns {', '.join(columns)} in the first line",
            )
    return [header.index(column) for column in columns]


def _fields(path: Path, line: int, raw: bytes) -> list[str]:
    """Split one line into stripped fields; an empty line has none."""
    try:
        text = raw.decode("utf-8-sig" if line == 1 else "utf-8").strip()
        fields = next(csv.reader([text], strict=True)) if '"' in text else text.split(",")
    except UnicodeDecodeError as error:
        raise _error(path, line, "not UTF-8 text", "save the file as UTF-8") from error
    except csv.Error as error:
        raise _error(path, line, f"not CSV ({error})", "close every quote on its line") from error
    return [field.strip() for field in fields] if text else []
