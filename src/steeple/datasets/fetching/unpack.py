"""Photos out of an archive from the network, and nothing else out of it.

Members are read one by one and written to places that are worked out here; `tarfile` extracts
nothing. Its ``data`` filter, which would have to be trusted otherwise, has been got round more than
once, always by means of links (CVE-2025-4517, CVE-2025-4330, CVE-2026-11940), and no published
archive of photos needs a link. So plain files and folders are admitted, and an archive with
anything else in it is refused as a whole: it is not what was published. The same goes for names
that no disk takes, so that a refusal by the disk is a matter of the disk alone.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Collection
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath

from steeple.datasets.fetching.archives import members, quoted, refused
from steeple.errors import SteepleError, StorageError

__all__ = ["Layout", "Unpacked", "unpack"]

_PHOTOS = (".jpg", ".jpeg", ".png")
_LONGEST_NAME = 255  # bytes of a file or folder: what the disks of Linux take
_DEEPEST = 8  # folders, which with the longest names leave a path half of its 4096 bytes


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
    that is refused leaves nothing behind.

    Args:
        archive: the file.
        folder: where the photos go; a photo that is there already is replaced.
        layout: which subfolders they get.
        aside: a folder on the same disk that is nobody else's; it is removed in the end.
        keep_going: called between photos; what it raises stops the work.

    Raises:
        ContentError: the archive is damaged, holds something else than files and folders, has names
            that lead out of it or that no disk takes, unpacks to more than photos can, or holds
            none.
        StorageError: the disk is full or does not let us in.
    """
    shutil.rmtree(aside, ignore_errors=True)
    try:
        aside.mkdir(parents=True)
        photos, size = _write(archive, aside, layout, keep_going)
        _check_places(archive, photos, folder)
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
    with closing(members(archive)) as found:
        for member in found:
            keep_going()
            place = _place(archive, member.name, layout)
            if place is None:
                continue
            if sources.setdefault(place, member.name) != member.name:
                both = f"{quoted(sources[place])} and {quoted(member.name)}"
                raise refused(archive, f"holds {both}, which would be one file")
            # Numbered, because GLD-v2 has a folder for every two photos, and folders cost time.
            target = aside_as.setdefault(place, aside / str(len(aside_as)))
            member.write(target)
            size += member.size
    if not sources:
        raise refused(archive, "holds no photo")
    return aside_as, size


def _place(archive: Path, name: str, layout: Layout) -> PurePosixPath | None:
    """Where a member goes, below the folder; None if it is no photo."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or re.search(r"[\\\0]", name):
        raise refused(archive, f"holds {quoted(name)}, which leads out of it")
    if path.suffix.lower() not in _PHOTOS or path.name.startswith("."):
        return None
    place = PurePosixPath(path.name)
    if layout is Layout.KEPT:
        place = path
    elif layout is Layout.BY_ID:
        if not re.fullmatch(r"\w{3,}", path.stem, re.ASCII):
            raise refused(archive, f"holds {quoted(name)}, whose name is no id")
        place = PurePosixPath(*path.stem[:3], path.name)
    if len(place.parts) > _DEEPEST + 1 or not all(map(_is_nameable, place.parts)):
        raise refused(archive, f"holds {quoted(name)}, a name that no disk takes")
    return place


def _is_nameable(part: str) -> bool:
    """Whether a file or folder can be called so."""
    try:
        return len(os.fsencode(part)) <= _LONGEST_NAME
    except UnicodeEncodeError:  # where the system does not speak UTF-8
        return False


def _check_places(archive: Path, places: Collection[PurePosixPath], folder: Path) -> None:
    """Refuses a photo where there is a folder, and a folder where there is a photo."""
    folders = {parent for place in places for parent in place.parents if parent.name}
    for place in places:
        if place in folders or (folder / place).is_dir():
            raise refused(archive, f"holds {quoted(str(place))}, where there is a folder")
    for place in folders:
        if (folder / place).is_file():
            raise refused(archive, f"holds the folder {quoted(str(place))}, where there is a file")


def _move(photos: dict[PurePosixPath, Path], folder: Path) -> None:
    """Moves every photo to its place below the folder."""
    there: set[Path] = set()
    for place, photo in photos.items():
        target = folder / place
        if target.parent not in there:
            target.parent.mkdir(parents=True, exist_ok=True)
            there.add(target.parent)
        photo.replace(target)
