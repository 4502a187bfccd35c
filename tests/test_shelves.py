"""Arrays kept in a folder: computed once, whole or not at all, whoever else computes them."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steeple import shelves
from steeple.errors import InputError, StorageError
from steeple.retrieval.offline.shelf import Arrays, Layout, MemoryShelf
from steeple.shelves import FolderShelf

LAYOUT: Layout = {"ids": ((3, 2), "int64"), "scores": ((3,), "float32")}


def fill(arrays: Arrays) -> None:
    arrays["ids"][:] = np.arange(6).reshape(3, 2)
    arrays["scores"][:] = 0.5


def refuse(_: Arrays) -> None:
    pytest.fail("computed again")


def listed(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


WHOLE = ["n-1", "n-1/ids.npy", "n-1/scores.npy"]


def test_computes_once(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "there"
    kept = FolderShelf(folder).once("n-1", LAYOUT, fill)
    assert listed(folder) == WHOLE
    for shelf in (FolderShelf(folder), FolderShelf(folder)):
        for _ in range(2):
            found = shelf.once("n-1", LAYOUT, refuse)
            assert found["ids"].tolist() == [[0, 1], [2, 3], [4, 5]]
            np.testing.assert_array_equal(found["scores"], kept["scores"])
            assert isinstance(found["ids"], np.memmap)
            assert not found["ids"].flags.writeable
    np.testing.assert_array_equal(np.load(folder / "n-1" / "ids.npy"), kept["ids"])


@given(
    shape=st.lists(st.integers(0, 4), min_size=0, max_size=3).map(tuple),
    dtype=st.sampled_from(["float32", "int32", "int64", "uint8", "float16", "bool"]),
    seed=st.integers(0, 99),
)
def test_keeps_what_memory_keeps(
    tmp_path_factory: pytest.TempPathFactory, shape: tuple[int, ...], dtype: str, seed: int
) -> None:
    def draw(arrays: Arrays) -> None:
        assert not np.asarray(arrays["x"]).any()  # it holds zeros
        arrays["x"][...] = np.random.default_rng(seed).integers(0, 9, shape)

    layout = {"x": (shape, dtype)}
    folder = tmp_path_factory.mktemp("shelf")
    FolderShelf(folder).once("x", layout, draw)
    found = FolderShelf(folder).once("x", layout, refuse)["x"]
    expected = MemoryShelf().once("x", layout, draw)["x"]
    assert (found.shape, found.dtype) == (shape, np.dtype(dtype))
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(np.load(folder / "x" / "x.npy", allow_pickle=False), expected)


@pytest.mark.parametrize("name", ["", "..", "a/b", ".hidden", "-n", "a b", "n\n"])
def test_refuses_what_is_no_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="no name for a shelf"):
        FolderShelf(tmp_path).once(name, LAYOUT, fill)
    assert listed(tmp_path) == []


def test_nothing_is_kept_of_what_fails(tmp_path: Path) -> None:
    def fail(arrays: Arrays) -> None:
        fill(arrays)
        raise FileNotFoundError(errno.ENOENT, "a photo is gone")

    with pytest.raises(FileNotFoundError, match="a photo is gone"):
        FolderShelf(tmp_path).once("n-1", LAYOUT, fail)
    assert listed(tmp_path) == []
    FolderShelf(tmp_path).once("n-1", LAYOUT, fill)


def test_one_may_need_another(tmp_path: Path) -> None:
    shelf = FolderShelf(tmp_path)

    def deeper(arrays: Arrays) -> None:
        arrays["x"][:] = shelf.once("n-1", LAYOUT, fill)["scores"]

    assert shelf.once("x", {"x": ((3,), "float32")}, deeper)["x"].tolist() == [0.5] * 3
    assert listed(tmp_path) == [*WHOLE, "x", "x/x.npy"]


class TestBroken:
    @pytest.mark.parametrize(
        "breaking",
        [
            lambda place: os.truncate(place / "ids.npy", 150),
            lambda place: (place / "ids.npy").write_bytes(b""),
            lambda place: (place / "ids.npy").unlink(),
            lambda place: (place / "ids.npy").write_bytes(
                b"\x93NUMPY" + (place / "scores.npy").read_bytes()[6:]
            ),
            lambda place: (place / "more.npy").write_bytes(b"x"),
            lambda place: np.save(place / "ids.npy", np.array([None] * 6).reshape(3, 2)),
            lambda place: np.save(place / "ids.npy", np.zeros((3, 2), order="F")),
            lambda place: np.save(place / "ids.npy", np.zeros((2, 3), dtype=np.int64)),
        ],
    )
    def test_is_computed_again(self, tmp_path: Path, breaking: Callable[[Path], Any]) -> None:
        FolderShelf(tmp_path).once("n-1", LAYOUT, fill)
        breaking(tmp_path / "n-1")
        found = FolderShelf(tmp_path).once("n-1", LAYOUT, fill)
        assert found["ids"].tolist() == [[0, 1], [2, 3], [4, 5]]
        FolderShelf(tmp_path).once("n-1", LAYOUT, refuse)
        assert listed(tmp_path) == WHOLE

    def test_so_is_a_file_in_its_place(self, tmp_path: Path) -> None:
        (tmp_path / "n-1").write_text("mine")
        FolderShelf(tmp_path).once("n-1", LAYOUT, fill)
        assert listed(tmp_path) == WHOLE

    def test_and_what_has_another_layout(self, tmp_path: Path) -> None:
        shelf = FolderShelf(tmp_path)
        shelf.once("n-1", {"ids": ((3, 2), "int32")}, lambda arrays: None)
        assert shelf.once("n-1", LAYOUT, fill)["ids"].dtype == np.int64
        assert listed(tmp_path) == WHOLE


class TestDisk:
    def test_a_full_one(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "posix_fallocate", full)
        with pytest.raises(StorageError, match="the disk is full; make room"):
            FolderShelf(tmp_path).once("n-1", LAYOUT, refuse)
        assert listed(tmp_path) == []

    def test_a_full_one_for_real(self, tmp_path: Path) -> None:
        """The system refuses files of more than 1 MiB: an error, where a map would be the end."""
        code = (
            "import resource, sys\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))\n"
            "from pathlib import Path\n"
            "from steeple.shelves import FolderShelf\n"
            "from steeple.errors import StorageError\n"
            "try:\n"
            "    FolderShelf(Path(sys.argv[1])).once('x', {'x': ((1 << 20,), 'int64')}, print)\n"
            "except StorageError as error:\n"
            "    print('refused:', error)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True
        )
        assert done.stdout.startswith("refused: cannot keep what was computed in")
        assert listed(tmp_path) == []

    def test_zeros_are_written_where_space_cannot_be_reserved(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delattr(os, "posix_fallocate")
        monkeypatch.setattr(shelves, "_ZEROS", 7)
        FolderShelf(tmp_path).once("n-1", LAYOUT, fill)
        assert FolderShelf(tmp_path).once("n-1", LAYOUT, refuse)["ids"][2, 1] == 5

    def test_one_that_may_not_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(StorageError, match="a folder that can be written"):
            FolderShelf(tmp_path / "file" / "shelf").once("n-1", LAYOUT, refuse)


class TestTogether:
    def test_threads_compute_once(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        computed, found, start = [], [], Barrier(3)

        def slowly(arrays: Arrays) -> None:
            computed.append(1)
            for _ in range(50):
                os.sched_yield()
            fill(arrays)

        def ask() -> None:
            start.wait()
            found.append(FolderShelf(tmp_path).once("n-1", LAYOUT, slowly)["ids"].tolist())

        threads = [Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(computed) == 1
        assert found == [[[0, 1], [2, 3], [4, 5]]] * 3
        assert listed(tmp_path) == WHOLE

    def test_whoever_waits_takes_over_from_who_fails(self, tmp_path: Path) -> None:
        """And from who is killed: the system drops the lock, and half of it is cleared away."""
        code = (
            "import sys, time\n"
            "from pathlib import Path\n"
            "from steeple.shelves import FolderShelf\n"
            "def fill(arrays):\n"
            "    arrays['ids'][:] = 9\n"
            "    print('filling', flush=True)\n"
            "    time.sleep(60)\n"
            "layout = {'ids': ((3, 2), 'int64'), 'scores': ((3,), 'float32')}\n"
            "FolderShelf(Path(sys.argv[1])).once('n-1', layout, fill)\n"
        )
        with subprocess.Popen(
            [sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "filling\n"
            assert listed(tmp_path)[0] == ".n-1.lock"
            FolderShelf(tmp_path).discard(lambda _: True)  # leaves alone what is computed now
            assert ".n-1.new/ids.npy" in listed(tmp_path)
            found: list[Any] = []
            waiting = Thread(
                target=lambda: found.append(FolderShelf(tmp_path).once("n-1", LAYOUT, fill))
            )
            waiting.start()
            waiting.join(0.2)
            assert waiting.is_alive()
            process.send_signal(signal.SIGKILL)
            waiting.join(30)
        assert found[0]["ids"].tolist() == [[0, 1], [2, 3], [4, 5]]
        assert listed(tmp_path) == WHOLE

    def test_what_the_dead_left_goes_with_the_next(self, tmp_path: Path) -> None:
        (tmp_path / ".other-1.new").mkdir()
        (tmp_path / ".other-1.new" / "ids.npy").write_text("half")
        (tmp_path / ".other-1.lock").write_text("")
        (tmp_path / ".git").mkdir()
        (tmp_path / "notes.txt").write_text("mine")
        FolderShelf(tmp_path).once("n-1", LAYOUT, fill)
        assert listed(tmp_path) == [".git", *WHOLE, "notes.txt"]


class TestWhoeverTidies:
    """Removes a folder when it is empty, which it is just before something is computed in it."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return tmp_path / "cache" / "graph-a"

    def test_removes_the_folder_before_the_lock_is_made(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tidied, opening = [], os.open

        def tidy(path: Any, *rest: Any, **options: Any) -> int:
            if str(path).endswith(".lock") and len(tidied) < 3:
                tidied.append(path)
                folder.rmdir()
            return opening(path, *rest, **options)

        monkeypatch.setattr(os, "open", tidy)
        assert FolderShelf(folder).once("n-1", LAYOUT, fill)["ids"][2, 1] == 5
        assert len(tidied) == 3
        assert listed(folder) == WHOLE

    def test_removes_folder_and_lock_before_it_is_held(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tidied, flock = [], shelves.fcntl.flock

        def tidy(descriptor: int, how: int) -> None:
            if not tidied:
                tidied.append(descriptor)
                (folder / ".n-1.lock").unlink()
                folder.rmdir()
            flock(descriptor, how)

        monkeypatch.setattr(shelves.fcntl, "flock", tidy)
        assert FolderShelf(folder).once("n-1", LAYOUT, fill)["ids"][2, 1] == 5
        assert listed(folder) == WHOLE

    def test_removes_the_folder_while_it_is_made(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Then mkdir finds it there, looks again, and finds it gone."""
        told, make = [], Path.mkdir

        def tidied(path: Path, *rest: Any, **options: Any) -> None:
            if path == folder and not told:
                told.append(path)
                raise FileExistsError(errno.EEXIST, "File exists")
            make(path, *rest, **options)

        monkeypatch.setattr(Path, "mkdir", tidied)
        assert FolderShelf(folder).once("n-1", LAYOUT, fill)["ids"][2, 1] == 5

    def test_leaves_nothing_to_discard(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        shelf = FolderShelf(folder)
        shelf.once("n-1", LAYOUT, fill)

        def gone(path: Path) -> None:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")

        opening = os.open
        monkeypatch.setattr(os, "open", lambda path, *rest: gone(path))
        shelf.discard(lambda _: True)  # between the list and the lock
        monkeypatch.setattr(os, "open", opening)
        assert listed(folder) == WHOLE
        monkeypatch.setattr(Path, "is_dir", lambda _: True)
        monkeypatch.setattr(Path, "iterdir", gone)  # before the list
        shelf.discard(lambda _: True)
        assert shelf.names() == set()

    def test_is_not_waited_for_forever(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def never(*_: object, **__: object) -> None:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")

        monkeypatch.setattr(Path, "mkdir", never)
        with pytest.raises(StorageError, match="cannot keep what was computed in"):
            FolderShelf(folder).once("n-1", LAYOUT, fill)

    def test_in_another_thread(self, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
        going, errors = [True], []

        def tidy() -> None:
            while going:
                try:
                    FolderShelf(folder).discard(lambda _: True)
                    folder.rmdir()
                except StorageError as error:
                    errors.append(error)
                except OSError:  # it is not empty, or not there
                    pass

        thread = Thread(target=tidy)
        thread.start()
        try:
            for _ in range(200):
                assert FolderShelf(folder).once("n-1", LAYOUT, fill)["ids"][2, 1] == 5
        finally:
            going.clear()
            thread.join()
        assert errors == []


def test_a_folder_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    FolderShelf(tmp_path).once("n-1", LAYOUT, fill)
    monkeypatch.setattr(Path, "iterdir", refuse)
    for ask in (FolderShelf(tmp_path).names, lambda: FolderShelf(tmp_path).discard(bool)):
        with pytest.raises(StorageError, match=f"{tmp_path}: Permission denied"):
            ask()


def test_names_what_it_keeps(tmp_path: Path) -> None:
    shelf = FolderShelf(tmp_path / "shelf")
    assert shelf.names() == set()
    named: list[set[str]] = []

    def look(arrays: Arrays) -> None:
        named.append(shelf.names())
        fill(arrays)

    for name in ("n-1", "label-1"):
        shelf.once(name, LAYOUT, look)
    assert named == [set(), {"n-1"}]  # not what is being computed
    assert FolderShelf(tmp_path / "shelf").names() == {"n-1", "label-1"}


def test_discards_what_is_not_wanted(tmp_path: Path) -> None:
    shelf = FolderShelf(tmp_path)
    shelf.discard(lambda _: True)  # nothing there yet
    for name in ("n-1", "label-1", "label-2"):
        kept = shelf.once(name, LAYOUT, fill)
    shelf.discard(lambda name: name.startswith("label"))
    assert listed(tmp_path) == WHOLE
    assert kept["ids"][2, 1] == 5  # whoever has it keeps it
