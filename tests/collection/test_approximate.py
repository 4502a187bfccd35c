"""The approximate index on disk: whole or not at all, and never trusted when it looks wrong."""

from __future__ import annotations

import errno
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from steeple.collection import approximate, storing
from steeple.collection.approximate import CurrentIndex, StoredIndex, find_newest, remove_indexes
from steeple.collection.storing import Built, store_index
from steeple.errors import InputError
from steeple.retrieval.approximate.effort import Effort
from steeple.retrieval.approximate.index import ApproximateIndex

KINDS = ["Flat", "HNSW8", "HNSW8_SQ8", "IVF4,Flat", "IVF4,SQ8", "IVF4,RaBitQ", "PCA4,IVF4,SQ8"]
ABOUT = {"kind": "auto", "recall": 0.98, "seconds": 1.5}
ROWS = np.arange(100, 400, dtype=np.int64)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "places" / "cache"


@pytest.fixture
def built(vectors: Any) -> Callable[..., ApproximateIndex]:
    def build(factory: str = "HNSW8", effort: Effort | None = None) -> ApproximateIndex:
        index = ApproximateIndex.build(vectors(0, 300), factory)
        index.effort = effort or index.effort
        return index

    return build


@pytest.fixture
def stored(cache: Path, built: Any) -> Path:
    cache.parent.mkdir()
    return store_index(cache, Built(built(), ROWS, ABOUT))


@pytest.mark.parametrize("factory", KINDS)
def test_comes_back_as_it_was(cache: Path, built: Any, vectors: Any, factory: str) -> None:
    cache.parent.mkdir()
    index = built(factory, Effort(8, 2))
    place = store_index(cache, Built(index, ROWS, ABOUT))
    assert place == find_newest(cache) == cache / "approximate-000001"
    opened = StoredIndex.open(place)
    expected = index.search(vectors(1, 9), 10, exact=vectors(0, 300))
    found = opened.index.search(vectors(1, 9), 10, exact=vectors(0, 300))
    np.testing.assert_array_equal(found.ids, expected.ids)
    np.testing.assert_array_equal(found.scores, expected.scores)
    assert opened.rows.tolist() == ROWS.tolist()
    assert opened.index.effort == Effort(8, 2)
    assert (opened.about.kind, opened.about.factory) == ("auto", factory)
    assert (opened.about.recall, opened.about.seconds) == (0.98, 1.5)
    assert opened.about.bytes == (place / "index.faiss").stat().st_size
    assert opened.damage() is None


def test_the_new_one_takes_the_place_of_the_old(cache: Path, built: Any, stored: Path) -> None:
    old = StoredIndex.open(stored).load()
    (cache / "approximate-000009.new").mkdir()  # what a killed process left behind
    new = store_index(cache, Built(built("IVF4,SQ8"), ROWS, ABOUT))
    assert [path.name for path in cache.iterdir()] == ["approximate-000002"] == [new.name]
    assert StoredIndex.open(new).about.factory == "IVF4,SQ8"
    assert len(old.index) == 300  # whoever has it open keeps it
    remove_indexes(cache)
    assert find_newest(cache) is None


def overwrite(path: Path, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b"\xff\xfe")


class TestDamage:
    @pytest.mark.parametrize(
        "breaking",
        [
            lambda place: os.truncate(place / "index.faiss", 500),
            lambda place: (place / "index.faiss").write_bytes(b""),
            lambda place: overwrite(place / "index.faiss", 0),
            lambda place: os.truncate(place / "rows.npy", 200),
            lambda place: overwrite(place / "rows.npy", 1000),
            lambda place: np.save(place / "rows.npy", np.array([None]), allow_pickle=True),
            lambda place: (place / "about.json").write_text("{}"),
            lambda place: (place / "about.json").write_text("[1]"),
            lambda place: (place / "about.json").write_text("\x00"),
            lambda place: (place / "about.json").write_text(
                (place / "about.json").read_text().replace('"images": 300', '"images": 299')
            ),
        ],
    )
    def test_that_shows(
        self, stored: Path, caplog: pytest.LogCaptureFixture, breaking: Callable[[Path], Any]
    ) -> None:
        breaking(stored)
        with pytest.raises(InputError, match=r"approximate-000001 is damaged \(.+\)") as error:
            StoredIndex.open(stored).load()
        assert "\n" not in str(error.value)
        assert "faiss/impl" not in str(error.value)  # where in FAISS helps nobody
        current = CurrentIndex(stored.parents[1])
        assert current.get() is None
        assert current.get() is None
        (record,) = caplog.records  # once is enough
        assert record.levelno == logging.WARNING
        assert "searched exactly until: steeple doctor --collection" in record.getMessage()

    @pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
    def test_that_only_the_checksum_shows(
        self, stored: Path, caplog: pytest.LogCaptureFixture, share: float
    ) -> None:
        """FAISS would read it, and name wrong images, or ones that are not there."""
        path = stored / "index.faiss"
        overwrite(path, int(share * path.stat().st_size))
        said = "is damaged (index.faiss does not match its checksum)"
        assert StoredIndex.open(stored).damage() == said
        current = CurrentIndex(stored.parents[1])
        assert current.get() is None
        assert current.get() is None
        (record,) = caplog.records
        assert f"{stored} {said}" in record.getMessage()

    def test_of_the_one_that_the_training_set_has(
        self, cache: Path, built: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        cache.parent.mkdir()
        own = Built(built("IVF4,SQ8"), ROWS + 7, ABOUT)
        place = store_index(cache, Built(built(), ROWS, ABOUT | {"voters": "own"}), own)
        opened = StoredIndex.open(place)
        assert opened.damage() is None
        assert opened.voters is not None
        assert opened.voters.about.factory == "IVF4,SQ8"
        assert opened.voters.rows.tolist() == (ROWS + 7).tolist()
        assert opened.voters.voters is None
        overwrite(place / "training" / "index.faiss", 3000)
        said = "training is damaged (index.faiss does not match its checksum)"
        assert StoredIndex.open(place).damage() == said
        assert CurrentIndex(cache.parent).get() is None
        assert said in caplog.text

    def test_it_is_read_once(self, stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        read: list[Path] = []
        checksum = approximate._checksum

        def noted(path: Path) -> int:
            read.append(path)
            return checksum(path)

        monkeypatch.setattr(approximate, "_checksum", noted)
        current = CurrentIndex(stored.parents[1])
        for _ in range(3):
            found = current.get()
            assert found is not None
            assert len(found.index) == 300
        assert read == [stored / "index.faiss"]

    @pytest.mark.parametrize("name", ["index.faiss", "rows.npy", "about.json"])
    def test_a_file_that_is_missing(
        self, stored: Path, caplog: pytest.LogCaptureFixture, name: str
    ) -> None:
        (stored / name).unlink()
        assert CurrentIndex(stored.parents[1]).get() is None
        assert "a file of it is missing" in caplog.text


class TestCurrent:
    def test_none(self, cache: Path) -> None:
        assert CurrentIndex(cache.parent).get() is None

    def test_follows_the_writer(self, cache: Path, built: Any, stored: Path) -> None:
        current = CurrentIndex(cache.parent)
        first = current.get()
        assert first is not None
        assert current.get() is first
        store_index(cache, Built(built("IVF4,SQ8"), ROWS, ABOUT))
        second = current.get()
        assert second is not None
        assert second.about.factory == "IVF4,SQ8"
        remove_indexes(cache)
        assert current.get() is None

    def test_another_of_the_same_name(self, cache: Path, built: Any, stored: Path) -> None:
        current = CurrentIndex(cache.parent)
        assert current.get() is not None
        remove_indexes(cache)
        assert store_index(cache, Built(built("IVF4,SQ8"), ROWS, ABOUT)) == stored
        found = current.get()
        assert found is not None
        assert found.about.factory == "IVF4,SQ8"

    def test_one_that_goes_while_it_is_opened(
        self, cache: Path, built: Any, stored: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        opening = StoredIndex.open

        def overtaken(place: Path) -> StoredIndex:
            monkeypatch.setattr(StoredIndex, "open", opening)
            store_index(cache, Built(built("IVF4,SQ8"), ROWS, ABOUT))
            return opening(place)

        monkeypatch.setattr(StoredIndex, "open", overtaken)
        found = CurrentIndex(cache.parent).get()
        assert found is not None
        assert found.about.factory == "IVF4,SQ8"


class TestGoing:
    def test_a_reader_never_meets_half_of_it(
        self,
        cache: Path,
        stored: Path,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """Whatever has gone of it when somebody looks, it is gone, not damaged."""
        remove, met = approximate.shutil.rmtree, []

        def slowly(path: Path, **options: Any) -> None:
            (path / "rows.npy").unlink()
            met.append(CurrentIndex(cache.parent).get())
            remove(path, **options)

        monkeypatch.setattr(approximate.shutil, "rmtree", slowly)
        remove_indexes(cache)
        assert met == [None]
        assert caplog.records == []
        assert list(cache.iterdir()) == []

    def test_what_a_killed_process_left(self, cache: Path, stored: Path) -> None:
        (cache / "approximate-000001.old").mkdir()
        (cache / "approximate-000001.old" / "rows.npy").touch()
        (cache / "approximate-000001.new").mkdir()
        assert find_newest(cache) == stored
        remove_indexes(cache, keep=stored)
        assert list(cache.iterdir()) == [stored]
        (cache / "approximate-000001.old").mkdir()
        remove_indexes(cache)
        assert list(cache.iterdir()) == []


class TestInterrupted:
    def test_a_full_disk_leaves_the_old_one(
        self, cache: Path, built: Any, stored: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(self: Any, data: bytes) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(storing._Written, "take", full)
        with pytest.raises(OSError, match="No space left"):
            store_index(cache, Built(built("IVF4,SQ8"), ROWS, ABOUT))
        assert list(cache.iterdir()) == [stored]
        assert StoredIndex.open(stored).damage() is None

    def test_kill_9_leaves_the_old_one(self, cache: Path, stored: Path) -> None:
        """At every step of storing another one, from the first byte to the last rename."""
        code = (
            "import os, signal, sys\n"
            "from pathlib import Path\n"
            "import numpy as np\n"
            "from steeple.collection import storing\n"
            "from steeple.retrieval.approximate.index import ApproximateIndex\n"
            "def die(*_, **__):\n"
            "    os.kill(os.getpid(), signal.SIGKILL)\n"
            "step = sys.argv[2]\n"
            "if step == 'write':\n"
            "    storing._Written.take = die\n"
            "elif step == 'rows':\n"
            "    np.save = die\n"
            "elif step == 'rename':\n"
            "    Path.rename = die\n"
            "else:\n"
            "    storing.remove_indexes = die\n"
            "vectors = np.random.default_rng(0).standard_normal((50, 8)).astype(np.float32)\n"
            "index = ApproximateIndex.build(vectors, 'HNSW4')\n"
            "about = {'kind': 'auto', 'recall': None, 'seconds': 0.0}\n"
            "built = storing.Built(index, np.arange(50), about)\n"
            "storing.store_index(Path(sys.argv[1]), built)\n"
        )
        for step, images in (("write", 300), ("rows", 300), ("rename", 300), ("remove", 50)):
            done = subprocess.run([sys.executable, "-c", code, cache, step], check=False)
            assert done.returncode == -signal.SIGKILL
            found = CurrentIndex(cache.parent).get()
            assert found is not None
            assert len(found.rows) == images
            assert found.damage() is None
        remove_indexes(cache, keep=find_newest(cache))
        assert [path.name for path in cache.iterdir()] == ["approximate-000002"]


def test_what_is_written_beside_is_plain_json(stored: Path) -> None:
    about = json.loads((stored / "about.json").read_text())
    assert about["images"] == 300
    assert about["kind"] == "auto"
