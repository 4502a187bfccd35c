"""Where labelled photos lie: those of any source, or of a collection, before or after cleaning.

Needs no PyTorch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from steeple.cleaning.labelled import LabelledPhotos, is_collection
from steeple.collection.columns import TRAINING
from steeple.collection.sources import read_source
from steeple.collection.store import LocalStore
from steeple.datasets.gldv2 import GldV2, read_train_clean
from steeple.datasets.gldv2.tables import read_rows, unique
from steeple.datasets.names import id_fault
from steeple.errors import InputError, LabelError

__all__ = ["labelled_paths"]


def labelled_paths(
    root: Path, landmarks: Path | str | None, *, clean: str, skip_missing: bool
) -> Iterator[tuple[str, str]]:
    """The path and the landmark of every labelled photo, in a fixed order.

    Args:
        root: a folder of photos, in GLD-v2 layout or not, or a collection.
        landmarks: a CSV of labels, as for `read_source`.
        clean: ``use`` or ``ignore`` the ``train_clean.csv`` of a GLD-v2 folder, or another table
            of what stays.
        skip_missing: leave out labels of photos that are not there instead of refusing them.

    Raises:
        InputError: if there is no such folder, or none of its photos stays.
        LabelError: if labels are malformed or contradict the photos.
        NothingToDoError: if there is no photo.
    """
    table = None if clean in ("use", "ignore") else Path(clean)
    if root.is_dir() and is_collection(root):
        if landmarks is not None:
            raise InputError(f"{root} is a collection, which has its labels; leave out --landmarks")
        yield from _staying(_of_collection(root), root, table)
        return
    source = read_source(root, landmarks, skip_missing=skip_missing)
    tables = source.gldv2
    if tables is None:
        photos = LabelledPhotos(source.root, source.labels)
        named = ((photo.id, str(photo.path), photo.landmark or "") for photo in photos)
        yield from _staying(named, root, table)
        return
    if table is not None:
        tables = replace(tables, train=_read_table(table, in_gldv2=True))
    elif clean == "ignore":
        tables = GldV2.read(root, clean=False)
    for image, landmark in tables.train.items():
        yield str(tables.photo("train", image)), landmark


def _of_collection(folder: Path) -> Iterator[tuple[str, str, str]]:
    with closing(LocalStore(folder)) as store:
        for image in store:
            if image.landmark is not None and image.role & TRAINING:
                yield image.id, image.path, image.landmark


def _staying(
    photos: Iterable[tuple[str, str, str]], root: Path, table: Path | None
) -> Iterator[tuple[str, str]]:
    """Path and landmark of those (id, path, landmark) whose ids are in the table, if there is one.

    Raises:
        InputError: if none is.
    """
    staying = None if table is None else _read_table(table, in_gldv2=False)
    none = True
    for name, path, landmark in photos:
        if staying is None or name in staying:
            none = False
            yield path, landmark
    if none and staying is not None:
        raise InputError(
            f"{table}: none of its photos is a labelled one of {root}; give the table that "
            "'steeple clean' wrote for it"
        )


def _read_table(table: Path, *, in_gldv2: bool) -> dict[str, str]:
    """Id -> landmark, from either form that `steeple clean` writes."""
    try:
        with table.open("rb") as file:
            header = file.readline(1 << 16)
    except OSError as error:
        raise LabelError(
            f"{table}: {error.strerror}; give use, ignore, or the table that 'steeple clean' wrote"
        ) from error
    lists = b"landmark_id" in header
    if lists and in_gldv2:
        return read_train_clean(table)
    if not lists:
        rows = ((line, name, label) for line, (name, label) in read_rows(table, "id", "landmark"))
        return unique(table, rows, id_fault if in_gldv2 else _any)
    # The ids of other sources are paths within them, which lie where they were found.
    return unique(
        table,
        (
            (line, name, label)
            for line, (label, names) in read_rows(table, "landmark_id", "images")
            for name in names.split()
        ),
        _any,
    )


def _any(_: str) -> None:
    """The rule for names that are looked for among photos that were found."""
