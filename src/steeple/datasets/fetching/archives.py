"""Tar archives from the network, read under limits.

`tarfile` believes what headers say: it reads names and maps of holes that are as long as they
announce, goes back to where they point, and remembers every header. So it reads from a stream here
that gives the headers of a member so many bytes and no more, and that only goes forward; and it is
made to forget.
"""

from __future__ import annotations

import gzip
import shutil
import tarfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from steeple.errors import ContentError, SteepleError

__all__ = ["Member", "members", "quoted", "refused"]

_GZIP = b"\x1f\x8b"
_COPY = 1 << 20  # bytes read at a time
_MOST_MEMBERS = 100_000  # the largest published archive has about ten thousand
_LONGEST_HEADERS = 8 << 10  # bytes of the headers of one member; the longest path takes 4 KiB
_HEADERS_EACH = 2 << 10  # and of one member on average; the published need 1.5 KiB at most
_FREE = 32  # members before their average counts
_MOST_GLOBAL = 64  # fields that are said once of all members, and copied for each
_ROOM = 64 << 20  # bytes that an archive may unpack to, however small it is
_GROWTH = 3  # and times its own size: JPEG hardly compresses
_SHOWN = 80  # characters of a name
# What `tarfile` and the decompression under it raise at bytes that make no sense to them.
_DAMAGE = (
    tarfile.TarError,
    EOFError,
    zlib.error,
    ValueError,
    LookupError,
    ArithmeticError,
    AttributeError,
    TypeError,
    RecursionError,
)


@dataclass(frozen=True)
class Member:
    """A file in an archive; it can be written until the next one is asked for.

    Attributes:
        name: as the archive has it.
        size: in bytes.
    """

    name: str
    size: int
    _archive: Path
    _stream: IO[bytes]

    def write(self, to: Path) -> None:
        """Writes its bytes to a file.

        Raises:
            ContentError: the archive is damaged.
            OSError: the disk is full or does not let us in.
        """
        with _parsing(self._archive), self._stream, to.open("wb") as out:
            shutil.copyfileobj(self._stream, out, _COPY)
            if out.tell() != self.size:
                raise refused(self._archive, f"is damaged ({quoted(self.name)} breaks off)")


def members(archive: Path) -> Generator[Member, None, None]:
    """The files of a tar archive, compressed or not, each checked before the next is looked at.

    To be closed where it is left before its end (`contextlib.closing`).

    Raises:
        ContentError: the archive is damaged, holds something else than files and folders, or says
            or holds more than one of photos can.
        OSError: it is not there, or the disk does not let us in.
    """
    with archive.open("rb") as packed:
        compressed = packed.read(len(_GZIP)) == _GZIP
        packed.seek(0)
        stream = cast("IO[bytes]", gzip.GzipFile(fileobj=packed)) if compressed else packed
        source = _Source(archive, stream)
        for member, content in _checked(archive, source):
            yield Member(member.name, member.size, archive, content)
        if source.last != bytes(tarfile.BLOCKSIZE):  # at a damaged header it just stops
            raise refused(archive, "is damaged (it breaks off)")
        _read_out(archive, stream)


def quoted(name: str) -> str:
    """A name from an archive as errors say it: on one line, and not too long."""
    return repr(name if len(name) <= _SHOWN else f"{name[:_SHOWN]}...")


def refused(archive: Path, why: str) -> ContentError:
    """What is said of an archive that is not what was published."""
    return ContentError(f"{archive} {why}; nothing of it was kept: download it again")


class _Source:
    """The bytes of an archive, as `tarfile` asks for them.

    Args:
        archive: the file, for errors.
        stream: its bytes, unpacked.
    """

    def __init__(self, archive: Path, stream: IO[bytes]) -> None:
        self.headers = 0  # bytes of headers that were read in all
        self.last = b""  # the last block of them
        self._archive = archive
        self._stream = stream
        self._left: int | None = None

    @contextmanager
    def one_header(self) -> Iterator[None]:
        """Everything that is read meanwhile is the headers of one member."""
        self._left = _LONGEST_HEADERS
        try:
            yield
        finally:
            self._left = None

    def read(self, size: int) -> bytes:
        if self._left is None:
            return self._stream.read(size)
        if size < 0:  # would mean: to the end
            raise refused(self._archive, f"has a header of {size:,} bytes")
        if size > self._left:
            raise refused(self._archive, f"has more than {_LONGEST_HEADERS:,} bytes of headers")
        self._left -= size
        self.headers += size
        self.last = self._stream.read(size)
        return self.last

    def seek(self, place: int) -> int:
        if place < self._stream.tell():
            raise refused(self._archive, "has a header that leads backwards")
        return self._stream.seek(place)

    def tell(self) -> int:
        return self._stream.tell()


def _checked(archive: Path, source: _Source) -> Iterator[tuple[tarfile.TarInfo, IO[bytes]]]:
    """The plain files among the members, with their content."""
    most = _GROWTH * archive.stat().st_size + _ROOM
    count = size = 0
    with _parsing(archive), source.one_header():  # the first header is read right away
        tar = tarfile.TarFile(fileobj=cast("IO[bytes]", source))
    while True:
        with _parsing(archive), source.one_header():
            member = tar.next()
        if member is None:
            return
        tar.members.clear()  # type: ignore[attr-defined]
        _check(archive, member)
        count, size = count + 1, size + member.size
        if count > _MOST_MEMBERS or size + source.headers > most:
            raise refused(archive, "unpacks to far more than photos of its size can")
        if source.headers > _HEADERS_EACH * (count + _FREE) or len(tar.pax_headers) > _MOST_GLOBAL:
            raise refused(archive, "says far more about its members than photos need")
        with _parsing(archive):
            content = tar.extractfile(member)
        if content is not None:
            yield member, content


def _check(archive: Path, member: tarfile.TarInfo) -> None:
    if member.isdir():
        return
    if not member.isreg() or member.sparse is not None:
        raise refused(archive, f"holds {quoted(member.name)}, which is no plain file")
    if member.size < 0:  # headers may say so
        raise refused(archive, f"holds {quoted(member.name)} of {member.size} bytes")


def _read_out(archive: Path, stream: IO[bytes]) -> None:
    """Reads on to the end of the file, where a compressed one has its checksum."""
    size = 0
    while True:
        with _parsing(archive):
            data = stream.read(_COPY)
        if not data:
            return
        size += len(data)
        if size > _ROOM:
            raise refused(archive, "goes on behind its end")


@contextmanager
def _parsing(archive: Path) -> Iterator[None]:
    """Says of a damaged archive that it is one; what is wrong with the disk stays as it is."""
    try:
        yield
    except SteepleError:
        raise
    except OSError as error:
        if error.errno is None:  # gzip says so of bad magic numbers and checksums
            raise refused(archive, f"is damaged ({error})") from error
        raise
    except _DAMAGE as error:
        why = str(error)[:_SHOWN] or type(error).__name__
        raise refused(archive, f"is damaged ({why})") from error
