"""Rows and descriptors: committed or not there at all, and one view per reader."""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from steeple.collection.schema import DATABASE
from steeple.collection.store import LocalStore, storage_errors
from steeple.errors import CollectionError, InputError, StorageError

SETTINGS = {"embedder": "sift-vlad", "dimension": 8, "seed": 0}


class TestCreate:
    def test_and_open(self, tmp_path: Path) -> None:
        with_parents = tmp_path / "deep" / "places"
        LocalStore.create(with_parents, SETTINGS).close()
        store = LocalStore(with_parents)
        assert len(store) == 0
        assert store.setting("dimension") == 8
        store.close()
        assert [p.name for p in with_parents.parent.iterdir()] == ["places"]

    def test_in_an_empty_folder_where_somebody_stands(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        LocalStore.create(Path(), SETTINGS).close()
        assert (tmp_path / DATABASE).exists()
        LocalStore(tmp_path).close()

    def test_through_a_link(self, tmp_path: Path) -> None:
        (tmp_path / "real").mkdir()
        (tmp_path / "link").symlink_to(tmp_path / "real")
        LocalStore.create(tmp_path / "link", SETTINGS).close()
        LocalStore(tmp_path / "real").close()

    @pytest.mark.parametrize("kind", ["file", "folder"])
    def test_not_over_something(self, tmp_path: Path, kind: str) -> None:
        there = tmp_path / "there"
        if kind == "folder":
            there.mkdir()
            (there / "x").touch()
        else:
            there.touch()
        with pytest.raises(CollectionError, match=r"already exists .*steeple add"):
            LocalStore.create(there, SETTINGS)

    def test_what_an_earlier_attempt_left_behind(self, tmp_path: Path) -> None:
        (tmp_path / ".places.new").mkdir()
        (tmp_path / ".places.new" / DATABASE).write_text("half")
        LocalStore.create(tmp_path / "places", SETTINGS).close()
        assert [p.name for p in tmp_path.iterdir()] == ["places"]

    @pytest.mark.parametrize("there", [False, True])
    def test_with_copies_of_folders(self, tmp_path: Path, there: bool) -> None:
        model = tmp_path / "model"
        (model / "deep").mkdir(parents=True)
        (model / "deep" / "weights").write_bytes(b"w")
        if there:
            (tmp_path / "places").mkdir()
        store = LocalStore.create(tmp_path / "places", SETTINGS, {"extractor": model})
        assert (store.folder / "extractor" / "deep" / "weights").read_bytes() == b"w"
        store.close()
        assert sorted(p.name for p in tmp_path.iterdir()) == ["model", "places"]

    def test_inside_what_is_copied(self, tmp_path: Path) -> None:
        (tmp_path / "weights").write_bytes(b"w")
        store = LocalStore.create(tmp_path / "places", SETTINGS, {"extractor": tmp_path})
        assert [path.name for path in (store.folder / "extractor").iterdir()] == ["weights"]
        store.close()
        assert sorted(p.name for p in tmp_path.iterdir()) == ["places", "weights"]

    def test_a_copy_that_fails_leaves_nothing(self, tmp_path: Path) -> None:
        with pytest.raises(StorageError, match="cannot write to"):
            LocalStore.create(tmp_path / "places", SETTINGS, {"extractor": tmp_path / "none"})
        assert list(tmp_path.iterdir()) == []

    def test_a_disk_that_fills_up_while_copying(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: Any) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        (tmp_path / "model").mkdir()
        for name in ("header", "weights"):
            (tmp_path / "model" / name).write_bytes(b"w")
        monkeypatch.setattr("shutil.copyfile", full)
        with pytest.raises(StorageError, match="places: the disk is full; "):
            LocalStore.create(tmp_path / "places", SETTINGS, {"extractor": tmp_path / "model"})
        assert [p.name for p in tmp_path.iterdir()] == ["model"]

    def test_where_it_cannot_be(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(StorageError, match="cannot write to"):
            LocalStore.create(tmp_path / "file" / "places", SETTINGS)


class TestImages:
    @pytest.fixture
    def filled(self, store: LocalStore, put: Any, vectors: Any) -> LocalStore:
        put(store, ["ä/1", "b", "東京.jpg"], vectors(0, 3), ["Eiffel", None, "Zócalo"])
        return store

    def test_find(self, filled: LocalStore) -> None:
        found = filled.find(["東京.jpg", "none", "b"])
        assert sorted(found) == ["b", "東京.jpg"]
        tokyo = found["東京.jpg"]
        assert (tokyo.landmark, tokyo.role, tokyo.row) == ("Zócalo", 3, 2)
        assert (tokyo.path, tokyo.width, tokyo.height, tokyo.bytes) == ("/photos/東京.jpg", 4, 3, 5)
        assert found["b"].landmark is None
        rows = filled.find_rows(np.array([1, 7]))
        assert {row: image.id for row, image in rows.items()} == {1: "b"}

    def test_find_more_than_one_query_takes(
        self, store: LocalStore, put: Any, vectors: Any
    ) -> None:
        names = [f"{n:04}" for n in range(1203)]
        put(store, names, vectors(0, 1203))
        assert list(store.find(names)) == names
        hashes = [image.hash for image in store]
        assert store.find_hashes(hashes) == dict(zip(hashes, names, strict=True))
        assert [image.id for image in store] == names
        assert store.index_ids() == names

    def test_find_hashes_names_one_of_equals(
        self, store: LocalStore, vectors: Any, image: Any
    ) -> None:
        from dataclasses import replace

        doubles = [replace(image(name), hash=b"h" * 16) for name in ("b", "a")]
        with store.transaction():
            store.append(doubles, vectors(0, 2))
        assert store.find_hashes([b"h" * 16, b"x" * 16]) == {b"h" * 16: "a"}

    def test_rows_are_never_used_twice(self, filled: LocalStore, put: Any, vectors: Any) -> None:
        with filled.transaction():
            assert filled.delete(["東京.jpg", "none"]) == 1
        put(filled, ["again"], vectors(1, 1))
        assert filled.find(["again"])["again"].row == 3

    def test_label_and_place(self, filled: LocalStore) -> None:
        with filled.transaction():
            filled.label("b", "Eiffel", 3)
            filled.relocate("b", Path("/elsewhere/b"))
        b = filled.find(["b"])["b"]
        assert (b.landmark, b.role, b.path) == ("Eiffel", 3, "/elsewhere/b")
        number = filled.landmark_number("Eiffel")
        assert number is not None
        assert filled.landmark_names([number, 99]) == {number: "Eiffel"}
        assert filled.landmark_number("nobody") is None

    def test_landmarks_are_numbered_as_they_are_met(
        self, store: LocalStore, put: Any, vectors: Any
    ) -> None:
        names = [f"landmark {number}" for number in range(20)]
        put(store, names, vectors(0, 20), names)
        assert [store.landmark_number(name) for name in names] == list(range(1, 21))

    def test_a_removed_landmark_keeps_its_number(self, filled: LocalStore) -> None:
        number = filled.landmark_number("Eiffel")
        with filled.transaction():
            filled.delete(["ä/1"])
        assert filled.landmark_number("Eiffel") == number


class TestTransactions:
    def test_all_or_nothing(self, store: LocalStore, put: Any, vectors: Any, image: Any) -> None:
        put(store, ["a"], vectors(0, 1))
        generation = store.setting("generation")

        def fail() -> None:
            with store.transaction():
                store.append([image("b", "spire")], vectors(1, 1))
                store.delete(["a"])
                raise KeyError

        with pytest.raises(KeyError):
            fail()
        assert [i.id for i in store] == ["a"]
        assert store.setting("generation") == generation
        assert store.landmark_number("spire") is None
        put(store, ["c"], vectors(2, 1))  # over what the failed one wrote
        np.testing.assert_array_equal(store.segments.read(np.array([1])), vectors(2, 1))
        assert store.setting("generation") == generation + 1

    def test_two_images_of_one_id(self, store: LocalStore, put: Any, vectors: Any) -> None:
        with pytest.raises(sqlite3.IntegrityError):
            put(store, ["a", "a"], vectors(0, 2))
        assert len(store) == 0


class TestLocalFeatures:
    def stored(self, store: LocalStore) -> list[Any]:
        with store.snapshot() as columns:
            found = store.features(columns)
            assert found is not None
            return [found[n].descriptors.tolist() for n in range(len(found))]

    def test_with_the_images(
        self, detailed: LocalStore, put: Any, vectors: Any, features: Any
    ) -> None:
        given = [features(n, n) for n in range(4)]
        put(detailed, list("abc"), vectors(0, 3), None, given[:3])
        put(detailed, ["d"], vectors(1, 1), None, given[3:])
        assert self.stored(detailed) == [one.descriptors.tolist() for one in given]
        assert detailed.setting("next_byte") == detailed.last_byte() == 60
        with detailed.transaction():
            detailed.delete(["b", "d"])  # which leaves holes
        put(detailed, ["d"], vectors(1, 1), None, [features(9, 2)])
        expected = [given[0], given[2], features(9, 2)]
        assert self.stored(detailed) == [one.descriptors.tolist() for one in expected]
        assert detailed.setting("next_byte") == 80

    def test_a_collection_without(self, store: LocalStore, put: Any, vectors: Any) -> None:
        put(store, ["a"], vectors(0, 1))
        with store.snapshot() as columns:
            assert store.features(columns) is None
        assert store.last_byte() == 0
        assert not (store.folder / "features").exists()

    def test_every_image_has_its_own_or_nothing_is_stored(
        self, detailed: LocalStore, put: Any, vectors: Any, features: Any
    ) -> None:
        with pytest.raises(ValueError, match="shorter"):
            put(detailed, ["a", "b"], vectors(0, 2), None, [features(0, 3)])
        assert len(detailed) == 0
        assert detailed.setting("next_byte") == 0

    def test_what_did_not_commit_is_written_over(
        self, detailed: LocalStore, put: Any, vectors: Any, features: Any
    ) -> None:
        with pytest.raises(sqlite3.IntegrityError):
            put(detailed, ["a", "a"], vectors(0, 2), None, [features(0, 3), features(1, 3)])
        assert (detailed.folder / "features" / "000000.bin").stat().st_size == 60
        put(detailed, ["b"], vectors(0, 1), None, [features(2, 3)])
        assert self.stored(detailed) == [features(2, 3).descriptors.tolist()]
        assert detailed.setting("next_byte") == 30

    def test_a_reader_keeps_its_own_while_a_writer_replaces_them(
        self, detailed: LocalStore, put: Any, vectors: Any, features: Any
    ) -> None:
        put(detailed, ["a", "b"], vectors(0, 2), None, [features(0, 2), features(1, 3)])
        reader = LocalStore(detailed.folder)
        with reader.snapshot() as columns:
            found = reader.features(columns)
            assert found is not None
            with detailed.transaction():
                detailed.delete(["a", "b"])
            put(detailed, ["b"], vectors(1, 1), None, [features(7, 5)])
            assert found[1].descriptors.tolist() == features(1, 3).descriptors.tolist()
        assert self.stored(reader) == [features(7, 5).descriptors.tolist()]
        reader.close()


class TestReaders:
    def test_a_reader_keeps_its_view_while_a_writer_adds(
        self, store: LocalStore, put: Any, vectors: Any
    ) -> None:
        put(store, ["a", "b"], vectors(0, 2))
        reader = LocalStore(store.folder)
        with reader.snapshot() as columns:
            assert len(columns) == 2
            put(store, ["c"], vectors(1, 1))
            with store.transaction():
                store.delete(["a"])
            assert [i.id for i in reader] == ["a", "b"]
            assert len(reader) == 2
            np.testing.assert_array_equal(reader.segments.read(columns.rows), vectors(0, 2))
        with reader.snapshot() as columns:
            assert columns.rows.tolist() == [1, 2]
            assert [i.id for i in reader] == ["b", "c"]
        reader.close()

    def test_in_another_process(self, store: LocalStore, put: Any, vectors: Any) -> None:
        put(store, ["a"], vectors(0, 1))
        reading = (
            "import sys; from pathlib import Path\n"
            "from steeple.collection.store import LocalStore\n"
            "store = LocalStore(Path(sys.argv[1]))\n"
            "with store.snapshot() as columns:\n"
            "    print(len(columns), flush=True); sys.stdin.readline()\n"
            "    print(len(store), len(store.segments.read(columns.rows)), flush=True)\n"
            "with store.snapshot() as columns: print(len(columns))\n"
        )
        with subprocess.Popen(
            [sys.executable, "-c", reading, str(store.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as reader:
            assert reader.stdout is not None
            assert reader.stdout.readline() == "1\n"
            with store.writing():
                put(store, ["b", "c"], vectors(1, 2))
            out, _ = reader.communicate("\n")
        assert out == "1 1\n3\n"

    def test_an_unchanged_collection_is_not_read_again(
        self, store: LocalStore, put: Any, vectors: Any
    ) -> None:
        put(store, ["a"], vectors(0, 1))
        with store.snapshot() as first:
            pass
        with store.snapshot() as second:
            assert second is first

    def test_a_second_writer_is_refused(self, store: LocalStore) -> None:
        other = LocalStore(store.folder)
        with (
            store.writing(),
            pytest.raises(CollectionError, match=f"process {os.getpid()}"),
            other.writing(),
        ):
            pass
        other.close()


class TestErrors:
    def raised(self, error: Exception) -> Exception:
        with pytest.raises(Exception) as caught, storage_errors(Path("/p")):  # noqa: PT011
            raise error
        assert "\n" not in str(caught.value)
        return caught.value

    def test_a_full_disk(self) -> None:
        for error in (
            OSError(errno.ENOSPC, "No space left on device"),
            OSError(errno.EDQUOT, "Quota exceeded"),
            sqlite3.OperationalError("database or disk is full"),
        ):
            raised = self.raised(error)
            assert isinstance(raised, StorageError)
            assert "cannot write to /p: the disk is full; what was committed" in str(raised)

    def test_another_fault_of_the_disk(self) -> None:
        assert "Permission denied" in str(self.raised(PermissionError(13, "Permission denied")))
        assert "disk I/O error" in str(self.raised(sqlite3.OperationalError("disk I/O error")))

    def test_our_own_stay_as_they_are(self) -> None:
        own = InputError("x")
        assert self.raised(own) is own

    def test_damage(self) -> None:
        error = sqlite3.DatabaseError("database disk image is malformed")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raised = self.raised(error)
        assert isinstance(raised, CollectionError)
        assert "malformed" in str(raised)

    def test_met_while_reading(self, store: LocalStore, put: Any, vectors: Any) -> None:
        put(store, [f"{n:05}" for n in range(3000)], vectors(0, 3000))
        folder = store.folder
        store.close()
        with (folder / DATABASE).open("r+b") as file:
            size = file.seek(0, 2)
            for page in range(8, size // 4096):
                file.seek(page * 4096)
                file.write(b"\xff" * 4096)
        broken = LocalStore(folder)
        with (
            pytest.raises(CollectionError, match="restore it from a backup"),
            broken.snapshot(),
        ):
            pass
        broken.close()

    def test_use_after_closing_is_the_callers_fault(
        self, new_store: Callable[..., LocalStore]
    ) -> None:
        store = new_store()
        store.close()
        with pytest.raises(sqlite3.ProgrammingError), store.snapshot():
            pass
