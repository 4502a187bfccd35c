"""The tables of a collection and their version."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

from steeple.errors import CollectionError

__all__ = ["DATABASE", "FORMAT", "connect", "create_tables", "get_setting", "put_setting"]

FORMAT = 1
"""The version this code writes and reads. What changes from one to the next: docs/formats.md."""

DATABASE = "collection.sqlite"

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
    counted INTEGER NOT NULL,     -- whether its vote has reached the others
    voters BLOB,                  -- its nearest training images; NULL until looked up
    vote INTEGER,                 -- the landmark they voted for
    score REAL,                   -- v(x, c) of that landmark
    contrast REAL                 -- the score relative to the best rival
);
CREATE INDEX image_hash ON image (hash);
CREATE INDEX image_landmark ON image (landmark);
"""


def connect(folder: Path) -> sqlite3.Connection:
    """Opens the database of a collection.

    Raises:
        CollectionError: if the folder is not a collection, or one of another format.
    """
    path = folder / DATABASE
    if not path.is_file():
        what = "is not a collection" if folder.is_dir() else "does not exist"
        raise CollectionError(
            f"{folder} {what}; make one with: steeple build PHOTOS --out {folder}"
        )
    connection = sqlite3.connect(path, isolation_level=None, timeout=60)
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")
        found = get_setting(connection, "format")
    except sqlite3.DatabaseError as error:
        connection.close()
        raise CollectionError(
            f"{path} cannot be read ({error}); restore it from a backup or build the collection "
            "again"
        ) from error
    if found != FORMAT:
        connection.close()
        newer = isinstance(found, int) and found > FORMAT
        way_out = "install a newer steeple" if newer else "build the collection again"
        raise CollectionError(
            f"{folder} has format {found}, this steeple reads format {FORMAT}; {way_out}"
        )
    return connection


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
