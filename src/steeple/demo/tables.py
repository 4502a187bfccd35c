"""The CSV files of a data set in the layout of the Google Landmarks Dataset v2."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from steeple.demo.photo import NO_LANDMARK
from steeple.demo.places.landmarks import name_of
from steeple.demo.plan import Entry, Plan


class Tables:
    """Rows gathered landmark by landmark, written in order of id at the end.

    Landmark ids in the files count from 1; queries whose landmark has no training photo cannot be
    recognised and have no landmark in the recognition solution, as in the public data set.

    Attributes:
        counts: photos per split, and "interiors".
    """

    def __init__(self, plan: Plan) -> None:
        self.counts = dict.fromkeys(("train", "index", "test", "interiors"), 0)
        self._plan = plan
        self._train: list[tuple[str, int]] = []
        self._index: list[tuple[str, int]] = []
        self._recognition: list[tuple[str, str, str]] = []
        self._retrieval: list[tuple[str, str, str]] = []

    def add(self, entries: Sequence[Entry]) -> None:
        """Take in all photos of one landmark, or any number of photos without one."""
        found = " ".join(
            sorted(
                entry.id
                for entry in entries
                if entry.split == "index" and entry.photo.landmark != NO_LANDMARK
            )
        )
        trained = any(entry.split == "train" for entry in entries)
        for entry in entries:
            self.counts[entry.split] += 1
            self.counts["interiors"] += entry.photo.interior
            landmark = entry.photo.landmark + 1
            if entry.split == "train":
                self._train.append((entry.id, landmark))
            elif entry.split == "index":
                self._index.append((entry.id, landmark))
            else:
                usage = "Private" if entry.private else "Public"
                self._recognition.append((entry.id, str(landmark) if trained else "", usage))
                self._retrieval.append((entry.id, found or "None", usage if found else "Ignored"))

    def write(self, root: Path) -> None:
        """Write all files into an existing folder."""
        ids = ("id",)
        _write(root / "train.csv", ("id", "landmark_id"), sorted(self._train))
        _write(
            root / "train_label_to_category.csv",
            ("landmark_id", "category"),
            (
                (landmark + 1, name_of(self._plan.seed, landmark))
                for landmark in range(self._plan.landmarks)
            ),
        )
        index = sorted(self._index)
        _write(root / "index.csv", ids, ((name,) for name, _ in index))
        shown = (row for row in index if row[1] != NO_LANDMARK + 1)
        _write(root / "index_image_to_landmark.csv", ("id", "landmark_id"), shown)
        recognition = sorted(self._recognition)
        _write(root / "test.csv", ids, ((name,) for name, _, _ in recognition))
        _write(root / "recognition_solution_v2.1.csv", ("id", "landmarks", "Usage"), recognition)
        _write(
            root / "retrieval_solution_v2.1.csv", ("id", "images", "Usage"), sorted(self._retrieval)
        )


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
