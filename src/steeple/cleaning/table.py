"""What a cleaning leaves: a table of the images that stay."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

from steeple.cleaning.labelled import LabelledImages
from steeple.cleaning.rule import Decision
from steeple.cleaning.shards import shards_of
from steeple.datasets.gldv2 import write_rows
from steeple.errors import InputError

__all__ = ["Form", "check_ids", "write_table"]


class Form(StrEnum):
    """The forms of the table."""

    GLDV2 = "gldv2"
    """``landmark_id,images``, ids separated by spaces, as GLD-v2's own ``train_clean.csv``."""
    LABELS = "labels"
    """``id,landmark``, as `steeple build --landmarks` reads it."""


def check_ids(images: LabelledImages, form: Form) -> None:
    """Sees to it that the table can say every id.

    Raises:
        InputError: if an id holds a space that the form has no room for.
    """
    if form is Form.LABELS:
        return
    query = "SELECT id FROM image WHERE id GLOB '*[ ' || char(9, 10, 11, 12, 13) || ']*' LIMIT 1"
    found = images.store.connection.execute(query).fetchone()
    if found:
        raise InputError(
            f"the id {found[0]!r} holds a space, which separates ids in landmark_id,images; "
            "write id,landmark instead with --format labels"
        )


def write_table(images: LabelledImages, decision: Decision, out: Path, form: Form) -> None:
    """Writes the images that stay, landmark by landmark; whole, or not at all.

    Args:
        images: all labelled images.
        decision: what becomes of them.
        out: the CSV file; an old one is replaced.
        form: of the table.

    Raises:
        StorageError: if it cannot be written.
    """
    groups = _groups(images, decision)
    if form is Form.GLDV2:
        write_rows(out, ("landmark_id", "images"), ((name, " ".join(ids)) for name, ids in groups))
    else:
        write_rows(
            out, ("id", "landmark"), ((image, name) for name, ids in groups for image in ids)
        )


def _groups(images: LabelledImages, decision: Decision) -> Iterator[tuple[str, list[str]]]:
    """Landmark by landmark its name and the ids that stay, in the order of their numbers."""
    name, ids = "", list[str]()
    for _, numbers in shards_of(images.training.labels):
        found = images.find(numbers[decision.kept[numbers]])
        for number in numbers.tolist():
            if number not in found:
                continue
            landmark = images.names[int(images.training.labels[number])]
            if landmark != name and ids:
                yield name, ids
                ids = []
            name = landmark
            ids.append(found[number].id)
    if ids:
        yield name, ids
