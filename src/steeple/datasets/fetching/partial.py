"""A file that is not whole yet, and the note beside it that says of which file it is a part."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from steeple.errors import StorageError

__all__ = ["Begun", "Note", "Partial", "begun", "writing"]


@dataclass(frozen=True)
class Note:
    """Of which file something is a part.

    Attributes:
        url: where the file is.
        validator: the server's strong ETag, or else its Last-Modified; None: it has neither.
        total: the size of the file in bytes; None: unknown.
    """

    url: str
    validator: str | None
    total: int | None = None


@dataclass(frozen=True)
class Begun:
    """A part that may be gone on with.

    Attributes:
        have: how many bytes there are; 0: it starts anew.
        validator: of the file.
        total: the size of the file in bytes; None: unknown.
    """

    have: int = 0
    validator: str = ""
    total: int | None = None


class Partial:
    """A file that grows as ``NAME.part``, with ``NAME.part.json`` beside it.

    Args:
        target: the file that it will be.
    """

    def __init__(self, target: Path) -> None:
        self._target = target
        self._path = target.with_name(f"{target.name}.part")
        self._note = target.with_name(f"{target.name}.part.json")

    @property
    def size(self) -> int:
        """How many bytes there are."""
        return self._path.stat().st_size if self._path.is_file() else 0

    def begun(self, url: str, planned: int | None) -> Begun:
        """What there is of this very file.

        Args:
            url: where it is.
            planned: its size in bytes by its server's word of today; None: unknown.
        """
        try:
            note = Note(**json.loads(self._note.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):  # none, or cut off: it starts anew
            return Begun()
        if note.url != url or not note.validator:
            return Begun()
        total = planned if note.total is None else note.total
        if planned not in (None, total) or (total is not None and self.size > total):
            return Begun()
        return Begun(self.size, note.validator, total)

    def describe(self, note: Note) -> None:
        """Notes what it is a part of.

        Raises:
            StorageError: the disk is full or does not let us in.
        """
        with writing(self._note):
            self._note.write_text(json.dumps(asdict(note)), encoding="utf-8")

    def clear(self) -> int:
        """Throws it away; returns how many bytes it had.

        Raises:
            StorageError: the disk does not let us in.
        """
        size = self.size
        with writing(self._path):
            self._path.unlink(missing_ok=True)
            self._note.unlink(missing_ok=True)
        return size

    def append(self, chunks: Iterator[bytes], gained: Callable[[int], None]) -> None:
        """Writes what comes behind what is there.

        Args:
            chunks: what comes.
            gained: called with the bytes of each.

        Raises:
            StorageError: the disk is full or does not let us in; what came is kept.
        """
        with writing(self._path):
            stream = self._path.open("ab")
        try:
            for chunk in chunks:
                with writing(self._path):
                    stream.write(chunk)
                gained(len(chunk))
        finally:
            with writing(self._path):
                stream.close()

    def finish(self) -> None:
        """Makes it the file that it is now the whole of.

        Raises:
            StorageError: the disk does not let us in.
        """
        with writing(self._target):
            self._path.replace(self._target)
            self._note.unlink(missing_ok=True)


def begun(target: Path) -> int:
    """How many bytes of a file are there already, whole or as a part."""
    return target.stat().st_size if target.is_file() else Partial(target).size


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Says of a disk that refuses to be written what can be done.

    Raises:
        StorageError: it does.
    """
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{path}: cannot be written ({error.strerror}); make room or choose another place, "
            "and run the same again: it goes on with what is there"
        ) from error
