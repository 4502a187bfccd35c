"""The way in: build a toy city and write its photos and labels to a folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2

from steeple.demo.photo import take
from steeple.demo.plan import Entry, Plan, make_plan
from steeple.demo.tables import Tables
from steeple.errors import InputError

_CHUNK = 24  # photos a process takes at a time, more where a landmark has more,
_LARGEST = 72  # but never more than this
_AHEAD = 3  # chunks handed out per process before the first of them is back

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class City:
    """A toy city on disk.

    Attributes:
        root: the folder, in the layout of the Google Landmarks Dataset v2.
        seed: that drew it.
        photos: how many there are in all.
        landmarks: how many landmarks it has.
        unlabelled: how many of those have no training photo.
        train, index, test: photos per split.
        interiors: how many photos were taken inside a landmark.
        strangers: how many photos show no landmark.
    """

    root: Path
    seed: int
    photos: int
    landmarks: int
    unlabelled: int
    train: int
    index: int
    test: int
    interiors: int
    strangers: int


def build_city(
    out: Path,
    *,
    photos: int = 600,
    landmarks: int | None = None,
    seed: int = 0,
    size: int = 480,
    unlabelled: float = 0.2,
    training_only: bool = False,
    workers: int | None = None,
    progress: Progress | None = None,
) -> City:
    """Render a city of landmarks and write it as a labelled data set.

    The same arguments write the same bytes, however many workers there are.

    Args:
        out: a folder that does not exist yet, or is empty.
        photos: how many photos, at least 4.
        landmarks: how many landmarks; None chooses one for every 18 photos, but at least 3 where
            the photos reach for that.
        seed: another seed, another city; 0 or more.
        size: longer side of the photos in pixels, at least 64.
        unlabelled: share of the landmarks, 0 to 1, that have no training photos.
        training_only: every photo shows a landmark and is for training; for networks to learn from.
        workers: processes; None takes one for every processor.
        progress: called with photos done and photos in all.

    Raises:
        InputError: if an argument is out of bounds, or the folder is not empty.
    """
    out = Path(out)
    if landmarks is None:
        landmarks = min(max(3, photos // 18), max(1, (photos - 1) // 2))
    workers = (os.cpu_count() or 1) if workers is None else workers
    _check(out, photos, landmarks, seed=seed, size=size, unlabelled=unlabelled, workers=workers)
    if training_only:
        unlabelled = 0.0
    plan = make_plan(photos, landmarks, seed, unlabelled, training_only=training_only)
    out.mkdir(parents=True, exist_ok=True)
    tables = Tables(plan)
    done = 0
    for finished in _render(out, seed, size, _chunks(_groups(plan, tables)), workers):
        done += finished
        if progress is not None:
            progress(done, photos)
    tables.write(out)
    return City(
        root=out,
        seed=seed,
        photos=photos,
        landmarks=landmarks,
        unlabelled=int((~plan.labelled).sum()),
        strangers=plan.strangers,
        **tables.counts,
    )


def _check(
    out: Path,
    photos: int,
    landmarks: int,
    *,
    seed: int,
    size: int,
    unlabelled: float,
    workers: int,
) -> None:
    problems = (
        (photos < 4, f"photos is {photos}: a city needs at least 4; ask for more"),
        (size < 64, f"size is {size} pixels: nothing can be seen on less than 64; ask for more"),
        (landmarks < 1, f"landmarks is {landmarks}: a city needs at least 1; ask for more"),
        (
            2 * landmarks >= photos,
            (
                f"landmarks is {landmarks}: each takes 2 of the {photos} photos and one shows none;"
                f" ask for at least {2 * landmarks + 1} photos"
            ),
        ),
        (seed < 0, f"seed is {seed}: seeds start at 0; choose another"),
        (not 0.0 <= unlabelled <= 1.0, f"unlabelled is {unlabelled}: give a share from 0 to 1"),
        (workers < 1, f"workers is {workers}: at least 1 process must work; ask for 1 or more"),
        (
            out.exists() and not out.is_dir(),
            f"{out}: is a file, but a city needs a folder; choose another name",
        ),
        (
            out.is_dir() and any(out.iterdir()),
            f"{out}: the folder is not empty and a city would mix with its files; choose a new one",
        ),
    )
    for wrong, message in problems:
        if wrong:
            raise InputError(message)


def _groups(plan: Plan, tables: Tables) -> Iterator[list[Entry]]:
    """Photos landmark by landmark, then those without one in portions; noted down in passing."""
    for landmark in range(plan.landmarks):
        group = plan.landmark_entries(landmark)
        tables.add(group)
        yield group
    strangers = plan.stranger_entries()
    while group := list(islice(strangers, _CHUNK)):
        tables.add(group)
        yield group


def _chunks(groups: Iterator[list[Entry]]) -> Iterator[list[Entry]]:
    """Work for one process at a time: whole groups where possible, so that each is built once."""
    chunk: list[Entry] = []
    for group in groups:
        if chunk and len(chunk) + len(group) > _CHUNK:
            yield chunk
            chunk = []
        chunk += group
        while len(chunk) > _LARGEST:
            yield chunk[:_LARGEST]
            chunk = chunk[_LARGEST:]
    if chunk:
        yield chunk


def _render(
    out: Path, seed: int, size: int, chunks: Iterator[list[Entry]], workers: int
) -> Iterator[int]:
    """Render chunks in this process or in others; yields how many photos each chunk had."""
    if workers == 1:
        for chunk in chunks:
            yield _take_all(out, seed, size, chunk)
        return
    from loky import get_reusable_executor

    executor = get_reusable_executor(max_workers=workers)
    running: set[Future[int]] = set()
    try:
        for chunk in chunks:
            running.add(executor.submit(_take_all, out, seed, size, chunk))
            if len(running) >= _AHEAD * workers:
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in finished)
        while running:
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in finished)
    finally:
        for future in running:
            future.cancel()


def _take_all(out: Path, seed: int, size: int, entries: Sequence[Entry]) -> int:
    """Take photos and write them; returns how many."""
    threads = cv2.getNumThreads()
    # Processes share the work already; threads within them would only get in each other's way.
    cv2.setNumThreads(1)
    try:
        for entry in entries:
            name = entry.id
            folder = out / entry.split / name[0] / name[1] / name[2]
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{name}.jpg").write_bytes(take(seed, entry.photo, size))
    finally:
        cv2.setNumThreads(threads)
    return len(entries)
