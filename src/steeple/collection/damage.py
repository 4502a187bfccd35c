"""Descriptors and local features that are not what was stored: finding and remaking them."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from steeple.collection.adding import hash_file
from steeple.collection.caches import remove_derived
from steeple.collection.cohort import Cohort
from steeple.collection.graphs import count_repair
from steeple.collection.schema import put_setting
from steeple.collection.segments import ROWS, checksum
from steeple.collection.store import LocalStore
from steeple.collection.voters import Voters
from steeple.embedding.base import RGB, Embedder
from steeple.embedding.pipeline import prepare_files
from steeple.geometry.features import Features
from steeple.geometry.strongest import Strongest
from steeple.progress import Progress
from steeple.retrieval.types import Floats, Ids

__all__ = [
    "Damage",
    "Remade",
    "compare_photo",
    "describe_again",
    "find_damage",
    "read_rows",
    "short_files",
    "store_again",
]

Bools: TypeAlias = npt.NDArray[np.bool_]

_PAGE = 4096  # images looked at together: 8 MiB of descriptors
_IS_MISSING, _MISSING = "is missing", "are missing"
_LENGTH_ERROR = 1e-3  # float32 rounding stays a thousand times below


@dataclass(frozen=True)
class Damage:
    """An image of which something is not what was stored.

    Args:
        row: where its descriptor lies.
        id: the image.
        path: the image's photo.
        hash: BLAKE2b-128 of the photo when it was added.
        size: of the photo then, in bytes.
        place: where its local features lie; None if that is not known.
        count: how many they are.
        descriptor: what is wrong with its descriptor; None if nothing is.
        misleading: whether a search would be led astray by its descriptor.
        features: what is wrong with its local features; None if nothing is.
    """

    row: int
    id: str
    path: Path
    hash: bytes
    size: int
    place: int | None
    count: int
    descriptor: str | None
    misleading: bool
    features: str | None

    @property
    def unreadable(self) -> bool:
        """Whether whoever asks for its local features gets an error."""
        return self.features == _MISSING


def find_damage(store: LocalStore, progress: Progress) -> Iterator[Damage]:
    """Every image of which something is not what was stored, in the order of rows."""
    total, done, after = len(store), 0, -1
    query = (
        "SELECT row, id, path, hash, bytes, place, ifnull(features, 0), checksum, features_checksum"
        " FROM image WHERE row > ? ORDER BY row LIMIT ?"
    )
    while page := store.connection.execute(query, (after, _PAGE)).fetchall():
        rows = np.array([row[0] for row in page], dtype=np.int64)
        found = _examine_descriptors(store, rows, [row[7] for row in page])
        for (*image, _, features_checksum), (reason, misleading) in zip(page, found, strict=True):
            row, name, path, digest, size, place, count = image
            features = _examine_features(store, place, count, features_checksum)
            if reason or features:
                yield Damage(
                    row, name, Path(path), digest, size, place, count, reason, misleading, features
                )
        after, done = page[-1][0], done + len(page)
        progress("descriptors", done, total)


def _examine_descriptors(
    store: LocalStore, rows: Ids, checksums: list[int]
) -> Iterator[tuple[str | None, bool]]:
    """Per row what is wrong with its descriptor, if anything, and whether that is misleading."""
    vectors, there = read_rows(store, rows)
    finite: Bools = np.asarray(np.isfinite(vectors).all(axis=1))
    lengths = np.linalg.norm(np.where(finite[:, None], vectors, 0), axis=1)
    sound: Bools = finite & ((lengths == 0) | (np.abs(lengths - 1) < _LENGTH_ERROR))
    for place, expected in enumerate(checksums):
        reason = None
        if not there[place]:
            reason = _IS_MISSING
        elif checksum(vectors[place]) != expected:
            reason = "does not match its checksum"
        elif not finite[place]:
            reason = "is not finite"
        elif not sound[place]:
            reason = f"has length {lengths[place]:.4g}, neither 1 nor 0"
        yield reason, not (there[place] and sound[place])


def _examine_features(
    store: LocalStore, place: int | None, count: int, expected: int | None
) -> str | None:
    """What is wrong with the local features of an image, if anything."""
    if store.feature_files is None:
        return None
    data = None if place is None else store.feature_files.read_bytes(place, count)
    if data is None:
        return _MISSING
    return None if zlib.crc32(data) == expected else "do not match their checksum"


def short_files(store: LocalStore, damaged: Sequence[Damage]) -> Iterator[str]:
    """The files that are missing or too short, and what they lack."""
    rows = Counter(damage.row // ROWS for damage in damaged if damage.descriptor == _IS_MISSING)
    for number, count in sorted(rows.items()):
        yield f"{store.segments.path(number)} lacks {count} descriptors"
    if files := store.feature_files:
        places = Counter(
            files.locate(damage.place)[0]
            for damage in damaged
            if damage.unreadable and damage.place is not None
        )
        for number, count in sorted(places.items()):
            yield f"{files.path(number)} lacks the local features of {count} photos"


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


@dataclass(frozen=True)
class Remade:
    """What was made again of photos, by row.

    Args:
        descriptors: (D,) float32 each.
        features: of whom local features were wanted.
    """

    descriptors: dict[int, Floats]
    features: dict[int, Features]


def describe_again(
    embedder: Embedder | None,
    extractor: Strongest | None,
    damaged: Sequence[Damage],
    workers: int | None,
) -> Remade:
    """Makes again what is damaged, in one pass over the photos.

    Args:
        embedder: makes descriptors; None if it cannot.
        extractor: finds local features; None if it cannot.
        damaged: images whose photos are what they were.
        workers: processes; None takes one per core.

    Returns:
        What could be made; a photo that cannot be read after all is left out.
    """
    wanted = [d for d in damaged if (d.descriptor and embedder) or (d.features and extractor)]
    results = prepare_files(
        [damage.path for damage in wanted],
        embedder.prepare if embedder else _nothing,
        # Both as when the photo was added, so that what is made is what was there.
        embedder.max_side if embedder else extractor.max_side if extractor else 1,
        extractor=extractor,
        workers=workers,
    )
    readable = [(d, r) for d, r in zip(wanted, results, strict=True) if r.error is None]
    embedded = [(d.row, r.result) for d, r in readable if d.descriptor and embedder]
    vectors = embedder.encode([result for _, result in embedded]) if embedder else ()
    return Remade(
        {row: vector for (row, _), vector in zip(embedded, vectors, strict=True)},
        {d.row: r.features for d, r in readable if d.features and r.features is not None},
    )


def _nothing(image: RGB) -> None:
    """An embedder's `prepare` where there is no embedder."""


def store_again(store: LocalStore, damaged: Sequence[Damage], remade: Remade) -> None:
    """Writes over what is damaged, and forgets every lookup that used it.

    What cannot be made again and would lead searches astray, or end them with an error, is blank
    from now on: such a descriptor resembles nothing, such local features are none. Their checksums
    stay as they were, so that the damage is not forgotten.
    """
    blank = np.zeros(store.segments.dimension, dtype=np.float32)
    vectors = {d.row: blank for d in damaged if d.misleading} | remade.descriptors
    lost = [d.row for d in damaged if d.unreadable and d.row not in remade.features]
    changed = sorted({*vectors, *remade.features, *lost})
    if not changed:
        return
    if vectors:
        remove_derived(store)
    for row, vector in sorted(vectors.items()):
        store.segments.write(row, vector[None])
    with store.snapshot() as columns:
        voters = Voters.load(store.connection)
        named = np.isin(voters.rows, np.array(changed)).any(axis=1)
        forgotten = columns.rows[named | np.isin(columns.rows, np.array(changed))].tolist()
        cohort = Cohort.stored(store)
    with store.transaction() as connection:
        if vectors:
            count_repair(connection)
        _store_features(store, damaged, remade.features)
        connection.executemany(
            "UPDATE image SET features = 0 WHERE row = ?", ((row,) for row in lost)
        )
        connection.executemany(
            "UPDATE image SET checksum = ? WHERE row = ?",
            ((checksum(vector), row) for row, vector in remade.descriptors.items()),
        )
        connection.executemany(
            "UPDATE image SET voters = NULL WHERE row = ?", ((row,) for row in forgotten)
        )
        connection.executemany(
            "UPDATE image SET counted = 0, ordinary = NULL, spread = NULL WHERE row = ?",
            ((row,) for row in vectors),
        )
        if not set(vectors).isdisjoint(cohort.rows):
            put_setting(connection, "cohort", None)  # another one is drawn with the next vote


def _store_features(
    store: LocalStore, damaged: Sequence[Damage], features: dict[int, Features]
) -> None:
    """Writes local features where they were, or behind all others if they are not as many."""
    files = store.feature_files
    if files is None:
        return
    for damage in damaged:
        found = features.get(damage.row)
        if found is None:
            continue
        if damage.place is not None and len(found) == damage.count:
            record = files.overwrite(damage.place, found)
        else:
            (record,), end = files.append(int(store.setting("next_byte")), [found])
            put_setting(store.connection, "next_byte", end)
        store.connection.execute(
            "UPDATE image SET place = ?, features = ?, features_checksum = ? WHERE row = ?",
            (record.place, record.count, record.checksum, damage.row),
        )


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
