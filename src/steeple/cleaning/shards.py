"""The work of a cleaning in shards that outlive an interruption.

Training images are worked on landmark by landmark, so that both images of a pair, which have the
same label, are in the same shard. What a shard found is one file, written beside its place and
renamed: it is there whole, and the shard is done, or not at all. `settings.json` says what the
shards answer; another question gets other shards.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from steeple.collection.segments import sync_folder
from steeple.errors import InputError, StorageError
from steeple.retrieval.types import Ids

__all__ = ["SHARD", "Shards", "cut", "shards_of"]

SHARD = 4096
"""Images a shard has, or a few more: some minutes of work, and 80 MiB of neighbours."""

_SETTINGS = "settings.json"
_COMPLETE = "complete"

Arrays = Mapping[str, npt.NDArray[Any]]


def shards_of(labels: Ids) -> Iterator[tuple[str, Ids]]:
    """The shards of a training set, by name: (n,) int64 numbers of images, landmark by landmark.

    Args:
        labels: (T,) int64, the landmarks of all images.
    """
    order = np.argsort(labels, kind="stable")
    for number, images in enumerate(cut(order, labels[order], SHARD, 4 * SHARD)):
        yield f"{number:06d}", images


def cut(images: Ids, labels: Ids, least: int, most: int) -> Iterator[Ids]:
    """Cuts images that are sorted by landmark, between landmarks where possible.

    Args:
        images: (n,) int64, numbers.
        labels: (n,) int64, their landmarks, sorted.
        least: images after which the next landmark begins a new part.
        most: images after which even a landmark is cut.

    Yields:
        The parts, none of them empty.
    """
    ends = np.append(np.flatnonzero(np.diff(labels)) + 1, len(images)).tolist()
    start = 0
    for end in ends:
        while end - start > most:
            yield images[start : start + most]
            start += most
        if end - start >= least or (end == len(images) and end > start):
            yield images[start:end]
            start = end


class Shards:
    """The files of one cleaning.

    Args:
        folder: where they lie; made if it is not there.
        settings: what they answer: JSON.
        resume: whether to go on with what an earlier run has left there.

    Raises:
        InputError: if an earlier run is there that did not end and is not to be resumed, or one
            that is to be resumed and had other settings.
        StorageError: if the folder cannot be written.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any], *, resume: bool = False) -> None:
        self.folder = folder
        with _storage_errors(folder):
            earlier = self._earlier()
            if resume and earlier is not None:
                _compare(folder, earlier, dict(settings))
                for partial in folder.glob(".*.part"):  # of a run that was killed
                    partial.unlink(missing_ok=True)
            elif earlier is not None and not (folder / _COMPLETE).exists():
                raise InputError(
                    f"{folder} holds the work of a cleaning that did not end; go on with it by "
                    "--resume, or remove the folder to begin anew"
                )
            else:
                shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True, exist_ok=True)
            text = json.dumps(dict(settings), indent=2, sort_keys=True) + "\n"
            self._write(_SETTINGS, lambda file: file.write(text.encode()))

    def done(self, name: str) -> bool:
        """Whether a shard is done."""
        return (self.folder / f"{name}.npz").exists()

    def save(self, name: str, arrays: Arrays) -> None:
        """Keeps what a shard found; with that it is done.

        Raises:
            StorageError: if it cannot be written.
        """
        with _storage_errors(self.folder):
            self._write(f"{name}.npz", lambda file: np.savez(file, **arrays))  # type: ignore[arg-type]

    def load(self, name: str) -> dict[str, npt.NDArray[Any]]:
        """What a shard found.

        Raises:
            InputError: if its file is damaged.
        """
        path = self.folder / f"{name}.npz"
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                return {key: arrays[key] for key in arrays.files}
        except (OSError, ValueError, EOFError, BadZipFile) as error:
            raise InputError(f"{path} is damaged ({error}); remove it and use --resume") from error

    def complete(self) -> None:
        """Notes that all is done, so that the next run may begin anew without being asked."""
        with _storage_errors(self.folder):
            self._write(_COMPLETE, lambda file: file.write(b"\n"))

    def _earlier(self) -> dict[str, Any] | None:
        """The settings of an earlier run, or None."""
        path = self.folder / _SETTINGS
        if not path.exists():
            if self.folder.exists() and any(self.folder.iterdir()):
                raise InputError(
                    f"{self.folder} is not empty and not from a cleaning; choose another folder"
                )
            return None
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise InputError(f"{path} is damaged ({error}); remove the folder") from error
        return found if isinstance(found, dict) else {}

    def _write(self, name: str, write: Any) -> None:
        partial = self.folder / f".{secrets.token_hex(8)}.part"
        try:
            with partial.open("xb") as file:
                _fill(file, write)
            partial.replace(self.folder / name)
            sync_folder(self.folder)
        finally:
            with suppress(OSError):
                partial.unlink(missing_ok=True)


def _fill(file: BinaryIO, write: Any) -> None:
    write(file)
    file.flush()
    os.fsync(file.fileno())


def _compare(folder: Path, earlier: dict[str, Any], settings: dict[str, Any]) -> None:
    settings = json.loads(json.dumps(settings))  # as they come back: lists for tuples
    changed = [key for key in {**earlier, **settings} if earlier.get(key) != settings.get(key)]
    if changed:
        key = changed[0]
        raise InputError(
            f"{folder} was begun with {key} {earlier.get(key)!r}, not {settings.get(key)!r}; "
            "resume with the same settings and photos, or remove the folder to begin anew"
        )


@contextmanager
def _storage_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(
            f"{folder} cannot be written: {error.strerror or error}; finished shards are kept, so "
            "make room and go on with --resume"
        ) from error
