"""The photos that are learned from: found, labelled, and with the sizes that batches go by.

Needs no PyTorch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from steeple.errors import ImageError, InputError, NothingToDoError
from steeple.images import image_size
from steeple.processes import in_processes
from steeple.progress import Progress, silent
from steeple.training.labelled import labelled_paths

__all__ = ["LeftOut", "TrainingSet", "read_photos"]

Ids: TypeAlias = npt.NDArray[np.int64]
Sizes: TypeAlias = npt.NDArray[np.int32]

_CHUNK = 256  # photos whose headers a worker reads at a time: some 30 ms
_NAMED = 1000  # unreadable photos that are named: a data set half downloaded has a million


@dataclass(frozen=True)
class LeftOut:
    """What a training set does without.

    Args:
        unreadable: photos that cannot be read,
        reasons: (path, reason) of the first 1000 of them.
        landmarks: those with too few photos that can,
        photos: and these photos.
    """

    unreadable: int = 0
    reasons: tuple[tuple[str, str], ...] = ()
    landmarks: int = 0
    photos: int = 0

    def notes(self) -> list[str]:
        """The same as lines for people; none where nothing is left out."""
        lines = []
        if self.unreadable:
            first = self.reasons[0][1]
            lines.append(f"{self.unreadable:,} photos left out that cannot be read: {first}")
        if self.landmarks:
            lines.append(
                f"{self.landmarks:,} landmarks left out that have too few photos "
                f"({self.photos:,} photos)"
            )
        return lines


@dataclass(frozen=True)
class TrainingSet:
    """n photos of C landmarks, numbered from 0.

    Args:
        paths: n of them.
        targets: (n,) int64, the landmark of each photo, 0 to C - 1.
        landmarks: C names, sorted; of GLD-v2, its numbers as text.
        sizes: (n, 2) int32, width and height in pixels, upright.
        left_out: what is not among them, and why.
    """

    paths: Sequence[str]
    targets: Ids
    landmarks: tuple[str, ...]
    sizes: Sizes
    left_out: LeftOut = LeftOut()

    def __len__(self) -> int:
        """n, the number of photos."""
        return len(self.paths)


def read_photos(
    root: Path | str,
    landmarks: Path | str | None = None,
    *,
    clean: str = "use",
    least: int = 2,
    skip_missing: bool = False,
    workers: int | None = None,
    progress: Progress = silent,
) -> TrainingSet:
    """Finds the labelled photos of a source and reads their sizes.

    Args:
        root: a folder in GLD-v2 layout, whose training photos are taken; a folder with one folder
            of photos for each landmark; one with a CSV of labels; or a collection, whose labelled
            photos are taken where they lie.
        landmarks: a CSV of labels, as for `read_source`.
        clean: ``use`` or ``ignore`` the ``train_clean.csv`` of a GLD-v2 folder; or the path of
            another table of what stays, of any source: ``landmark_id,images`` or ``id,landmark``.
            Of a GLD-v2 folder such a table says the labels, too.
        least: photos a landmark needs; others are left out.
        skip_missing: leave out labels of photos that are not there instead of refusing them.
        workers: processes that read sizes; None takes one per core.
        progress: called with "sizes", photos done, and their number.

    Raises:
        InputError: if the folder does not exist, if none of the photos can be read, or if fewer
            than two landmarks are left to be told apart.
        LabelError: if labels are malformed or contradict the photos.
        NothingToDoError: if there is no photo, or none has a label.
        MachineError: if a worker process is killed.
    """
    root = Path(root)
    paths, labels, names = _numbered(
        labelled_paths(root, landmarks, clean=clean, skip_missing=skip_missing)
    )
    if not paths:
        raise NothingToDoError(
            f"{root} holds no labelled photo; put photos into one folder per landmark, or give "
            "a CSV with --landmarks"
        )
    wanted = _of_many(labels, np.arange(len(labels)), least)
    sizes, reasons = _read_sizes(paths, wanted, workers, progress)
    readable = wanted[sizes[wanted, 0] > 0]
    if len(wanted) and not len(readable):
        raise InputError(f"none of the {len(wanted):,} photos can be read: {reasons[0][1]}")
    kept = _of_many(labels, readable, least)  # what cannot be read does not count
    numbers, targets = np.unique(labels[kept], return_inverse=True)
    _check_landmarks(root, [names[number] for number in numbers.tolist()], least)
    unreadable = len(wanted) - len(readable)
    return TrainingSet(
        [paths[place] for place in kept.tolist()],
        targets.astype(np.int64),
        tuple(names[number] for number in numbers.tolist()),
        sizes[kept],
        LeftOut(
            unreadable,
            tuple(reasons),
            len(names) - len(numbers),
            len(paths) - unreadable - len(kept),
        ),
    )


def _numbered(pairs: Iterator[tuple[str, str]]) -> tuple[list[str], Ids, list[str]]:
    """(path, name) pairs to paths, the (n,) numbers of their names, and the names, sorted."""
    paths, labels, places = list[str](), list[int](), dict[str, int]()
    for path, name in pairs:
        paths.append(path)
        labels.append(places.setdefault(name, len(places)))
    names = sorted(places)
    ranks = np.empty(len(names), dtype=np.int64)
    ranks[[places[name] for name in names]] = np.arange(len(names))
    return paths, ranks[np.array(labels, dtype=np.int64)], names


def _of_many(labels: Ids, photos: Ids, least: int) -> Ids:
    """Those of some photos whose label at least so many of them have."""
    own = labels[photos]
    return photos[np.bincount(own, minlength=1)[own] >= least]


def _read_sizes(
    paths: list[str], wanted: Ids, workers: int | None, progress: Progress
) -> tuple[Sizes, list[tuple[str, str]]]:
    """(n, 2) int32 sizes, 0 where not wanted or not to be had, and why the first were not."""
    sizes = np.zeros((len(paths), 2), dtype=np.int32)
    reasons: list[tuple[str, str]] = []
    parts = [wanted[start : start + _CHUNK] for start in range(0, len(wanted), _CHUNK)]
    chunks = ([paths[place] for place in part.tolist()] for part in parts)
    done = 0
    progress("sizes", 0, len(wanted))
    for part, found in zip(parts, in_processes(_sizes, chunks, workers=workers), strict=True):
        for place, size in zip(part.tolist(), found, strict=True):
            if not isinstance(size, str):
                sizes[place] = size
            elif len(reasons) < _NAMED:
                reasons.append((paths[place], size))
        done += len(part)
        progress("sizes", done, len(wanted))
    return sizes, reasons


def _sizes(paths: list[str]) -> list[tuple[int, int] | str]:
    """Width and height of each photo, or why they cannot be read."""
    found: list[tuple[int, int] | str] = []
    for path in paths:
        try:
            found.append(image_size(path))
        except ImageError as error:
            found.append(str(error))
    return found


def _check_landmarks(root: Path, names: list[str], least: int) -> None:
    """Refuses what nothing can be learned from."""
    if not names:
        raise InputError(
            f"{root}: no landmark has {least} photos or more; give more photos of each, or ask "
            "for fewer with least in [data]"
        )
    if len(names) == 1:
        raise InputError(
            f"{root}: {names[0]!r} is the only landmark with enough photos ({least} or more), and "
            "a network learns by telling landmarks apart; give photos of another"
        )
