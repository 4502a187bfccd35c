"""A plan carried out: the files of a data set from their servers into a folder.

Archives are unpacked as soon as they are there and dropped (or kept), so the disk never holds all
of them twice. What is done is marked file by file; a second run goes on where the first one ended.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from steeple.datasets.fetching.catalogue import File
from steeple.datasets.fetching.failures import summed_up
from steeple.datasets.fetching.planning import Plan
from steeple.datasets.fetching.progress import Meter
from steeple.datasets.fetching.space import check_space
from steeple.datasets.fetching.transfer import Client
from steeple.datasets.fetching.unpack import Unpacked, unpack
from steeple.datasets.fetching.workplace import Workplace
from steeple.errors import ContentError, InputError, LabelError, StorageError
from steeple.progress import Progress, silent

__all__ = ["Downloaded", "download"]

_READ = 1 << 20  # bytes


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


def download(what: Plan, *, progress: Progress = silent) -> Downloaded:
    """Carries a plan out. Whatever stops it, the next run goes on with what is there.

    A file that cannot be had, or is not what was published, stops no other.

    Args:
        what: the plan.
        progress: told how many bytes came, in all, and how many archives were unpacked.

    Raises:
        ContentError: some files are not what was published; the others are there.
        InputError: another download goes on in the folder, or the servers refused to give some
            files; the others are there.
        MachineError: the server stopped answering.
        StorageError: the disk lacks the space, or does not let us in.
    """
    if not what.files:
        return Downloaded(files=0, there=what.there, bytes=0, photos=0)
    needs = "this needs about" if what.rough else "this needs"
    check_space(what.out, needs, what.space, "choose another folder, or take fewer archives")
    workplace = Workplace(what.out, keep_archives=what.options.keep_archives)
    with workplace.locked():
        work = _Work(what, workplace, progress)
        return work.run()


class _Work:
    """One download under way."""

    def __init__(self, what: Plan, workplace: Workplace, progress: Progress) -> None:
        total = what.size if what.exact else None
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
        failures = [error for task in tasks if isinstance(error := task.exception(), InputError)]
        if failures and len(files) == 1:
            raise failures[0]
        if failures:
            raise summed_up(failures, len(files)) from failures[0]
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
        try:
            found = self._opened(file, arrived)
        except InputError:
            came.add(-arrived.stat().st_size)
            arrived.unlink()
            raise
        with _storing(self._what.out):
            if found is None:
                arrived.replace(self._what.out / file.place)
            self._workplace.finish(file, found)
        if found is None:
            return came.size, 0
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
                self._fetch(file, arrived, came)
            if wanted is None or _md5(arrived, self._client.check) == wanted:
                return
            came.add(-arrived.stat().st_size)
            arrived.unlink()
        raise ContentError(
            f"{file.url(mirror)}: its MD5 is not {wanted}, which {source} says, twice; "
            "try later, or a mirror"
        )

    def _fetch(self, file: File, arrived: Path, came: _Came) -> None:
        url = file.url(self._what.options.mirror)

        def room(whole: int, rest: int) -> None:
            """Looks at the disk once more: others write to it too, and some sizes are new."""
            needed = rest + whole if file.layout else rest  # archives are unpacked beside it
            check_space(
                self._what.out,
                f"{url} needs",
                needed,
                "or choose another folder, and run the same again: it goes on with what is there",
            )

        self._client.fetch(
            url,
            arrived,
            came.add,
            planned=self._what.sizes[file.path],
            sure=file.checksum is not None or file.layout is not None,
            room=room,
        )

    def _opened(self, file: File, arrived: Path) -> Unpacked | None:
        """Opens a file with its own reader; an archive is unpacked into its place."""
        if file.layout is not None:
            return unpack(
                arrived,
                self._what.out / file.place,
                file.layout,
                aside=self._workplace.aside(file),
                keep_going=self._client.check,
            )
        if file.check is not None:
            try:
                file.check(arrived, self._client.check)
            except LabelError as error:
                why = str(error).removeprefix(str(arrived)).lstrip(":, ").rpartition("; ")[0]
                raise ContentError(
                    f"{file.url(self._what.options.mirror)}: what came is not this file ({why}); "
                    "try later, or a mirror"
                ) from error
        return None


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


def _sum(source: str, text: str) -> str:
    """The MD5 in a file as md5sum writes it: the sum, then the name."""
    words = text.split()
    if not words or not re.fullmatch(r"[0-9a-fA-F]{32}", words[0]):
        raise ContentError(f"{source}: holds no MD5; try later, or a mirror")
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
    except StorageError:
        raise
    except OSError as error:
        raise StorageError(
            f"{error.filename or path}: {error.strerror}; look at the disk and its permissions"
        ) from error
