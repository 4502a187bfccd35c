"""Which images there are and what they show: six tables, both ways.

    train.csv                            id,url,landmark_id       (url may be missing)
    train_clean.csv                      landmark_id,images       ids separated by spaces
    train_label_to_category.csv          landmark_id,category
    index.csv, test.csv                  id
    index_image_to_landmark.csv          id,landmark_id

Landmarks are strings, as in the files, each of one word: solutions separate them by spaces.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from steeple.datasets.gldv2.tables import FILL_IN, checked_at, line_error, read_rows, unique
from steeple.datasets.gldv2.writing import checked, checked_text, write_rows
from steeple.datasets.names import Rule, id_fault, word_fault

__all__ = [
    "read_categories",
    "read_ids",
    "read_index_landmarks",
    "read_train",
    "read_train_clean",
    "read_train_urls",
    "write_categories",
    "write_ids",
    "write_index_landmarks",
    "write_train",
    "write_train_clean",
]


def read_train(path: Path | str) -> dict[str, str]:
    """Reads ``train.csv``: training image id -> landmark.

    Raises:
        LabelError: the file is missing or malformed.
    """
    return _read_landmarks(Path(path))


def read_train_urls(path: Path | str) -> Iterator[tuple[str, str]]:
    """Reads the other column of ``train.csv``: pairs of image id and url, which may be empty.

    Yields them as they are read: four million of them need no room.

    Raises:
        LabelError: the file is missing, malformed, or has no column url.
    """
    path = Path(path)
    for line, (image, url) in read_rows(path, "id", "url"):
        yield checked_at(path, line, image, id_fault), url


def write_train(
    path: Path | str, landmarks: Mapping[str, str], urls: Mapping[str, str] | None = None
) -> None:
    """Writes ``train.csv``.

    Args:
        path: the CSV file; an old one is replaced.
        landmarks: training image id -> landmark.
        urls: image id -> where it comes from, which may be unknown; None leaves the column out.

    Raises:
        LabelError: an id or a landmark is something that the file cannot say.
        StorageError: the file cannot be written.
    """
    if urls is None:
        _write_landmarks(path, landmarks)
        return
    rows = (
        (
            checked(image, id_fault),
            checked_text(urls[image]) if urls.get(image) else "",
            checked(landmark, word_fault),
        )
        for image, landmark in landmarks.items()
    )
    write_rows(path, ("id", "url", "landmark_id"), rows)


def read_train_clean(path: Path | str) -> dict[str, str]:
    """Reads ``train_clean.csv``: training image id -> landmark.

    Raises:
        LabelError: the file is missing or malformed.
    """
    path = Path(path)

    def items() -> Iterator[tuple[int, str, str]]:
        for line, (landmark, images) in read_rows(path, "landmark_id", "images"):
            checked_at(path, line, landmark, word_fault, what="landmark_id")
            if not images:
                raise line_error(path, line, f"landmark {landmark} has no images", FILL_IN)
            for image in images.split():
                yield line, image, landmark

    return unique(path, items())


def write_train_clean(path: Path | str, landmarks: Mapping[str, str]) -> None:
    """Writes ``train_clean.csv``: a line for each landmark, in the order in which they are met.

    Args:
        path: the CSV file; an old one is replaced.
        landmarks: training image id -> landmark.

    Raises:
        LabelError: an id or a landmark is something that the file cannot say.
        StorageError: the file cannot be written.
    """
    images: dict[str, list[str]] = {}
    for image, landmark in landmarks.items():
        images.setdefault(landmark, []).append(checked(image, id_fault))
    rows = ((checked(landmark, word_fault), " ".join(ids)) for landmark, ids in images.items())
    write_rows(path, ("landmark_id", "images"), rows)


def read_categories(path: Path | str) -> dict[str, str]:
    """Reads ``train_label_to_category.csv``: landmark -> category.

    Raises:
        LabelError: the file is missing or malformed.
    """
    rows = _rows_of_two(Path(path), "landmark_id", "category", _anything)
    return unique(Path(path), rows, word_fault)


def write_categories(path: Path | str, names: Mapping[str, str]) -> None:
    """Writes ``train_label_to_category.csv`` from landmark -> category.

    Raises:
        LabelError: a landmark or a category is something that the file cannot say.
        StorageError: the file cannot be written.
    """
    rows = ((checked(name, word_fault), checked_text(text)) for name, text in names.items())
    write_rows(path, ("landmark_id", "category"), rows)


def read_index_landmarks(path: Path | str) -> dict[str, str]:
    """Reads ``index_image_to_landmark.csv``: index image id -> landmark.

    Raises:
        LabelError: the file is missing or malformed.
    """
    return _read_landmarks(Path(path))


def write_index_landmarks(path: Path | str, landmarks: Mapping[str, str]) -> None:
    """Writes ``index_image_to_landmark.csv`` from index image id -> landmark.

    Raises:
        LabelError: an id or a landmark is something that the file cannot say.
        StorageError: the file cannot be written.
    """
    _write_landmarks(path, landmarks)


def read_ids(path: Path | str) -> list[str]:
    """Reads ``index.csv`` or ``test.csv``: image ids.

    Raises:
        LabelError: the file is missing or malformed.
    """
    path = Path(path)
    return list(unique(path, ((line, image, None) for line, (image,) in read_rows(path, "id"))))


def write_ids(path: Path | str, images: Iterable[str]) -> None:
    """Writes ``index.csv`` or ``test.csv`` from image ids.

    Raises:
        LabelError: an id is something that the file cannot say.
        StorageError: the file cannot be written.
    """
    write_rows(path, ("id",), ((checked(image, id_fault),) for image in images))


def _read_landmarks(path: Path) -> dict[str, str]:
    return unique(path, _rows_of_two(path, "id", "landmark_id", word_fault))


def _rows_of_two(path: Path, key: str, value: str, rule: Rule) -> Iterator[tuple[int, str, str]]:
    """Reads two columns; equal values are one string in memory, of which there are few."""
    shared: dict[str, str] = {}
    for line, (name, text) in read_rows(path, key, value):
        if text not in shared:
            shared[text] = checked_at(path, line, text, rule, what=value)
        yield line, name, shared[text]


def _anything(_: str) -> None:
    """The rule for texts that people read."""


def _write_landmarks(path: Path | str, landmarks: Mapping[str, str]) -> None:
    rows = (
        (checked(image, id_fault), checked(landmark, word_fault))
        for image, landmark in landmarks.items()
    )
    write_rows(path, ("id", "landmark_id"), rows)
