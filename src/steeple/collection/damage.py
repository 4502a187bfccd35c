"""Descriptors that are not what was stored: finding them, and making them again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from steeple.collection.adding import hash_file
from steeple.collection.cohort import Cohort
from steeple.collection.schema import put_setting
from steeple.collection.segments import ROWS, checksum
from steeple.collection.store import LocalStore
from steeple.collection.voters import Voters
from steeple.embedding.base import Embedder
from steeple.embedding.pipeline import prepare_files
from steeple.progress import Progress
from steeple.retrieval.types import Floats, Ids

__all__ = [
    "Damage",
    "compare_photo",
    "damaged_descriptors",
    "embed_again",
    "read_rows",
    "store_again",
]

Bools: TypeAlias = npt.NDArray[np.bool_]

_PAGE = 4096  # images looked at together: 8 MiB of descriptors
_LENGTH_ERROR = 1e-3  # float32 rounding stays a thousand times below


@dataclass(frozen=True)
class Damage:
    """A descriptor that is not what was stored.

    Args:
        row: where it lies.
        id: the image.
        path: the image's photo.
        hash: BLAKE2b-128 of the photo when it was added.
        size: of the photo then, in bytes.
        reason: what is wrong with it.
        misleading: whether a search would be led astray by it.
    """

    row: int
    id: str
    path: Path
    hash: bytes
    size: int
    reason: str
    misleading: bool


def damaged_descriptors(store: LocalStore, progress: Progress) -> Iterator[Damage]:
    """Every descriptor that is not what was stored, in the order of rows."""
    total, done, after = len(store), 0, -1
    query = (
        "SELECT row, id, path, hash, bytes, checksum FROM image WHERE row > ? ORDER BY row LIMIT ?"
    )
    while page := store.connection.execute(query, (after, _PAGE)).fetchall():
        rows = np.array([row[0] for row in page], dtype=np.int64)
        vectors, there = read_rows(store, rows)
        finite: Bools = np.asarray(np.isfinite(vectors).all(axis=1))
        lengths = np.linalg.norm(np.where(finite[:, None], vectors, 0), axis=1)
        sound: Bools = finite & ((lengths == 0) | (np.abs(lengths - 1) < _LENGTH_ERROR))
        for place, (row, image, path, digest, size, expected) in enumerate(page):
            if not there[place]:
                reason = "is missing"
            elif checksum(vectors[place]) != expected:
                reason = "does not match its checksum"
            elif not finite[place]:
                reason = "is not finite"
            elif not sound[place]:
                reason = f"has length {lengths[place]:.4g}, neither 1 nor 0"
            else:
                continue
            misleading = not (there[place] and sound[place])
            yield Damage(row, image, Path(path), digest, size, reason, misleading)
        after, done = page[-1][0], done + len(page)
        progress("descriptors", done, total)


def read_rows(store: LocalStore, rows: Ids) -> tuple[Floats, Bools]:
    """Descriptors by ordinary reads, because a failing disk kills who reads it through a map.

    Returns:
        (n, D) float32, zeros where nothing could be read, and (n,) bool, where something was.
    """
    out = np.zeros((len(rows), store.segments.dimension), dtype=np.float32)
    there = np.zeros(len(rows), dtype=bool)
    if not len(rows):
        return out, there
    breaks = np.flatnonzero((np.diff(rows) != 1) | (rows[1:] % ROWS == 0)) + 1
    for run in np.split(np.arange(len(rows)), breaks):
        number, place = divmod(int(rows[run[0]]), ROWS)
        part = np.zeros((len(run), out.shape[1]), dtype=np.float32)
        try:
            with store.segments.path(number).open("rb") as file:
                file.seek(place * part.itemsize * part.shape[1])
                read = file.readinto(part.reshape(-1).view(np.uint8).data)
        except OSError:
            continue
        whole = run[: read // (part.itemsize * part.shape[1])]
        out[whole] = part[: len(whole)]
        there[whole] = True
    return out, there


def embed_again(
    embedder: Embedder, damaged: Sequence[Damage], workers: int | None
) -> dict[int, Floats]:
    """Descriptors by row, without those whose photo cannot be read after all."""
    paths = [damage.path for damage in damaged]
    results = prepare_files(paths, embedder.prepare, embedder.max_side, workers=workers)
    readable = [(d.row, r) for d, r in zip(damaged, results, strict=True) if r.error is None]
    vectors = embedder.encode([result.result for _, result in readable])
    return {row: vector for (row, _), vector in zip(readable, vectors, strict=True)}


def store_again(store: LocalStore, changed: dict[int, Floats], made: dict[int, Floats]) -> None:
    """Writes over descriptors, and forgets every lookup that used the old ones."""
    if not changed:
        return
    for row in sorted(changed):
        store.segments.write(row, changed[row][None])
    rows = np.array(sorted(changed), dtype=np.int64)
    with store.snapshot() as columns:
        voters = Voters.load(store.connection)
        affected = np.isin(voters.rows, rows).any(axis=1) | np.isin(columns.rows, rows)
        cohort = Cohort.stored(store)
        forgotten = columns.rows[affected].tolist()
    with store.transaction() as connection:
        connection.executemany(
            "UPDATE image SET checksum = ? WHERE row = ?",
            ((checksum(vector), row) for row, vector in made.items()),
        )
        connection.executemany(
            "UPDATE image SET voters = NULL WHERE row = ?", ((row,) for row in forgotten)
        )
        connection.executemany(
            "UPDATE image SET counted = 0, ordinary = NULL, spread = NULL WHERE row = ?",
            ((row,) for row in changed),
        )
        if not set(changed).isdisjoint(cohort.rows):
            put_setting(connection, "cohort", None)  # another one is drawn with the next vote


def compare_photo(path: Path, digest: bytes, size: int) -> str | None:
    """What has become of a photo since it was added; None if it is the same."""
    try:
        if path.stat().st_size != size:
            return "has another size now"
        return None if hash_file(path)[0] == digest else "has another content now"
    except FileNotFoundError:
        return "is gone"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
