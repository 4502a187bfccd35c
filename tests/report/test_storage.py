"""A page is on the disk whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from steeple.errors import StorageError
from steeple.report.storage import write_whole


def test_a_page_replaces_the_older_one(tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    out.write_text("old")

    assert write_whole("new ✓", out) == out

    assert out.read_text(encoding="utf-8") == "new ✓"
    assert list(tmp_path.iterdir()) == [out]


def test_a_full_disk_leaves_the_old_page_and_no_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "page.html"
    out.write_text("old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="no space left on device") as caught:
        write_whole("new", out)

    assert "\n" not in str(caught.value)
    assert str(out) in str(caught.value)
    assert out.read_text() == "old"
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("place", ["gone/page.html", "file/page.html", "folder"])
def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path, place: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")

    with pytest.raises(StorageError, match=r"cannot be written \(.+\); .+") as caught:
        write_whole("page", tmp_path / place)

    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_an_interrupted_write_leaves_no_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_whole("page", tmp_path / "page.html")

    assert not list(tmp_path.iterdir())
