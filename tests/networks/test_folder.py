"""A folder of a model is written whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from steeple.errors import InputError, StorageError
from steeple.networks.folder import check_free, write_folder

_FILES = {"a.json": b"{}", "b.bin": bytes(range(256))}


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("there", [False, True])
def test_files_arrive_and_nothing_else_does(tmp_path: Path, there: bool) -> None:
    folder = tmp_path / "model"
    if there:
        folder.mkdir()
    write_folder(folder, _FILES)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == _FILES
    assert _names(tmp_path) == ["model"]


def test_folders_above_are_made(tmp_path: Path) -> None:
    write_folder(tmp_path / "deep" / "deeper" / "model", _FILES)
    assert _names(tmp_path / "deep" / "deeper" / "model") == ["a.json", "b.bin"]


def test_a_relative_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_folder(Path("model"), _FILES)
    assert _names(tmp_path) == ["model"]


def test_what_writes_itself_finds_those_before_it(tmp_path: Path) -> None:
    def write(path: Path) -> None:
        path.write_bytes(path.with_name("a.json").read_bytes() * 2)

    write_folder(tmp_path / "model", {"a.json": b"{}", "twice": write})
    assert (tmp_path / "model" / "twice").read_bytes() == b"{}{}"


@pytest.mark.parametrize("taken", ["file", "full", "link", "dangling"])
def test_what_is_there_stays(tmp_path: Path, taken: str) -> None:
    place, other = tmp_path / "model", tmp_path / "other"
    other.mkdir()
    if taken == "file":
        place.write_text("mine")
    elif taken == "full":
        place.mkdir()
        (place / "mine").write_text("mine")
    else:
        place.symlink_to(other if taken == "link" else tmp_path / "nowhere")
    before = _names(tmp_path)
    with pytest.raises(InputError, match="choose another place"):
        check_free(place)
    with pytest.raises(InputError, match="choose another place"):
        write_folder(place, _FILES)
    assert _names(tmp_path) == before
    assert _names(other) == []


def test_a_folder_that_cannot_be_looked_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(folder: Path) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), folder)

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(InputError, match="cannot be looked into"):
        check_free(tmp_path)


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), OSError("no")])
def test_no_room(tmp_path: Path, error: OSError) -> None:
    def fail(path: Path) -> None:
        path.write_bytes(b"half")
        raise error

    with pytest.raises(StorageError, match=r"cannot be written .*; make room there"):
        write_folder(tmp_path / "model", {"a.json": b"{}", "b.bin": fail})
    assert _names(tmp_path) == []


def test_a_place_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises((StorageError, InputError)):
        write_folder(tmp_path / "file" / "model", _FILES)
    assert _names(tmp_path) == ["file"]


def test_an_interrupt_leaves_nothing(tmp_path: Path) -> None:
    def interrupt(path: Path) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_folder(tmp_path / "model", {"a": interrupt})
    assert _names(tmp_path) == []


def test_what_others_write_can_be_read_by_all_who_may_read_the_rest(tmp_path: Path) -> None:
    def private(place: Path) -> None:
        place.unlink()
        place.touch(mode=0o600)

    write_folder(tmp_path / "model", {"own": b"1", "other": private})
    modes = {file.name: file.stat().st_mode for file in (tmp_path / "model").iterdir()}
    assert modes["own"] == modes["other"]
