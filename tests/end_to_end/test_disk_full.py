"""A disk that fills up in the middle of `add`: a clear error, and the same command goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from steeple import Collection
from steeple.collection import adding
from steeple.collection.doctor import check
from steeple.errors import StorageError

SIZE = 3 << 20  # bytes of the disk
PHOTOS = 120
KINDS: Any = {"embedder": "tiny", "local_features": "squares", "features_per_photo": 60}


@pytest.fixture
def photos(tmp_path: Path, tiny: ModuleType) -> Path:
    names = [f"landmark {number}" for number in range(6)]
    root: Path = tiny.write_city(tmp_path / "photos", names, PHOTOS // 6)
    return root


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk in memory."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk; the limit on file sizes is tested anyway")
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", folder]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("this system does not let us mount a small disk")
    yield folder
    subprocess.run(["umount", folder], check=True)


def fill(disk: Path, free: int) -> Path:
    """Fills the disk up to some bytes with a file, which is returned."""
    filler = disk / "filler"
    there = os.statvfs(disk)
    size = there.f_bavail * there.f_frsize - free
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(size, 1))
    return filler


def add_fails(folder: Path, photos: Path) -> bool:
    try:
        with Collection.open(folder) as places:
            places.add(photos, workers=1)
    except StorageError as error:
        message = str(error)
    else:
        return False
    assert "\n" not in message
    assert str(folder) in message
    return True


def sound(folder: Path) -> bool:
    found = {f.kind for f in check(folder, workers=1).findings}
    return not found & {"database", "descriptor", "features", "segment", "embedder"}


@pytest.mark.parametrize("begun", [False, True])
def test_a_small_disk(
    disk: Path, photos: Path, begun: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With less and less room, so that it runs out at every place where something is written."""
    monkeypatch.setattr(adding, "COMMIT", 4)
    query = photos / "landmark 0" / "3.jpg"
    failures = 0
    for number, kilobytes in enumerate([400, 300, 200, 160, 120, 100, 80, 60, 40, 24, 16, 8, 4, 0]):
        folder = disk / f"places {number}"
        with Collection.create(folder, **KINDS) as places:
            if begun:
                places.add(photos / "landmark 0", prefix="landmark 0/", workers=1)
            before = len(places)
        filler = fill(disk, kilobytes << 10)
        failures += add_fails(folder, photos)
        # With the disk still full: what was committed is there, and can be searched. Only SQLite
        # needs a little room for itself, even to read.
        scarce = suppress(StorageError) if kilobytes < 40 else nullcontext()
        with scarce, Collection.open(folder) as places:
            assert len(places) >= before
            if begun:
                assert places.search(query, k=1)[0].score == pytest.approx(1)
        filler.unlink()

        assert sound(folder)
        with Collection.open(folder) as places:
            assert len(places) >= before
            places.add(photos, workers=1)
            assert len(places) == PHOTOS
            assert places.search(query, k=1)[0].score == pytest.approx(1)
        assert check(folder, repair=True, workers=1).healthy
        assert check(folder, workers=1).findings == ()
        subprocess.run(["rm", "-r", folder], check=True)
    assert failures >= 5


def test_the_message(disk: Path, photos: Path) -> None:
    with Collection.create(disk / "places", **KINDS) as places:
        filler = fill(disk, 60 << 10)
        with pytest.raises(
            StorageError, match="the disk is full; what was committed before is kep"
        ):
            places.add(photos, workers=1)
        filler.unlink()
        assert places.add(photos, workers=1).added > 0  # in the same process, too


def test_no_room_to_begin_with(disk: Path, tiny: ModuleType) -> None:
    filler = fill(disk, 0)
    with pytest.raises(StorageError, match="the disk is full"):
        Collection.create(disk / "places", **KINDS)
    filler.unlink()
    assert not (disk / "places").exists()
    Collection.create(disk / "places", **KINDS).close()


@pytest.mark.parametrize("kilobytes", [8, 20, 48, 60, 90, 150])
def test_files_that_may_not_grow(
    tmp_path: Path, photos: Path, driver: Path, kilobytes: int, tiny: ModuleType
) -> None:
    """The same without root: the system refuses to let any file grow beyond a size."""
    folder = tmp_path / "places"
    Collection.create(folder, **KINDS).close()
    command = [sys.executable, driver, folder, photos]
    limited = subprocess.run(
        [*command, str(kilobytes << 10)], capture_output=True, text=True, check=False
    )
    assert limited.returncode == 3, limited.stderr
    assert limited.stderr == ""
    last = limited.stdout.splitlines()[-1]
    assert last.startswith("StorageError: ")
    assert str(folder) in last
    committed = limited.stdout.count(".jpg")

    with Collection.open(folder) as places:
        assert len(places) >= committed
    assert sound(folder)
    subprocess.run(command, check=True, capture_output=True)
    with Collection.open(folder) as places:
        assert len(places) == PHOTOS
    assert check(folder, repair=True, workers=1).healthy
    assert check(folder, workers=1).findings == ()
