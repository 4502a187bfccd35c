"""What a folder remembers of finished downloads, and that only one goes on in it.

.downloads/done/PATH.json    one per file of the data set that is all there
.downloads/PATH[.part]       what is on its way, and archives until they are unpacked
.downloads/lock              held while a download goes on
archives/PATH                archives, where they are to be kept
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from steeple.datasets.fetching.catalogue import File
from steeple.datasets.fetching.unpack import Unpacked
from steeple.errors import InputError, StorageError

__all__ = ["Workplace"]


class Workplace:
    """The folder of a data set, as downloads see it.

    Args:
        out: the folder.
        keep_archives: whether archives are to stay.
    """

    def __init__(self, out: Path, *, keep_archives: bool = False) -> None:
        self.out = out
        self._keep = keep_archives
        self._work = out / ".downloads"

    def download(self, file: File) -> Path:
        """Where a file goes before it is unpacked or put in its place."""
        kept = self.out / "archives" / file.path
        archive = file.layout is not None
        return kept if archive and (self._keep or kept.is_file()) else self._work / file.path

    def aside(self, file: File) -> Path:
        """A folder to unpack an archive into; nobody else's."""
        return self._work / "unpacking" / file.path

    def finish(self, file: File, found: Unpacked | None) -> None:
        """Remembers that a file of the data set is all there, and drops its archive.

        Args:
            file: the file.
            found: what was unpacked; None if it is no archive.
        """
        folder = Path(file.place)
        photos = [str(folder / found.first), str(folder / found.last)] if found else []
        marker = self._marker(file)
        marker.parent.mkdir(parents=True, exist_ok=True)
        beside = marker.with_suffix(".new")
        beside.write_text(
            json.dumps(
                {
                    "file": file.path,
                    "holds": photos or [file.place],
                    "photos": found.photos if found else 0,
                }
            ),
            encoding="utf-8",
        )
        beside.replace(marker)
        if not self._keep:
            (self._work / file.path).unlink(missing_ok=True)

    def has(self, file: File) -> bool:
        """Whether a file of the data set is all there, as far as a look at it can tell."""
        try:
            holds = json.loads(self._marker(file).read_text(encoding="utf-8"))["holds"]
            return all((self.out / name).is_file() for name in holds)
        except (OSError, ValueError, KeyError, TypeError):  # none, or cut off: it is done again
            return False

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other downloads out of the folder.

        Raises:
            InputError: another one goes on there.
            StorageError: the folder cannot be written.
        """
        try:
            self._work.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self._work / "lock")
            lock.acquire(timeout=0)
        except Timeout as error:
            raise InputError(
                f"another download is writing to {self.out}; wait until it is done, or stop it"
            ) from error
        except OSError as error:
            raise StorageError(
                f"{self.out}: cannot be written ({error.strerror}); choose another place"
            ) from error
        try:
            yield
        finally:
            lock.release()

    def _marker(self, file: File) -> Path:
        return self._work / "done" / f"{file.path}.json"
