"""The tables of a collection and their version."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from steeple.errors import CollectionError, SteepleError, StorageError

__all__ = [
    "DATABASE",
    "FORMAT",
    "connect",
    "create_tables",
    "damage_errors",
    "get_setting",
    "put_setting",
]

FORMAT = 2
"""The version this code writes and reads. What changes from one to the next: docs/formats.md."""

DATABASE = "collection.sqlite"

_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_NO_TABLE = sqlite3.SQLITE_ERROR

_TABLES = """
CREATE TABLE setting (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE landmark (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE image (
    row INTEGER PRIMARY KEY,      -- where its descriptor lies; never used twice
    id TEXT NOT NULL UNIQUE,      -- the user's; never changes
    path TEXT NOT NULL,
    role INTEGER NOT NULL,        -- 1 training, 2 index, 3 both
    landmark INTEGER REFERENCES landmark (number),
    caption TEXT,
    width INTEGER NOT NULL,       -- pixels, as embedded
    height INTEGER NOT NULL,
    bytes INTEGER NOT NULL,       -- of the file
    hash BLOB NOT NULL,           -- BLAKE2b-128 of the file
    checksum INTEGER NOT NULL,    -- CRC-32 of the descriptor
    place INTEGER,                -- first byte of its local features; NULL where none are kept
    features INTEGER,             -- how many it has, possibly 0
    features_checksum INTEGER,    -- CRC-32 of them
    counted INTEGER NOT NULL,     -- whether its vote has reached the others
    voters BLOB,                  -- its nearest training images; NULL until looked up
    vote INTEGER,                 -- the landmark they voted for
    score REAL,                   -- v(x, c) of that landmark
    ordinary REAL,                -- median similarity to the cohort; NULL until measured
    spread REAL,                  -- median deviation of it
    contrast REAL,                -- the vote in spreads above the ordinary
    belief INTEGER,               -- the landmark that verified voters say
    strength REAL                 -- how firmly they say so
);
CREATE INDEX image_hash ON image (hash);
CREATE INDEX image_landmark ON image (landmark);
"""


def connect(folder: Path) -> sqlite3.Connection:
    """Opens the database of a collection.

    Raises:
        CollectionError: if the folder is not a collection, or one of another format.
        StorageError: if the disk or the permissions do not let us in.
    """
    path = folder / DATABASE
    if not path.is_file():
        what = "is not a collection" if folder.is_dir() else "does not exist"
        raise CollectionError(
            f"{folder} {what}; make one with: steeple build PHOTOS --out {folder}"
        )
    # SQLite shares its log through a file beside the database, which a read-only disk does not
    # take; but what nobody can write may be read without.
    aside = path.with_name(f"{DATABASE}-wal").exists() or os.access(folder, os.W_OK)
    address = f"{path.absolute().as_uri()}?{'mode=rw' if aside else 'immutable=1'}"
    try:
        connection = sqlite3.connect(address, uri=True, isolation_level=None, timeout=60)
    except sqlite3.DatabaseError as error:
        raise _opening_error(path, error) from error
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")
        found = get_setting(connection, "format")
    except (sqlite3.DatabaseError, ValueError) as error:
        connection.close()
        raise _opening_error(path, error) from error
    if found != FORMAT:
        connection.close()
        newer = isinstance(found, int) and found > FORMAT
        way_out = "install a newer steeple" if newer else "build the collection again"
        raise CollectionError(
            f"{folder} has format {found}, this steeple reads format {FORMAT}; {way_out}"
        )
    return connection


@contextmanager
def damage_errors(folder: Path) -> Iterator[None]:
    """Turns what SQLite raises when it meets damage into one clear error.

    Raises:
        CollectionError: if the database is damaged.
    """
    try:
        yield
    except sqlite3.DatabaseError as error:
        if _code(error) not in _DAMAGE:
            raise
        raise _damaged(folder / DATABASE, error) from error


def _opening_error(path: Path, error: Exception) -> SteepleError:
    """What to tell people of a database that does not open."""
    if _code(error) in (*_DAMAGE, _NO_TABLE):
        return _damaged(path, error)
    return StorageError(f"{path} cannot be opened ({error}); look at its permissions and its disk")


def _damaged(path: Path, error: Exception) -> CollectionError:
    return CollectionError(
        f"{path} cannot be read ({error}); restore it from a backup or build the collection again"
    )


def _code(error: Exception) -> int:
    """SQLite's primary result code."""
    return int(getattr(error, "sqlite_errorcode", _NO_TABLE)) & 0xFF


def create_tables(path: Path, settings: dict[str, Any]) -> None:
    """Makes the database file of a new collection."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        # Readers keep their view while a writer adds; stored in the file, so set once.
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript("BEGIN;" + _TABLES + "COMMIT;")
        connection.execute("BEGIN")
        for key, value in {"format": FORMAT, **settings}.items():
            put_setting(connection, key, value)
        connection.execute("COMMIT")
    finally:
        connection.close()


def get_setting(connection: sqlite3.Connection, key: str) -> Any:
    """A stored setting, or None."""
    found = connection.execute("SELECT value FROM setting WHERE key = ?", (key,)).fetchone()
    return None if found is None else json.loads(found[0])


def put_setting(connection: sqlite3.Connection, key: str, value: Any) -> None:
    """Stores a setting as JSON."""
    connection.execute("REPLACE INTO setting VALUES (?, ?)", (key, json.dumps(value)))
