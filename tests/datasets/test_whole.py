"""A text is on the disk whole, or the old one still is."""

from __future__ import annotations

import os
import resource
from contextlib import contextmanager
from pathlib import Path

import pytest

from steeple.datasets.whole import target_of, written_whole
from steeple.errors import InputError, LabelError, StorageError


@contextmanager
def disk_full_after(count: int):
    """Files may have so many bytes; what is written beyond fails, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def holds(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}


def test_it_comes_in_place_of_the_old_one(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with written_whole(path) as file:
        file.write("é\r\n")
        file.write("b\n")
        assert path.read_text() == "old"
    assert path.read_bytes() == b"\xc3\xa9\r\nb\n"
    assert len(holds(tmp_path)) == 1


def write(path: Path, *texts: str) -> None:
    with written_whole(path) as file:
        for text in texts:
            file.write(text)


def test_a_full_disk(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    message = r"a\.txt cannot be written: File too large; make room"
    with disk_full_after(50_000), pytest.raises(StorageError, match=message):
        write(path, "x" * 100_000)
    assert holds(tmp_path) == {"a.txt": "old"}


def test_what_is_no_text(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(LabelError, match=r"'x{40}\\udc80y{39}' is not Unicode text; ") as caught:
        write(path, "first\n", "x" * 99 + "\udc80" + "y" * 99)
    assert str(caught.value).startswith(f"{path} cannot be written: ")
    assert str(caught.value).isprintable()
    assert holds(tmp_path) == {"a.txt": "old"}


def test_whatever_else_goes_wrong_is_passed_on(tmp_path):
    with pytest.raises(TypeError):
        write(tmp_path / "a.txt", "x", 7)  # type: ignore[arg-type]
    assert holds(tmp_path) == {}


def test_no_such_folder(tmp_path):
    with pytest.raises(StorageError, match="No such file"):
        write(tmp_path / "b" / "a", "x")


class TestWhatIsThere:
    """A rename would put a file in the place of a link, a pipe or a device."""

    @pytest.mark.parametrize("there", [True, False])
    def test_a_link_stays_and_what_it_leads_to_is_written(self, tmp_path, there):
        (tmp_path / "far").mkdir()
        (tmp_path / "near").mkdir()
        target, link = tmp_path / "far" / "a.txt", tmp_path / "near" / "link.txt"
        if there:
            target.write_text("old")
        link.symlink_to(Path("..") / "far" / "a.txt")
        with written_whole(link) as file:
            file.write("new")
            assert [path.name for path in (tmp_path / "near").iterdir()] == ["link.txt"]
        assert link.is_symlink()
        assert holds(tmp_path / "far") == {"a.txt": "new"}

    @pytest.mark.parametrize("linked", [True, False])
    def test_a_pipe_is_refused_and_stays(self, tmp_path, linked):
        pipe, link = tmp_path / "pipe", tmp_path / "link"
        os.mkfifo(pipe)
        link.symlink_to(pipe)
        with pytest.raises(InputError, match="a pipe or a device, which no file can replace"):
            write(link if linked else pipe, "x")
        assert pipe.is_fifo()
        assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "pipe"]

    def test_a_folder(self, tmp_path):
        with pytest.raises(InputError, match="is a folder"):
            write(tmp_path, "x")

    def test_links_in_a_circle(self, tmp_path):
        (tmp_path / "a").symlink_to(tmp_path / "b")
        (tmp_path / "b").symlink_to(tmp_path / "a")
        with pytest.raises(StorageError, match=r"a cannot be written: .*; choose another"):
            target_of(tmp_path / "a")
