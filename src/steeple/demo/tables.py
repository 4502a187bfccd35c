"""The CSV files of a data set in the layout of the Google Landmarks Dataset v2."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from steeple.datasets.gldv2 import GldV2, Usage
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
        self._recognition: list[tuple[str, list[str], Usage]] = []
        self._retrieval: list[tuple[str, list[str], Usage]] = []

    def add(self, entries: Sequence[Entry]) -> None:
        """Take in all photos of one landmark, or any number of photos without one."""
        found = sorted(
            entry.id
            for entry in entries
            if entry.split == "index" and entry.photo.landmark != NO_LANDMARK
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
                usage: Usage = "Private" if entry.private else "Public"
                self._recognition.append((entry.id, [str(landmark)] if trained else [], usage))
                self._retrieval.append((entry.id, found, usage if found else "Ignored"))

    def write(self, root: Path) -> None:
        """Write all files into an existing folder."""
        names = {
            str(landmark + 1): name_of(self._plan.seed, landmark)
            for landmark in range(self._plan.landmarks)
        }
        recognition, retrieval = sorted(self._recognition), sorted(self._retrieval)
        GldV2(
            root=root,
            train=_labels(self._train),
            index=sorted(name for name, _ in self._index),
            index_landmarks=_labels(row for row in self._index if row[1] != NO_LANDMARK + 1),
            test=[name for name, *_ in recognition],
            retrieval_solution={name: found for name, found, _ in retrieval},
            recognition_solution={name: shown for name, shown, _ in recognition},
            usage={name: usage for name, _, usage in retrieval},
            recognition_usage={name: usage for name, _, usage in recognition},
            names=names,
        ).write(root)


def _labels(rows: Iterable[tuple[str, int]]) -> dict[str, str]:
    return {name: str(landmark) for name, landmark in sorted(rows)}
