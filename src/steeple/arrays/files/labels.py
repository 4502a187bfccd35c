"""The landmarks of training images, from whatever file has them."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from steeple.arrays.files.content import Names, to_names
from steeple.arrays.files.ids import as_names, positions_of, read_lines
from steeple.arrays.files.npy import map_npy
from steeple.arrays.files.parquet import column_kinds, read_columns
from steeple.datasets.gldv2.tables import FILL_IN, line_error, read_rows
from steeple.errors import LabelError
from steeple.retrieval.types import PAD, UNVOTED, Ids

__all__ = ["Labels", "read_labels"]

_TOGETHER = 1 << 16  # labels looked up at a time
_LANDMARK = ("landmark_id", "landmark")
_IMAGE = ("id", "path")
_SHOWN = 200  # characters of the names of columns in an error
_NONE = b"-1"  # what arrays say of images without a label, and so texts made of them


@dataclass(frozen=True)
class Labels:
    """The landmarks of T images.

    Args:
        numbers: (T,) int64, positions in `landmarks`; -1 for an image without a label.
        landmarks: (C,) what they are called in the file, sorted.
        strangers: labels of images that are not among these.
    """

    numbers: Ids
    landmarks: Names
    strangers: int = 0


def read_labels(path: Path, ids: Names, *, numbered: bool = False) -> Labels:
    """Reads the landmarks of training images.

    - a CSV with ``id,landmark_id``, such as train.csv; the id may be called ``path``, and the
      landmark ``landmark``;
    - a CSV with ``landmark_id,images``, such as train_clean.csv;
    - a CSV with ``landmark_id`` and no other column, or a text with a landmark a line, in the order
      of the rows;
    - an .npy of integers or texts in the order of the rows;
    - a Parquet file with the same columns as a CSV, or ``landmark_id`` beside descriptors, in the
      order of the rows; the only other column of texts is that of the ids, however it is called.

    A column with another name may be that of the ids, so the order of the rows says nothing then.
    In all of them -1 (in an .npy of integers any negative number) is no landmark, but says that
    there is no label.

    Args:
        path: the file.
        ids: (T,) the ids of the rows.
        numbered: whether these are but the numbers of the rows.

    Raises:
        LabelError: if the file is missing or malformed, contradicts itself, or labels none of the
            images.
    """
    if not path.is_file():
        raise LabelError(f"{path}: no such file; give the landmarks of the training images")
    ending = path.suffix.lower()
    if ending == ".npy":
        array = np.asarray(map_npy(path))
        names = to_names(array, str(path))
        return _in_order(
            path, np.where(array < 0, _NONE, names) if array.dtype.kind == "i" else names, ids
        )
    if ending == ".parquet":
        return _from_parquet(path, ids, numbered)
    if ending != ".csv":
        return _in_order(path, as_names(read_lines(path), path), ids)
    header = _header(path)
    landmark = next((name for name in _LANDMARK if name in header), None)
    if landmark is None:
        reason = f"no column landmark_id among {_listed(header)}"
        raise line_error(path, 1, reason, "name the columns in the first line")
    image = next((name for name in _IMAGE if name in header), None)
    if image is not None:
        return _by_id(path, _pairs(path, image, landmark), ids, numbered)
    if "images" in header:
        return _by_id(path, _cleaned(path, landmark), ids, numbered)
    if len(header) > 1:
        raise line_error(path, 1, *_no_ids(header, landmark))
    names = as_names([row[0].encode() for _, row in read_rows(path, landmark)], path)
    return _in_order(path, names, ids)


def _from_parquet(path: Path, ids: Names, numbered: bool) -> Labels:
    kinds = column_kinds(path)
    landmark = next((name for name in _LANDMARK if name in kinds), None)
    if landmark is None:
        raise LabelError(
            f"{path}: no column landmark_id among {_listed([*kinds])}; add it, or give a CSV"
        )
    others = {name: kind for name, kind in kinds.items() if name != landmark}
    texts = [name for name, kind in others.items() if kind == "texts"]
    image = next((name for name in _IMAGE if name in others), texts[0] if len(texts) == 1 else None)
    if image is None and set(others.values()) & {"texts", "integers"}:
        raise LabelError(f"{path}: {'; '.join(_no_ids([*kinds], landmark))}")
    columns = read_columns(path, *filter(None, (image, landmark)))
    if image is None:
        return _in_order(path, columns[landmark], ids)
    pairs = zip(columns[image].tolist(), columns[landmark].tolist(), strict=True)
    rows = ((row, name, label) for row, (name, label) in enumerate(pairs) if label)
    return _by_id(path, rows, ids, numbered)


def _no_ids(columns: Sequence[str], landmark: str) -> tuple[str, str]:
    """What is wrong with a table whose ids cannot be found, and the way out."""
    return (
        f"no column of ids among {_listed(columns)}",
        f"call it id, or give the column {landmark} alone, in the order of the rows",
    )


def _listed(columns: Sequence[str]) -> str:
    """Names of columns as an error has them: not all of hundreds, nor what a line cannot hold."""
    text = ", ".join(columns)
    short = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
    return short if short.isprintable() else repr(short)


def _header(path: Path) -> list[str]:
    with path.open("rb") as file:
        first = file.readline().decode("utf-8-sig", errors="replace")
    return [name.strip() for name in next(csv.reader([first]), [])]


def _pairs(path: Path, column: str, landmark: str) -> Iterator[tuple[int, bytes, bytes]]:
    for line, (image, name) in read_rows(path, column, landmark):
        if not image or not name:
            empty = "landmark" if image else column
            raise line_error(path, line, f"the {empty} is empty", FILL_IN)
        yield line, image.encode(), name.encode()


def _cleaned(path: Path, landmark: str) -> Iterator[tuple[int, bytes, bytes]]:
    for line, (name, images) in read_rows(path, landmark, "images"):
        if not name:
            raise line_error(path, line, "the landmark is empty", FILL_IN)
        for image in images.split():
            yield line, image.encode(), name.encode()


def _in_order(path: Path, names: Names, ids: Names) -> Labels:
    if len(names) != len(ids):
        raise LabelError(
            f"{path}: {len(names):,} landmarks for {len(ids):,} training images; give one for "
            "each, in the order of the rows, or a CSV of id,landmark_id"
        )
    landmarks, numbers = np.unique(np.where(names == _NONE, b"", names), return_inverse=True)
    if landmarks[0] == b"":  # an empty name sorts first: no label
        landmarks, numbers = landmarks[1:], numbers - 1
    if not len(landmarks):
        raise LabelError(f"{path}: labels none of the training images; check the file")
    return Labels(numbers.astype(np.int64), landmarks)


def _by_id(
    path: Path, items: Iterator[tuple[int, bytes, bytes]], ids: Names, numbered: bool
) -> Labels:
    """Looks up images a few at a time: a table may hold many more labels than there are images."""
    places, lines, names = list[Ids](), list[Ids](), list[Names]()
    read = 0
    items = (item for item in items if item[2] != _NONE)
    order = np.argsort(ids, kind="stable")
    while some := list(islice(items, _TOGETHER)):
        read += len(some)
        found = positions_of(as_names([image for _, image, _ in some], path), ids, order)
        known = found != PAD
        places.append(found[known])
        lines.append(np.array([line for line, _, _ in some], dtype=np.int64)[known])
        names.append(as_names([name for _, _, name in some], path)[known])
    place = np.concatenate([np.zeros(0, dtype=np.int64), *places])
    if not len(place):
        why = (
            "which are the numbers of the rows; give --training-ids"
            if numbered
            else f"the first of which is {ids[0].decode()!r}; are these the labels of other images?"
        )
        raise LabelError(f"{path}: none of {read:,} labels is of one of the training images, {why}")
    landmarks, label = np.unique(np.concatenate(names), return_inverse=True)
    numbers = np.full(len(ids), UNVOTED, dtype=np.int64)
    numbers[place] = label
    clash = np.flatnonzero(numbers[place] != label)
    if len(clash):
        first = int(clash[0])
        image = ids[place[first]].decode()
        raise line_error(
            path,
            int(np.concatenate(lines)[first]),
            f"{image} is labelled {landmarks[label[first]].decode()!r} here and "
            f"{landmarks[numbers[place[first]]].decode()!r} elsewhere",
            "keep one of the two",
        )
    return Labels(numbers, landmarks, read - len(place))
