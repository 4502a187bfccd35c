"""A collection on one machine: SQLite holds the truth, files hold what describes the photos."""

from __future__ import annotations

import errno
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steeple.collection.columns import Columns
from steeple.collection.feature_files import FeatureFiles, StoredFeatures
from steeple.collection.lock import writer_lock
from steeple.collection.schema import (
    DATABASE,
    connect,
    create_tables,
    damage_errors,
    get_setting,
    put_setting,
)
from steeple.collection.segments import Segments, checksum, copy_tree, sync_folder
from steeple.errors import CollectionError, SteepleError, StorageError
from steeple.geometry.features import Features
from steeple.retrieval.types import Floats, Ids

__all__ = ["Image", "LocalStore", "NewImage", "storage_errors"]

_FULL = "database or disk is full"
_BATCH = 500  # parameters per query; SQLite's own limit is higher


@dataclass(frozen=True)
class Image:
    """What a collection knows of one image.

    Args:
        id: the user's name for it; never changes.
        path: where the photo lies.
        role: 1 training, 2 index, 3 both.
        landmark: the given landmark, or None.
        caption: the given caption, or None.
        row: where its descriptor lies.
        hash: BLAKE2b-128 of the photo's file.
        width: pixels, as embedded.
        height: pixels, as embedded.
        bytes: size of the file.
    """

    id: str
    path: str
    role: int
    landmark: str | None
    caption: str | None
    row: int
    hash: bytes
    width: int
    height: int
    bytes: int


@dataclass(frozen=True)
class NewImage:
    """An image about to be stored; the fields are those of `Image`, with its descriptor."""

    id: str
    path: str
    role: int
    landmark: str | None
    caption: str | None
    hash: bytes
    width: int
    height: int
    bytes: int


class LocalStore:
    """Rows, descriptors and local features of one collection folder.

    Args:
        folder: the collection.

    Raises:
        CollectionError: if it is not a collection, or one of another format.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.connection = connect(folder)
        self.segments = Segments(folder / "descriptors", int(self.setting("dimension")))
        kept = self.setting("local_features")
        self.feature_files = (
            FeatureFiles(folder / "features", kept["dtype"], kept["length"]) if kept else None
        )
        self._columns: Columns | None = None

    @classmethod
    def create(
        cls, folder: Path, settings: dict[str, Any], copies: Mapping[str, Path] | None = None
    ) -> LocalStore:
        """Makes an empty collection; the folder appears whole or not at all.

        Args:
            folder: the collection.
            settings: to store.
            copies: folders to copy into it, by the name that their copy gets.

        Raises:
            CollectionError: if something is already there.
            StorageError: if it cannot be written.
        """
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise CollectionError(
                f"{folder} already exists and is not empty; choose another folder, or add to it "
                f"with: steeple add {folder} PHOTOS"
            )
        place = folder.resolve()
        beside = place.with_name(f".{place.name}.new")
        with storage_errors(folder):
            shutil.rmtree(beside, ignore_errors=True)
            try:
                beside.mkdir(parents=True)
                for name, origin in (copies or {}).items():
                    copy_tree(origin, beside / name, without=beside)
                first = {"generation": 0, "next_row": 0, "next_byte": 0, "local_features": None}
                create_tables(beside / DATABASE, first | settings)
                if folder.exists():  # and may be where somebody stands, so it stays the same folder
                    for path in sorted(beside.iterdir(), key=lambda path: path.name == DATABASE):
                        path.replace(folder / path.name)  # the database last
                else:
                    beside.replace(folder)
            finally:
                shutil.rmtree(beside, ignore_errors=True)  # models are large, and the disk was full
            sync_folder(folder)
            sync_folder(folder.resolve().parent)
        return cls(folder)

    def close(self) -> None:
        """Closes the database."""
        self.connection.close()

    def setting(self, key: str) -> Any:
        """A stored setting, or None."""
        return get_setting(self.connection, key)

    @contextmanager
    def writing(self, *, wait: float = 0.0) -> Iterator[None]:
        """Holds the write lock; transactions go inside.

        Raises:
            CollectionError: if another process holds it.
        """
        with storage_errors(self.folder), writer_lock(self.folder, wait=wait):
            yield

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One change: all of it is kept, or none, and then the generation moves on."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield self.connection
            put_setting(self.connection, "generation", self.setting("generation") + 1)
            self.connection.execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            raise

    @contextmanager
    def snapshot(self) -> Iterator[Columns]:
        """One consistent view: what is read inside does not change while another process writes.

        Raises:
            CollectionError: if the database turns out to be damaged.
        """
        with damage_errors(self.folder):
            self.connection.execute("BEGIN")
            try:
                generation = self.setting("generation")
                if self._columns is None or self._columns.generation != generation:
                    self._columns = Columns.load(self.connection, self.folder / "cache", generation)
                yield self._columns
            finally:
                if self.connection.in_transaction:
                    self.connection.execute("COMMIT")

    def features(self, columns: Columns) -> StoredFeatures | None:
        """The local features of images by position; None if the collection keeps none.

        Needs no open snapshot: what the columns show stays where it is.
        """
        if self.feature_files is None:
            return None
        return StoredFeatures(self.feature_files, columns.places, columns.counts)

    def last_byte(self) -> int:
        """Where the local features of the images end."""
        if self.feature_files is None:
            return 0
        query = "SELECT ifnull(max(place + features * ?), 0) FROM image"
        return int(self.connection.execute(query, (self.feature_files.size(1),)).fetchone()[0])

    def append(
        self,
        images: Sequence[NewImage],
        descriptors: Floats,
        features: Sequence[Features] | None = None,
    ) -> None:
        """Stores images; inside a transaction.

        Args:
            images: n images.
            descriptors: (n, D).
            features: n times local features, if the collection keeps them.

        Raises:
            InputError: if the local features are of another kind than the collection's.
            OSError: if the disk is full or fails.
        """
        first = int(self.setting("next_row"))
        self.segments.write(first, descriptors)
        places = self._append_features(features or (), len(images))
        names = dict.fromkeys(image.landmark for image in images)  # numbered as they are met
        numbers = {name: self._landmark_number(name) for name in names}
        self.connection.executemany(
            "INSERT INTO image (row, id, path, role, landmark, caption, width, height, bytes,"
            " hash, checksum, place, features, features_checksum, counted)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)",
            (
                (
                    row,
                    image.id,
                    image.path,
                    image.role,
                    numbers[image.landmark],
                    image.caption,
                    image.width,
                    image.height,
                    image.bytes,
                    image.hash,
                    checksum(vector),
                    *place,
                )
                for row, (image, vector, place) in enumerate(
                    zip(images, descriptors, places, strict=True), first
                )
            ),
        )
        put_setting(self.connection, "next_row", first + len(images))

    def _append_features(
        self, features: Sequence[Features], images: int
    ) -> Sequence[tuple[int | None, int | None, int | None]]:
        """Place, count and checksum per image, once the records are on the disk."""
        if self.feature_files is None:
            return [(None, None, None)] * images
        records, end = self.feature_files.append(int(self.setting("next_byte")), features)
        put_setting(self.connection, "next_byte", end)
        return [(record.place, record.count, record.checksum) for record in records]

    def delete(self, ids: Iterable[str]) -> int:
        """Removes images; their descriptors stay behind as holes. Returns how many there were."""
        before = self.connection.total_changes
        self.connection.executemany("DELETE FROM image WHERE id = ?", ((i,) for i in ids))
        return self.connection.total_changes - before

    def label(self, image: str, landmark: str | None, role: int) -> None:
        """Gives an image another landmark, or none, and a role; inside a transaction."""
        self.connection.execute(
            "UPDATE image SET landmark = ?, role = ?, counted = 0 WHERE id = ?",
            (self._landmark_number(landmark), role, image),
        )

    def relocate(self, image: str, path: Path) -> None:
        """Notes that the photo of an image lies elsewhere now; inside a transaction."""
        self.connection.execute(
            "UPDATE image SET path = ? WHERE id = ?", (str(path.absolute()), image)
        )

    def find(self, ids: Sequence[str]) -> dict[str, Image]:
        """The images of some ids; those the collection lacks are left out."""
        return {image.id: image for image in self._images("image.id", list(ids))}

    def find_rows(self, rows: Ids) -> dict[int, Image]:
        """The images of some rows."""
        return {image.row: image for image in self._images("image.row", rows.tolist())}

    def find_hashes(self, hashes: Sequence[bytes]) -> dict[bytes, str]:
        """For each hash that the collection has: the id of one image with it."""
        out: dict[bytes, str] = {}
        for start in range(0, len(hashes), _BATCH):
            part = hashes[start : start + _BATCH]
            marks = ",".join("?" * len(part))
            out.update(
                self.connection.execute(
                    f"SELECT hash, min(id) FROM image WHERE hash IN ({marks}) GROUP BY hash",  # noqa: S608
                    part,
                )
            )
        return out

    def __iter__(self) -> Iterator[Image]:
        """Every image, in the order of rows, a page at a time."""
        after = -1
        while page := self.connection.execute(
            f"{_IMAGE} WHERE image.row > ? ORDER BY image.row LIMIT 1000", (after,)
        ).fetchall():
            yield from (Image(*row) for row in page)
            after = page[-1][5]

    def __len__(self) -> int:
        """The number of images."""
        return int(self.connection.execute("SELECT count(*) FROM image").fetchone()[0])

    def index_ids(self) -> list[str]:
        """The ids of the index images in the order of rows."""
        query = "SELECT id FROM image WHERE role & 2 ORDER BY row"
        return [row[0] for row in self.connection.execute(query)]

    def landmark_names(self, numbers: Iterable[int]) -> dict[int, str]:
        """The names of landmarks by number."""
        query = "SELECT name FROM landmark WHERE number = ?"
        found = ((n, self.connection.execute(query, (n,)).fetchone()) for n in set(numbers))
        return {number: row[0] for number, row in found if row}

    def landmark_number(self, name: str) -> int | None:
        """The number of a landmark, or None if no image ever had it."""
        query = "SELECT number FROM landmark WHERE name = ?"
        found = self.connection.execute(query, (name,)).fetchone()
        return None if found is None else int(found[0])

    def _landmark_number(self, name: str | None) -> int | None:
        if name is None:
            return None
        self.connection.execute("INSERT OR IGNORE INTO landmark (name) VALUES (?)", (name,))
        return self.landmark_number(name)

    def _images(self, column: str, keys: list[Any]) -> Iterator[Image]:
        for start in range(0, len(keys), _BATCH):
            part = keys[start : start + _BATCH]
            marks = ",".join("?" * len(part))
            rows = self.connection.execute(f"{_IMAGE} WHERE {column} IN ({marks})", part)
            yield from (Image(*row) for row in rows)


_IMAGE = """
SELECT image.id, path, role, name, caption, row, hash, width, height, bytes
FROM image LEFT JOIN landmark ON number = landmark
"""


@contextmanager
def storage_errors(folder: Path) -> Iterator[None]:
    """Turns what the disk and SQLite raise into one clear error.

    Raises:
        StorageError: no space, no permission, or a failing disk.
        CollectionError: a damaged database.
    """
    try:
        with damage_errors(folder):
            yield
    except SteepleError:
        raise
    except sqlite3.OperationalError as error:
        reason = "the disk is full" if _FULL in str(error) else str(error)
        raise StorageError(_storage_message(folder, reason)) from error
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        reason = "the disk is full" if full else error.strerror or str(error)
        raise StorageError(_storage_message(folder, reason)) from error


def _storage_message(folder: Path, reason: str) -> str:
    return (
        f"cannot write to {folder}: {reason}; what was committed before is kept, so make room "
        "or mend it and run the same command again"
    )
