"""What is to be downloaded: which files are not there yet, how large they are, what that needs."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from steeple.datasets.fetching.catalogue import Dataset, File, Part
from steeple.datasets.fetching.partial import begun
from steeple.datasets.fetching.progress import Meter
from steeple.datasets.fetching.transfer import Client, Patience
from steeple.datasets.fetching.workplace import Workplace
from steeple.errors import InputError
from steeple.progress import Progress, silent

__all__ = ["Options", "Plan", "plan"]


@dataclass(frozen=True)
class Options:
    """How to download.

    Attributes:
        connections: how many files at once.
        mirror: a URL that the files lie under instead, by the same names; None: their publishers.
        keep_archives: whether archives stay once they are unpacked.
        patience: how long a server gets.
    """

    connections: int = 4
    mirror: str | None = None
    keep_archives: bool = False
    patience: Patience = field(default_factory=Patience)


@dataclass(frozen=True)
class Plan:
    """What is to be done.

    Attributes:
        dataset: the data set.
        parts: what is wanted of it.
        out: the folder it goes into.
        files: those that are not there yet.
        there: how many are there already.
        sizes: of files that are not there yet, by path, in bytes; None: the server does not say.
        absent: paths of those that the server says it does not have.
        begun: how many bytes of them are there already.
        options: how to download.
    """

    dataset: Dataset
    parts: tuple[Part, ...]
    out: Path
    files: tuple[File, ...]
    there: int
    sizes: dict[str, int | None]
    absent: frozenset[str]
    begun: int
    options: Options

    @property
    def size(self) -> int:
        """Of the files that are not there yet, in bytes, as far as it is known.

        Where a server does not say, the catalogue's size counts, which is about right.
        """
        return sum(self._size(file) or 0 for file in self.files)

    @property
    def unknown(self) -> int:
        """Of how many files nobody says the size."""
        return sum(self._size(file) is None for file in self.files)

    @property
    def exact(self) -> bool:
        """Whether every size is known by its server's word."""
        return None not in self.sizes.values()

    @property
    def rough(self) -> bool:
        """Whether some sizes are the catalogue's, so that sums are about right."""
        return any(
            self.sizes[file.path] is None and self._size(file) is not None for file in self.files
        )

    @property
    def missing(self) -> int:
        """What is still to come, in bytes, as far as it is known."""
        return max(self.size - self.begun, 0)

    @property
    def space(self) -> int:
        """Bytes of disk that are still needed, as far as it is known.

        Photos do not compress, so an archive unpacks to about its own size. The archives
        themselves lie there too: all of them if they are kept, otherwise those in flight.
        """
        archives = [self._size(file) or 0 for file in self.files if file.layout]
        if not self.options.keep_archives:
            archives = sorted(archives, reverse=True)[: self.options.connections]
        return max(self.size + sum(archives) - self.begun, 0)

    def _size(self, file: File) -> int | None:
        said = self.sizes[file.path]
        return file.size if said is None and file.path not in self.absent else said


def plan(
    dataset: Dataset,
    parts: Sequence[Part],
    out: Path,
    options: Options | None = None,
    *,
    progress: Progress = silent,
) -> Plan:
    """Finds out what is missing in a folder, and asks the servers how large it is.

    Args:
        dataset: the data set.
        parts: what is wanted of it.
        out: the folder it goes into; it need not exist.
        options: how to download.
        progress: told how many files were asked for.

    Raises:
        InputError: the mirror is no URL, or the server gives none of the files.
        MachineError: the server does not answer.
    """
    options = _checked(options or Options())
    workplace = Workplace(out, keep_archives=options.keep_archives)
    wanted = [file for part in parts for file in part.files]
    files = tuple(file for file in wanted if not workplace.has(file))
    sizes, absent = _sizes(files, options, progress)
    return Plan(
        dataset=dataset,
        parts=tuple(parts),
        out=out,
        files=files,
        there=len(wanted) - len(files),
        sizes=sizes,
        absent=absent,
        begun=sum(begun(workplace.download(file)) for file in files),
        options=options,
    )


def _sizes(
    files: Sequence[File], options: Options, progress: Progress
) -> tuple[dict[str, int | None], frozenset[str]]:
    """Asks for the sizes of files, by path; and which of them are not there."""
    client = Client(options.connections, options.patience)
    meter = Meter(progress, "sizes", 0, len(files)) if files else None
    refused: dict[str, InputError] = {}

    def ask(file: File) -> int | None:
        try:
            return client.size(file.url(options.mirror))
        except InputError as error:  # said again when it is its turn, if others are there
            refused[file.path] = error
            return None
        finally:
            if meter:
                meter.add(1)

    pool = ThreadPoolExecutor(options.connections)
    try:
        sizes = dict(zip((file.path for file in files), pool.map(ask, files), strict=True))
    finally:
        client.stop()
        pool.shutdown(cancel_futures=True)
        client.close()
    if refused and len(refused) == len(files):
        raise refused[files[0].path]
    return sizes, frozenset(refused)


def _checked(options: Options) -> Options:
    mirror = options.mirror
    if mirror is None:
        return options
    try:
        parts = urlsplit(mirror)
        sound = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # of brackets and ports
        sound = False
    if not sound:
        raise InputError(f"{mirror!r} is no mirror; give a URL: https://HOST/FOLDER/")
    return replace(options, mirror=mirror if mirror.endswith("/") else f"{mirror}/")
