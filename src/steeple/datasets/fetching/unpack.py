"""Photos out of an archive from the network, and nothing else out of it.

Members are read one by one and written to places that are worked out here; `tarfile` extracts
nothing. Its ``data`` filter, which would have to be trusted otherwise, has been got round more than
once, always by means of links (CVE-2025-4517, CVE-2025-4330, CVE-2026-11940), and no published
archive of photos needs a link. So plain files and folders are admitted, and an archive with
anything else in it is refused as a whole: it is not what was published.
"""

from __future__ import annotations

import re
import shutil
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import IO, Literal

from steeple.errors import InputError, SteepleError, StorageError

__all__ = ["Layout", "Unpacked", "unpack"]

_PHOTOS = (".jpg", ".jpeg", ".png")
_GZIP = b"\x1f\x8b"
_COPY = 1 << 20  # bytes read at a time
_MOST_MEMBERS = 100_000  # the largest published archive has about ten thousand
_LONGEST_HEADER = 1 << 20  # bytes of a long name or of pax headers, which are read at once
_ROOM = 64 << 20  # bytes that an archive may unpack to, however small it is
_GROWTH = 3  # and times its own size: JPEG hardly compresses
_HEADERS_ONLY = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)


class Layout(StrEnum):
    """Where the photos of an archive go."""

    BY_ID = "a/b/c/ID.jpg"
    """Folders of the first three characters of the id, as GLD-v2 has it."""
    FLAT = "NAME.jpg"
    """All in one folder, as the Revisited data sets have it."""
    KEPT = "as in the archive"


@dataclass(frozen=True)
class Unpacked:
    """What came out of an archive.

    Attributes:
        photos: how many.
        bytes: their size.
        first: the first of them, below the folder it was unpacked into.
        last: the last of them.
    """

    photos: int
    bytes: int
    first: str
    last: str


def unpack(
    archive: Path,
    folder: Path,
    layout: Layout,
    *,
    aside: Path,
    keep_going: Callable[[], None] = lambda: None,
) -> Unpacked:
    """Unpacks the photos of a tar archive, compressed or not; what is no photo is left out.

    They are unpacked into a folder aside and moved in when the last one is there, so an archive
    that is refused half-way leaves nothing behind.

    Args:
        archive: the file.
        folder: where the photos go; a photo that is there already is replaced.
        layout: which subfolders they get.
        aside: a folder on the same disk that is nobody else's; it is removed in the end.
        keep_going: called between photos; what it raises stops the work.

    Raises:
        InputError: the archive is damaged, holds something else than files and folders, has names
            that lead out of it, unpacks to more than photos can, or holds none.
        StorageError: the disk is full or does not let us in.
    """
    shutil.rmtree(aside, ignore_errors=True)
    try:
        aside.mkdir(parents=True)
        photos, size = _write(archive, aside, layout, keep_going)
        _move(photos, folder)
    except SteepleError:
        raise
    except OSError as error:
        raise StorageError(
            f"{error.filename or folder}: {error.strerror or error}; "
            "look at the disk and its permissions"
        ) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    places = list(photos)
    return Unpacked(len(places), size, str(places[0]), str(places[-1]))


def _write(
    archive: Path, aside: Path, layout: Layout, keep_going: Callable[[], None]
) -> tuple[dict[PurePosixPath, Path], int]:
    """Writes the photos into a folder that is empty; where each is to go, and their size."""
    sources: dict[PurePosixPath, str] = {}
    aside_as: dict[PurePosixPath, Path] = {}
    size = 0
    with _opened(archive) as tar:
        for member, stream in _members(archive, tar):
            keep_going()
            place = _place(archive, member.name, layout)
            if place is None:
                continue
            if sources.setdefault(place, member.name) != member.name:
                raise _refused(archive, f"{sources[place]!r} and {member.name!r} would be one file")
            # Numbered, because GLD-v2 has a folder for every two photos, and folders cost time.
            target = aside_as.setdefault(place, aside / str(len(aside_as)))
            _copy(archive, member, stream, target)
            size += member.size
    if not sources:
        raise _refused(archive, "holds no photo")
    return aside_as, size


@contextmanager
def _opened(archive: Path) -> Iterator[tarfile.TarFile]:
    """An archive; whatever is found damaged while it is open is said in one way."""
    headers = _headers(archive)
    with archive.open("rb") as stream:
        mode: Literal["r:gz", "r:"] = "r:gz" if stream.read(len(_GZIP)) == _GZIP else "r:"
    try:
        with tarfile.open(archive, mode, tarinfo=headers) as tar:
            yield tar
            if not headers.ended:
                raise _refused(archive, "is damaged (it breaks off)")
            _read_out(archive, tar)
    except SteepleError:
        raise
    except (tarfile.TarError, EOFError, zlib.error, ValueError, RecursionError) as error:
        raise _refused(archive, f"is damaged ({error})") from error
    except OSError as error:
        if error.errno is None:  # gzip says so of bad magic numbers and checksums
            raise _refused(archive, f"is damaged ({error})") from error
        raise


def _members(archive: Path, tar: tarfile.TarFile) -> Iterator[tuple[tarfile.TarInfo, IO[bytes]]]:
    """The files of an archive, each checked before the next is looked at."""
    most = _GROWTH * archive.stat().st_size + _ROOM
    count = size = 0
    for member in tar:
        _check(archive, member)
        count, size = count + 1, size + member.size
        if count > _MOST_MEMBERS or size > most:
            raise _refused(archive, "unpacks to far more than photos of its size can")
        stream = tar.extractfile(member)
        if stream is not None:
            yield member, stream


def _read_out(archive: Path, tar: tarfile.TarFile) -> None:
    """Reads on to the end of the file, where a compressed one has its checksum."""
    stream, size = tar.fileobj, 0
    while stream is not None and (data := stream.read(_COPY)):
        size += len(data)
        if size > _ROOM:
            raise _refused(archive, "goes on behind its end")


def _check(archive: Path, member: tarfile.TarInfo) -> None:
    if member.isdir():
        return
    if not member.isreg() or member.sparse is not None:
        raise _refused(archive, f"holds {member.name!r}, which is no plain file")
    if member.size < 0:  # pax headers may say so, and the next header would be read backwards
        raise _refused(archive, f"holds {member.name!r} of {member.size} bytes")


def _place(archive: Path, name: str, layout: Layout) -> PurePosixPath | None:
    """Where a member goes, below the folder; None if it is no photo."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or re.search(r"[\\\0]", name):
        raise _refused(archive, f"holds {name!r}, which leads out of it")
    if path.suffix.lower() not in _PHOTOS or path.name.startswith("."):
        return None
    if layout is Layout.KEPT:
        return path
    if layout is Layout.FLAT:
        return PurePosixPath(path.name)
    if not re.fullmatch(r"\w{3,}", path.stem, re.ASCII):
        raise _refused(archive, f"holds {name!r}, whose name is no id")
    return PurePosixPath(*path.stem[:3], path.name)


def _copy(archive: Path, member: tarfile.TarInfo, stream: IO[bytes], to: Path) -> None:
    with stream, to.open("wb") as out:
        shutil.copyfileobj(stream, out, _COPY)
        if out.tell() != member.size:
            raise _refused(archive, f"is damaged ({member.name!r} breaks off)")


def _move(photos: dict[PurePosixPath, Path], folder: Path) -> None:
    """Moves every photo to its place below the folder."""
    there: set[Path] = set()
    for place, photo in photos.items():
        target = folder / place
        if target.parent not in there:
            target.parent.mkdir(parents=True, exist_ok=True)
            there.add(target.parent)
        photo.replace(target)


def _refused(archive: Path, why: str) -> InputError:
    return InputError(f"{archive} {why}; nothing of it was kept: download it again")


def _headers(archive: Path) -> type[_Headers]:
    """Makes the class that reads one archive's headers before `tarfile` believes them."""

    class Headers(_Headers):
        @classmethod
        def frombuf(cls, buf: bytes | bytearray, encoding: str | None, errors: str) -> Headers:
            cls.ended = len(buf) == tarfile.BLOCKSIZE and not any(buf)
            made = super().frombuf(buf, encoding, errors)  # type: ignore[arg-type]
            if made.size < 0 or (made.type in _HEADERS_ONLY and made.size > _LONGEST_HEADER):
                raise _refused(archive, f"has a header of {made.size:,} bytes")
            return made

    return Headers


class _Headers(tarfile.TarInfo):
    ended = False
    """Whether the last header was the block of zeros that closes an archive; at a damaged one,
    `tarfile` stops without a word."""
