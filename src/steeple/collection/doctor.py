"""Looks a collection over and repairs what can be derived from something else.

Checked, in this order: the database (SQLite's own check, references, the next free row and byte);
the embedder and what finds local features; caches and left-overs; every descriptor (its file, its
CRC-32, finite, of length 1 or exactly 0) and every photo's local features (their file, their
CRC-32); every photo (size first, and where that is the same, the hash of its content: this reads
all photos and takes the time that takes); the votes (looked up, named by images that vote, and
equal to a recount).

Repaired: damaged descriptors and local features are made again if their photo still has the
content they were made from; votes are refreshed; stale caches and left-overs go. A photo that is
gone or changed is worth knowing but no damage: the collection works without it.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from steeple.collection.beliefs import outdated_beliefs
from steeple.collection.caches import find_stale, refresh_caches, remove_cache
from steeple.collection.cohort import Cohort
from steeple.collection.columns import Columns
from steeple.collection.damage import (
    Damage,
    compare_photo,
    describe_again,
    find_damage,
    read_rows,
    short_files,
    store_again,
)
from steeple.collection.embedders import stored_extractor, try_embedder, try_out
from steeple.collection.intake import bring_votes_up_to_date
from steeple.collection.schema import damage_errors, put_setting
from steeple.collection.store import LocalStore
from steeple.collection.votes import outdated_votes
from steeple.embedding.base import Embedder, load_embedder
from steeple.errors import CollectionError, InputError, MachineError, StorageError
from steeple.geometry.strongest import Strongest
from steeple.progress import Progress, silent
from steeple.threads import available_cores

__all__ = ["Diagnosis", "Finding", "Kind", "check"]

Kind: TypeAlias = Literal[
    "database",
    "embedder",
    "extractor",
    "machine",
    "segment",
    "descriptor",
    "features",
    "votes",
    "cache",
    "leftover",
    "photo",
    "busy",
]

_NOTES = ("machine", "cache", "leftover", "photo", "busy")
_TOGETHER = 256  # photos described again per transaction


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
        workers: processes that describe photos again; None takes one per core.
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
    embedder, problems = _check_embedder(store)
    extractor, more = _check_extractor(store)
    findings += problems + more
    if busy is None:
        findings += _check_files(store, repair)
    else:
        findings.append(
            Finding("busy", None, f"{busy}; votes, caches and left-overs were not checked")
        )
    damaged = list(find_damage(store, progress))
    findings += [Finding("segment", None, text, repair) for text in short_files(store, damaged)]
    if repair and damaged:
        findings += _repair(store, embedder, extractor, damaged, workers=workers, progress=progress)
    else:
        findings += [Finding(kind, one.id, text) for one in damaged for kind, text in _said(one)]
    findings += _check_photos(store, progress)
    if busy is None:
        progress("vote", 0, None)
        findings += _check_votes(store, repair)
    if repair:
        refresh_caches(store, since=None, progress=progress)
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
    end = store.last_byte()
    if not findings and int(store.setting("next_byte")) < end:
        if repair:
            with store.transaction():
                put_setting(connection, "next_byte", end)
        findings.append(Finding("database", None, "the next free byte is taken", repair))
    return findings


def _check_embedder(store: LocalStore) -> tuple[Embedder | None, list[Finding]]:
    folder = store.setting("embedder_folder")
    if folder is None:
        return None, []
    try:
        embedder = load_embedder(store.folder / folder)
        try_embedder(embedder)
        return embedder, []
    except InputError as error:  # or a CollectionError, which is one
        return None, [Finding("embedder", None, str(error))]
    except MachineError as error:  # what lacks is beside the collection
        return None, [Finding("machine", None, f"photos cannot be described here: {error}")]


def _check_extractor(store: LocalStore) -> tuple[Strongest | None, list[Finding]]:
    try:
        extractor = stored_extractor(store)
        if extractor is not None:
            try_out(extractor)
        return extractor, []
    except InputError as error:  # or a CollectionError, which is one
        return None, [Finding("extractor", None, str(error))]
    except MachineError as error:  # what lacks is beside the collection
        return None, [Finding("machine", None, f"local features cannot be found here: {error}")]


def _check_files(store: LocalStore, repair: bool) -> list[Finding]:
    """Caches that are stale or wrong, and what a killed process left behind."""
    found: list[tuple[Path, Kind, str]] = [
        (path, "cache", reason) for path, reason in find_stale(store)
    ]
    for path in sorted(store.folder.glob("embedder-*")):
        if path.name != store.setting("embedder_folder"):
            reason = "was left behind by an interrupted command"
            found.append((path, "leftover", reason))
    if repair:
        for path, _, _ in found:
            remove_cache(path)
    return [Finding(kind, None, f"{path} {what}", repair) for path, kind, what in found]


def _said(damage: Damage) -> Iterator[tuple[Kind, str]]:
    """What is wrong with an image, in words."""
    if damage.descriptor:
        yield "descriptor", f"its descriptor {damage.descriptor}"
    if damage.features:
        yield "features", f"its local features {damage.features}"


def _repair(
    store: LocalStore,
    embedder: Embedder | None,
    extractor: Strongest | None,
    damaged: list[Damage],
    *,
    workers: int | None,
    progress: Progress,
) -> Iterator[Finding]:
    for start in range(0, len(damaged), _TOGETHER):
        batch = damaged[start : start + _TOGETHER]
        problems = {one.row: compare_photo(one.path, one.hash, one.size) for one in batch}
        good = [one for one in batch if not problems[one.row]]
        remade = describe_again(embedder, extractor, good, workers)
        store_again(store, batch, remade)
        for damage in batch:
            for kind, text in _said(damage):
                made = remade.descriptors if kind == "descriptor" else remade.features
                if damage.row in made:
                    yield Finding(kind, damage.id, text, repaired=True)
                else:
                    yield _unrepaired(store, damage, kind, text, problems[damage.row])
        progress("repair", start + len(batch), len(damaged))


def _unrepaired(
    store: LocalStore, damage: Damage, kind: Kind, text: str, problem: str | None
) -> Finding:
    why = f"its photo {damage.path} {problem}" if problem else "it cannot be described again"
    way_out = f"bring the photo back, or: steeple remove {store.folder} {damage.id!r}"
    return Finding(kind, damage.id, f"{text}, and {why}; {way_out}")


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
    store.connection.execute("BEGIN")
    try:
        columns = Columns.read(store.connection, store.setting("generation"))
        pending, different = outdated_votes(store, columns)
        unverified, misjudged = outdated_beliefs(store, columns)
    finally:
        store.connection.execute("COMMIT")
    counts = {
        f"{pending} images wait for a vote": pending,
        f"{different} votes differ from a recount": different,
        f"{unverified} images wait for their voters to be verified": unverified,
        f"{misjudged} verified votes differ from a recount": misjudged,
    }
    findings = _check_cohort(store, repair)
    findings += [Finding("votes", None, text) for text, count in counts.items() if count]
    if repair:
        bring_votes_up_to_date(store)
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
