"""A data set, or a part of it, from its servers into a folder: first the plan, then the work.

Archives are unpacked as soon as they are there and dropped (or kept), so the disk never holds all
of them twice. What is done is marked file by file; a second run goes on where the first one ended.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from steeple.datasets.fetching.catalogue import Dataset, File, Part
from steeple.datasets.fetching.progress import Meter
from steeple.datasets.fetching.transfer import Client, Patience, begun
from steeple.datasets.fetching.unpack import unpack
from steeple.datasets.fetching.workplace import Workplace
from steeple.errors import InputError, MachineError, StorageError
from steeple.progress import Progress, silent

__all__ = ["Downloaded", "Options", "Plan", "download", "plan"]

_GB = 1e9
_READ = 1 << 20  # bytes


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
        begun: how many bytes of them are there already.
        options: how to download.
    """

    dataset: Dataset
    parts: tuple[Part, ...]
    out: Path
    files: tuple[File, ...]
    there: int
    sizes: dict[str, int | None]
    begun: int
    options: Options

    @property
    def size(self) -> int:
        """Of the files that are not there yet, in bytes, as far as it is known."""
        return sum(size or 0 for size in self.sizes.values())

    @property
    def unknown(self) -> int:
        """Of how many files the size is unknown."""
        return sum(size is None for size in self.sizes.values())

    @property
    def space(self) -> int:
        """Bytes of disk that are still needed, as far as it is known.

        Photos do not compress, so an archive unpacks to about its own size. The archives
        themselves lie there too: all of them if they are kept, otherwise those in flight.
        """
        archives = [self.sizes[file.path] or 0 for file in self.files if file.layout]
        if not self.options.keep_archives:
            archives = sorted(archives, reverse=True)[: self.options.connections]
        return max(self.size + sum(archives) - self.begun, 0)


@dataclass(frozen=True)
class Downloaded:
    """What a download did.

    Attributes:
        files: how many came.
        there: how many were there before.
        bytes: how many came over the network.
        photos: how many were unpacked.
    """

    files: int
    there: int
    bytes: int
    photos: int


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
    return Plan(
        dataset=dataset,
        parts=tuple(parts),
        out=out,
        files=files,
        there=len(wanted) - len(files),
        sizes=_sizes(files, options, progress),
        begun=sum(begun(workplace.download(file)) for file in files),
        options=options,
    )


def download(what: Plan, *, progress: Progress = silent) -> Downloaded:
    """Carries a plan out. Whatever stops it, the next run goes on with what is there.

    Args:
        what: the plan.
        progress: told how many bytes came, in all, and how many archives were unpacked.

    Raises:
        InputError: another download goes on in the folder.
        MachineError: the server stopped answering, or some files could not be had; the others
            are there.
        StorageError: the disk lacks the space, or does not let us in.
    """
    if not what.files:
        return Downloaded(files=0, there=what.there, bytes=0, photos=0)
    _check_space(what)
    workplace = Workplace(what.out, keep_archives=what.options.keep_archives)
    with workplace.locked():
        work = _Work(what, workplace, progress)
        return work.run()


class _Work:
    """One download under way."""

    def __init__(self, what: Plan, workplace: Workplace, progress: Progress) -> None:
        total = None if what.unknown else what.size
        archives = sum(file.layout is not None for file in what.files)
        self._what = what
        self._workplace = workplace
        self._client = Client(what.options.connections, what.options.patience)
        self._bytes = Meter(progress, "download", what.begun, total)
        self._archives = Meter(progress, "unpack", 0, archives) if archives else None

    def run(self) -> Downloaded:
        files = self._what.files
        pool = ThreadPoolExecutor(self._what.options.connections)
        try:
            tasks = {pool.submit(self._one, file): file for file in files}
            _until_done(tasks)
        finally:  # a failure of the machine, or Ctrl-C: what came is kept
            self._client.stop()
            pool.shutdown(cancel_futures=True)
            self._client.close()
        done = [task.result() for task in tasks if task.exception() is None]
        failures = [error for task in tasks if (error := task.exception())]
        if failures:
            others = "; the others are there: run the same again to go on" if done else ""
            raise MachineError(
                f"{len(failures):,} of {len(files):,} files could not be had; the first: "
                f"{failures[0]}{others}"
            ) from failures[0]
        return Downloaded(
            files=len(done),
            there=self._what.there,
            bytes=sum(size for size, _ in done),
            photos=sum(photos for _, photos in done),
        )

    def _one(self, file: File) -> tuple[int, int]:
        """Has one file in its place; returns bytes that came and photos unpacked."""
        if self._workplace.has(file):  # another run was quicker
            return 0, 0
        came = _Came(self._bytes)
        arrived = self._workplace.download(file)
        self._verified(file, arrived, came)
        with _storing(self._what.out):
            if file.layout is None:
                arrived.replace(self._what.out / file.place)
                self._workplace.finish(file, None)
                return came.size, 0
        try:
            found = unpack(
                arrived,
                self._what.out / file.place,
                file.layout,
                aside=self._workplace.aside(file),
                keep_going=self._client.check,
            )
        except InputError:
            came.add(-arrived.stat().st_size)
            arrived.unlink()
            raise
        with _storing(self._what.out):
            self._workplace.finish(file, found)
        if self._archives:
            self._archives.add(1)
        return came.size, found.photos

    def _verified(self, file: File, arrived: Path, came: _Came) -> None:
        """Downloads a file until its sum is right; a second time if it must be."""
        mirror = self._what.options.mirror
        source = file.checksum_url(mirror)
        wanted = _sum(source, self._client.text(source)) if source else None
        for _ in range(2):
            if not arrived.is_file():
                self._client.fetch(file.url(mirror), arrived, came.add)
            if wanted is None or _md5(arrived, self._client.check) == wanted:
                return
            came.add(-arrived.stat().st_size)
            arrived.unlink()
        raise InputError(
            f"{file.url(mirror)}: its MD5 is not {wanted}, which {source} says, twice; "
            "try later, or a mirror"
        )


class _Came:
    """Counts the bytes of one file, and passes them on."""

    def __init__(self, meter: Meter) -> None:
        self.size = 0
        self._meter = meter

    def add(self, amount: int) -> None:
        self.size += max(amount, 0)
        self._meter.add(amount)


def _until_done(tasks: Iterable[Future[tuple[int, int]]]) -> None:
    """Waits for all of them; a file that cannot be had stops no other, all else does."""
    waiting = set(tasks)
    while waiting:
        done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
        for task in done:
            error = task.exception()
            if error is not None and not isinstance(error, InputError):
                raise error


def _sizes(files: Sequence[File], options: Options, progress: Progress) -> dict[str, int | None]:
    """Asks for the sizes of files, by path."""
    client = Client(options.connections, options.patience)
    meter = Meter(progress, "sizes", 0, len(files)) if files else None
    missing: list[InputError] = []

    def ask(file: File) -> int | None:
        try:
            return client.size(file.url(options.mirror))
        except InputError as error:  # said again when it is its turn, if others are there
            missing.append(error)
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
    if missing and len(missing) == len(files):
        raise missing[0]
    return sizes


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


def _check_space(what: Plan) -> None:
    place = what.out.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if what.space > free:
        raise StorageError(
            f"{what.out}: this needs {what.space / _GB:,.1f} GB of disk and {free / _GB:,.1f} GB "
            "are free; make room, choose another folder, or take fewer archives"
        )


def _sum(source: str, text: str) -> str:
    """The MD5 in a file as md5sum writes it: the sum, then the name."""
    words = text.split()
    if not words or not re.fullmatch(r"[0-9a-fA-F]{32}", words[0]):
        raise InputError(f"{source}: holds no MD5; try later, or a mirror")
    return words[0].lower()


def _md5(path: Path, keep_going: Callable[[], None]) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with _storing(path), path.open("rb") as stream:
        while data := stream.read(_READ):
            keep_going()
            digest.update(data)
    return digest.hexdigest()


@contextmanager
def _storing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{error.filename or path}: {error.strerror}; look at the disk and its permissions"
        ) from error
