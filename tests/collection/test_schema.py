"""What opens, what does not, and what people are told."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from steeple.collection.schema import DATABASE, FORMAT, connect, get_setting, put_setting
from steeple.collection.store import LocalStore
from steeple.errors import CollectionError, StorageError


@pytest.fixture
def folder(store: LocalStore) -> Path:
    store.close()
    return store.folder


def test_settings_are_json(folder: Path) -> None:
    connection = connect(folder)
    assert get_setting(connection, "format") == FORMAT
    assert get_setting(connection, "nothing") is None
    put_setting(connection, "thing", {"ä": [1, 2.5, None]})
    connection.close()
    connection = connect(folder)
    assert get_setting(connection, "thing") == {"ä": [1, 2.5, None]}
    connection.close()


def test_writes_are_durable_and_readers_undisturbed(folder: Path) -> None:
    connection = connect(folder)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    assert connection.execute("PRAGMA foreign_keys").fetchone() == (1,)
    connection.close()


class TestWhatIsNoCollection:
    def refused(self, folder: Path) -> str:
        with pytest.raises(CollectionError) as caught:
            connect(folder)
        assert "\n" not in str(caught.value)
        assert str(folder) in str(caught.value)
        return str(caught.value)

    def test_nothing(self, tmp_path: Path) -> None:
        assert "does not exist; make one with: steeple build" in self.refused(tmp_path / "none")

    def test_another_folder(self, tmp_path: Path) -> None:
        assert "is not a collection; make one with: steeple build" in self.refused(tmp_path)

    def test_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("x")
        self.refused(tmp_path / "file")

    @pytest.mark.parametrize("content", [b"", b"no database at all" * 100])
    def test_another_file_in_its_place(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / DATABASE).write_bytes(content)
        assert "cannot be read" in self.refused(tmp_path)

    def test_another_database(self, tmp_path: Path) -> None:
        other = sqlite3.connect(tmp_path / DATABASE)
        other.execute("CREATE TABLE thing (x)")
        other.close()
        assert "restore it from a backup" in self.refused(tmp_path)

    def test_a_setting_that_is_not_json(self, folder: Path) -> None:
        connection = connect(folder)
        connection.execute("UPDATE setting SET value = '{' WHERE key = 'format'")
        connection.close()
        assert "cannot be read" in self.refused(folder)

    def test_a_damaged_first_page(self, folder: Path) -> None:
        with (folder / DATABASE).open("r+b") as file:
            file.seek(100)
            file.write(os.urandom(3000))
        assert "restore it from a backup" in self.refused(folder)


@pytest.mark.parametrize(
    ("found", "way_out"),
    [(FORMAT + 1, "install a newer steeple"), (1, "build the collection again")],
)
def test_another_format(folder: Path, found: int, way_out: str) -> None:
    connection = connect(folder)
    put_setting(connection, "format", found)
    connection.close()
    with pytest.raises(CollectionError, match=f"has format {found}, .*{way_out}"):
        connect(folder)


def test_a_folder_called_with_marks_of_an_address(
    tmp_path: Path, new_store: Callable[..., LocalStore]
) -> None:
    folder = tmp_path / "50% Köln? #1 & more"
    new_store(folder)
    connect(folder).close()


def test_a_database_that_nobody_may_open(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **options: object) -> None:
        error = sqlite3.OperationalError("unable to open database file")
        error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
        raise error

    monkeypatch.setattr(sqlite3, "connect", refuse)
    with pytest.raises(StorageError, match=r"cannot be opened .*permissions"):
        connect(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a read-only disk")
def test_on_a_read_only_disk(tmp_path: Path, new_store: Callable[..., LocalStore]) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk], check=False)
    if mounted.returncode:
        pytest.skip("this system does not let us mount a disk")
    try:
        new_store(disk / "places").close()
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        store = LocalStore(disk / "places")
        assert len(store) == 0
        with store.snapshot() as columns:
            assert len(columns) == 0
        with pytest.raises(StorageError, match="Read-only file system"), store.writing():
            pass
        store.close()
    finally:
        subprocess.run(["umount", disk], check=True)
