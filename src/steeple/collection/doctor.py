"""Looks a collection over and repairs what can be derived from something else.

Checked, in this order: the database (SQLite's own check, references, the next free row); the
embedder; caches and left-overs; every descriptor (its file, its CRC-32, finite, of length 1 or
exactly 0); every photo (size first, and where that is the same, the hash of its content: this
reads all photos and takes the time that takes); the votes (looked up, named by images that vote,
and equal to a recount).

Repaired: a damaged descriptor is made again if its photo still has the content it was made from;
votes are refreshed; stale caches and left-overs go. A photo that is gone or changed is worth
knowing but no damage: the collection works without it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from steeple.collection.cohort import Cohort
from steeple.collection.columns import Columns
from steeple.collection.damage import (
    Damage,
    compare_photo,
    damaged_descriptors,
    embed_again,
    read_rows,
    store_again,
)
from steeple.collection.schema import damage_errors, put_setting
from steeple.collection.segments import ROWS
from steeple.collection.store import LocalStore
from steeple.collection.votes import outdated_votes, refresh_votes
from steeple.embedding.base import Embedder, load_embedder
from steeple.embedding.pipeline import available_cores
from steeple.errors import CollectionError, StorageError
from steeple.progress import Progress, silent

__all__ = ["Diagnosis", "Finding", "Kind", "check"]

Kind: TypeAlias = Literal[
    "database", "embedder", "segment", "descriptor", "votes", "cache", "leftover", "photo", "busy"
]

_NOTES = ("cache", "leftover", "photo", "busy")
_TOGETHER = 256  # photos embedded again per transaction


@dataclass(frozen=True)
class Finding:
    """Something about a collection that is not as it should be.

    Args:
        kind: where it was found.
        id: the image it is about; None if it is about more than one.
        detail: what it is, and the way out where there is one.
        repaired: whether it is as it should be now.
    """

    kind: Kind
    id: str | None
    detail: str
    repaired: bool = False

    @property
    def harmless(self) -> bool:
        """Whether the collection works as well with it."""
        return self.kind in _NOTES


@dataclass(frozen=True)
class Diagnosis:
    """What a check has found.

    Args:
        images: how many images were checked.
        findings: in the order they were found.
    """

    images: int
    findings: tuple[Finding, ...]

    @property
    def healthy(self) -> bool:
        """Whether no damage is left."""
        return all(finding.repaired or finding.harmless for finding in self.findings)


def check(
    folder: Path | str,
    *,
    repair: bool = False,
    workers: int | None = None,
    progress: Progress = silent,
) -> Diagnosis:
    """Checks a collection, and repairs it if told to.

    Args:
        folder: the collection.
        repair: whether to repair; takes the write lock.
        workers: processes that embed photos again; None takes one per core.
        progress: told the stage, images done and their number.

    Raises:
        CollectionError: if it is no collection, its database is beyond reading, or, when it is to
            be repaired, another process is writing.
        StorageError: if the disk is full or fails.
    """
    folder = Path(folder)
    with closing(LocalStore(folder)) as store, damage_errors(folder):
        if repair:
            with store.writing():
                findings = _examine(store, None, repair, workers, progress)
        else:
            findings = _examine(store, _other_writer(store), repair, workers, progress)
        return Diagnosis(len(store), tuple(findings))


def _other_writer(store: LocalStore) -> str | None:
    """What the lock says of another process that is writing now."""
    try:
        with store.writing():
            return None
    except CollectionError as error:
        return str(error)
    except StorageError:  # where nothing can be written, nobody writes
        return None


def _examine(
    store: LocalStore, busy: str | None, repair: bool, workers: int | None, progress: Progress
) -> list[Finding]:
    progress("database", 0, None)
    findings = _check_database(store, repair)
    if any(not finding.repaired for finding in findings):
        return findings  # what else would be found could not be trusted
    embedder, problem = _check_embedder(store)
    findings += problem
    if busy is None:
        findings += _check_files(store, repair)
    else:
        findings.append(
            Finding("busy", None, f"{busy}; votes, caches and left-overs were not checked")
        )
    damaged = list(damaged_descriptors(store, progress))
    findings += _short_segments(store, damaged, repair)
    if repair and damaged:
        findings += _repair_descriptors(store, embedder, damaged, workers, progress)
    else:
        findings += [Finding("descriptor", d.id, f"its descriptor {d.reason}") for d in damaged]
    findings += _check_photos(store, progress)
    if busy is None:
        progress("vote", 0, None)
        findings += _check_votes(store, repair)
    return findings


def _check_database(store: LocalStore, repair: bool) -> list[Finding]:
    connection = store.connection
    texts = [row[0] for row in connection.execute("PRAGMA integrity_check (10)") if row[0] != "ok"]
    texts += [
        f"row {row} of table {table} refers to a missing row of table {parent}"
        for table, row, parent, _ in connection.execute("PRAGMA foreign_key_check")
    ]
    way_out = "restore the collection from a backup or build it again"
    findings = [Finding("database", None, f"{text}; {way_out}") for text in texts]
    last = connection.execute("SELECT max(row) FROM image").fetchone()[0]
    if not findings and last is not None and int(store.setting("next_row")) <= last:
        if repair:
            with store.transaction():
                put_setting(connection, "next_row", last + 1)
        findings.append(Finding("database", None, "the next free row is taken", repair))
    return findings


def _check_embedder(store: LocalStore) -> tuple[Embedder | None, list[Finding]]:
    folder = store.setting("embedder_folder")
    if folder is None:
        return None, []
    try:
        return load_embedder(store.folder / folder), []
    except CollectionError as error:
        return None, [Finding("embedder", None, str(error))]


def _check_files(store: LocalStore, repair: bool) -> list[Finding]:
    """Caches that are stale or wrong, and what a killed process left behind."""
    generation = store.setting("generation")
    current = f"columns-{generation}.npy"
    found: list[tuple[Path, Kind, str]] = []
    for path in sorted((store.folder / "cache").glob("*")):
        if path.name != current:
            found.append((path, "cache", "belongs to an earlier state of the collection"))
        elif not Columns.read(store.connection, generation).equals_file(path):
            found.append((path, "cache", "does not show what the database holds"))
    for path in sorted(store.folder.glob("embedder-*")):
        if path.name != store.setting("embedder_folder"):
            reason = "was left behind by an interrupted command"
            found.append((path, "leftover", reason))
    if repair:
        for path, _, _ in found:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
    return [Finding(kind, None, f"{path} {what}", repair) for path, kind, what in found]


def _short_segments(store: LocalStore, damaged: list[Damage], repair: bool) -> list[Finding]:
    missing = [damage.row // ROWS for damage in damaged if damage.reason == "is missing"]
    return [
        Finding(
            "segment",
            None,
            f"{store.segments.path(number)} lacks {missing.count(number)} descriptors",
            repair,
        )
        for number in sorted(set(missing))
    ]


def _repair_descriptors(
    store: LocalStore,
    embedder: Embedder | None,
    damaged: list[Damage],
    workers: int | None,
    progress: Progress,
) -> Iterator[Finding]:
    for start in range(0, len(damaged), _TOGETHER):
        batch = damaged[start : start + _TOGETHER]
        reasons = {
            damage.row: compare_photo(damage.path, damage.hash, damage.size) for damage in batch
        }
        good = [damage for damage in batch if embedder and not reasons[damage.row]]
        made = embed_again(embedder, good, workers) if embedder else {}
        blank = np.zeros(store.segments.dimension, dtype=np.float32)
        # What cannot be made again and would lead searches astray is found by nobody from now on.
        changed = {damage.row: blank for damage in batch if damage.misleading} | made
        store_again(store, changed, made)
        for damage in batch:
            yield _repair_finding(store, damage, damage.row in made, reasons[damage.row])
        progress("repair", start + len(batch), len(damaged))


def _repair_finding(
    store: LocalStore, damage: Damage, repaired: bool, problem: str | None
) -> Finding:
    detail = f"its descriptor {damage.reason}"
    if repaired:
        return Finding("descriptor", damage.id, detail, repaired=True)
    why = f"its photo {damage.path} {problem}" if problem else "it cannot be embedded again"
    way_out = f"bring the photo back, or: steeple remove {store.folder} {damage.id!r}"
    return Finding("descriptor", damage.id, f"{detail}, and {why}; {way_out}")


def _check_photos(store: LocalStore, progress: Progress) -> Iterator[Finding]:
    total, done, after = len(store), 0, -1
    query = "SELECT row, id, path, hash, bytes FROM image WHERE row > ? ORDER BY row LIMIT ?"
    with ThreadPoolExecutor(available_cores()) as threads:
        while page := store.connection.execute(query, (after, _TOGETHER)).fetchall():
            problems = threads.map(lambda row: compare_photo(Path(row[2]), row[3], row[4]), page)
            for (_, image, path, _, _), problem in zip(page, problems, strict=True):
                if problem:
                    yield Finding("photo", image, f"{path} {problem}")
            after, done = page[-1][0], done + len(page)
            progress("photos", done, total)


def _check_votes(store: LocalStore, repair: bool) -> list[Finding]:
    k = store.setting("vote_neighbours")
    store.connection.execute("BEGIN")
    try:
        columns = Columns.read(store.connection, store.setting("generation"))
        pending, different = outdated_votes(store, columns, k)
    finally:
        store.connection.execute("COMMIT")
    findings = _check_cohort(store, repair)
    if pending:
        findings.append(Finding("votes", None, f"{pending} images wait for a vote"))
    if different:
        findings.append(Finding("votes", None, f"{different} votes differ from a recount"))
    if repair:
        refresh_votes(store, k=k, seed=store.setting("seed"))
        findings = [replace(finding, repaired=True) for finding in findings]
    return findings


def _check_cohort(store: LocalStore, repair: bool) -> list[Finding]:
    """The cohort holds descriptors of removed images too, which nothing else looks at."""
    vectors, there = read_rows(store, np.array(Cohort.stored(store).rows, dtype=np.int64))
    if there.all() and np.isfinite(vectors).all():
        return []
    if repair:
        with store.transaction() as connection:
            put_setting(connection, "cohort", None)  # another one is drawn with the next vote
    return [Finding("votes", None, "descriptors that set the scale of votes are damaged")]
