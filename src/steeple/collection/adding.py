"""Photos into a collection: what is new is embedded and committed, a batch at a time."""

from __future__ import annotations

import errno
import hashlib
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from steeple.collection.learning import FIT_PHOTOS
from steeple.collection.sources import Photo, Source
from steeple.collection.store import Image, LocalStore, NewImage
from steeple.embedding.base import Embedder, photos_together
from steeple.embedding.pipeline import Prepared, prepare_files
from steeple.geometry.strongest import Strongest
from steeple.progress import Progress
from steeple.threads import available_cores

__all__ = ["AddReport", "add_photos", "hash_file"]

COMMIT = 256
"""Photos per transaction: what a crash costs at most, once the embedder has learned."""

_UNCOMMITTED = 4 * FIT_PHOTOS  # more photos than can be on their way to a commit
_LOOK_AHEAD = 64  # photos hashed and looked up together


@dataclass
class AddReport:
    """What became of the photos of a source.

    Args:
        added: photos that are new in the collection.
        replaced: photos whose file had changed since.
        relabelled: photos that were there and have another landmark or role now.
        unchanged: photos that were there already.
        moved: of those that were there already, also by content, photos that lie elsewhere now.
        duplicates: (id, id of the photo with the same content) of photos left out for that.
        failed: (path, reason) of photos left out because they could not be read or clash.
        revoted: images whose vote changed in the end.
        learned_from: photos the embedder learned from, if it was fitted in this call.
        seconds: how long each stage took: ``learn``, ``embed``, ``vote``.
    """

    added: int = 0
    replaced: int = 0
    relabelled: int = 0
    unchanged: int = 0
    moved: int = 0
    duplicates: list[tuple[str, str]] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    revoted: int = 0
    learned_from: int | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        """Whether the collection is another one than before."""
        return bool(self.added or self.replaced or self.relabelled or self.moved)


@dataclass(frozen=True)
class _File:
    """What the file of a photo holds: BLAKE2b-128 of its content, and its size in bytes."""

    hash: bytes
    size: int


@dataclass(frozen=True)
class _Candidate:
    """A photo to embed."""

    photo: Photo
    file: _File
    old: Image | None = None

    @property
    def landmark_and_role(self) -> tuple[str | None, int]:
        """What it is to be stored with."""
        if self.old is None:
            return self.photo.landmark, self.photo.role
        return _merged(self.photo, self.old)


def add_photos(
    store: LocalStore,
    embedder: Embedder,
    extractor: Strongest | None,
    source: Source,
    *,
    workers: int | None,
    progress: Progress,
    learned: dict[Path, Prepared],
) -> AddReport:
    """Adds what is new of a source; commits every `COMMIT` photos.

    Args:
        store: the collection; the caller holds its write lock.
        embedder: fitted.
        extractor: finds local features; None if the collection keeps none.
        source: the photos.
        workers: processes that decode and describe; None takes one per core.
        progress: told after every photo.
        learned: photos that were prepared already, when the embedder learned from them.
    """
    report = AddReport()
    total = sum(1 for _ in source)
    waiting: deque[_Candidate] = deque()
    batch = _Batch(embedder)
    unreadable: set[str] = set()
    labelled: dict[str, Photo] = {}

    def fresh() -> Iterator[Path]:
        for candidate in _candidates(store, source, report, labelled):
            waiting.append(candidate)
            if candidate.photo.path not in learned:
                yield candidate.photo.path

    prepared = prepare_files(
        fresh(),
        embedder.prepare,
        embedder.max_side,
        extractor=extractor,
        workers=workers,
        ahead=photos_together(embedder),
    )
    for candidate, result in _in_order(waiting, prepared, learned):
        if result.error is None:
            batch.add(candidate, result)
        else:
            report.failed.append((str(candidate.photo.path), str(result.error)))
            unreadable.add(candidate.photo.id)
        if len(batch) == COMMIT:
            _commit(store, batch, report)
        progress("embed", _done(report) + len(batch), total)
    if len(batch):
        _commit(store, batch, report)
    _label_originals(store, labelled, report)
    report.failed += [
        (double, f"the same file as {first}, which cannot be read")
        for double, first in report.duplicates
        if first in unreadable
    ]
    report.duplicates = [pair for pair in report.duplicates if pair[1] not in unreadable]
    progress("embed", total, total)
    return report


def _candidates(
    store: LocalStore, source: Source, report: AddReport, labelled: dict[str, Photo]
) -> Iterator[_Candidate]:
    """Decides for each photo whether it is new; what is not is dealt with on the spot.

    Doubles that have a landmark are kept in `labelled`, by the id of their original, which may
    not be committed yet.
    """
    # Content and ids met in this call and perhaps not committed yet; older ones the store knows.
    started: dict[bytes, str] = {}
    ids: dict[str, None] = {}
    photos = iter(source)
    with ThreadPoolExecutor(available_cores()) as threads:
        while chunk := list(islice(photos, _LOOK_AHEAD)):
            files = _look_at(chunk, threads, report)
            known = store.find([photo.id for photo, _ in files])
            contents = {}
            if not source.curated:
                contents = store.find_hashes([file.hash for _, file in files])
            new: list[_Candidate] = []
            settled: list[tuple[Photo, Image]] = []
            doubles: list[tuple[str, Photo]] = []
            for photo, file in files:
                if photo.id in ids:
                    report.failed.append(_clash(photo, "another photo of this source"))
                elif image := known.get(photo.id):
                    if file.hash == image.hash:
                        settled.append((photo, image))
                    elif _lies_elsewhere(photo, image) and Path(image.path).exists():
                        report.failed.append(_clash(photo, image.path))
                    else:
                        new.append(_Candidate(photo, file, image))
                elif double := started.get(file.hash, contents.get(file.hash)):
                    report.duplicates.append((photo.id, double))
                    doubles.append((double, photo))
                else:
                    if not source.curated:
                        started[file.hash] = photo.id
                    new.append(_Candidate(photo, file))
                ids[photo.id] = None
            labelled.update({i: p for i, p in reversed(doubles) if p.landmark} | labelled)
            _settle(store, settled, doubles, report)
            yield from new
            _forget_oldest(started)
            _forget_oldest(ids)


def _forget_oldest(met: dict[Any, Any]) -> None:
    while len(met) > _UNCOMMITTED:
        del met[next(iter(met))]


def _settle(
    store: LocalStore,
    pairs: list[tuple[Photo, Image]],
    doubles: list[tuple[str, Photo]],
    report: AddReport,
) -> None:
    """Photos that the collection has: labels and places may be others now.

    Where a photo is gone and its double is there, the photo was renamed; its id never changes.
    """
    labels: list[tuple[str, str | None, int]] = []
    known = store.find([image for image, _ in doubles])
    moved = [
        (i, photo.path) for i, photo in doubles if i in known and not Path(known[i].path).exists()
    ]
    for photo, image in pairs:
        landmark, role = _merged(photo, image)
        if (landmark, role) != (image.landmark, image.role):
            labels.append((image.id, landmark, role))
        if _lies_elsewhere(photo, image) and not Path(image.path).exists():
            moved.append((image.id, photo.path))
    if labels or moved:
        with store.transaction():
            for label in labels:
                store.label(*label)
            for place in moved:
                store.relocate(*place)
    report.relabelled += len(labels)
    report.unchanged += len(pairs) - len(labels)
    report.moved += len(moved)


def _merged(photo: Photo, image: Image) -> tuple[str | None, int]:
    """Landmark and role of an image when a source names it again."""
    # The name of a folder is a guess, and no reason to forget what is known.
    guessed = image.landmark is not None and not photo.label_given
    landmark = image.landmark if guessed else photo.landmark or image.landmark
    return landmark, photo.role | image.role


def _label_originals(store: LocalStore, doubles: dict[str, Photo], report: AddReport) -> None:
    """Gives images without a landmark the one that a double of theirs has.

    People sort photos by copying or moving them into the folders of landmarks.
    """
    bare = [i for i in store.find(list(doubles)).values() if i.landmark is None]
    if bare:
        with store.transaction():
            for image in bare:
                store.label(image.id, *_merged(doubles[image.id], image))
    report.relabelled += len(bare)


def _lies_elsewhere(photo: Photo, image: Image) -> bool:
    path = Path(image.path)
    return path != photo.path.absolute() and path.resolve() != photo.path.resolve()


def _clash(photo: Photo, other: str) -> tuple[str, str]:
    reason = f"its id {photo.id!r} already belongs to {other}; give this source a --prefix"
    return str(photo.path), reason


def _in_order(
    waiting: deque[_Candidate], prepared: Iterator[Prepared], learned: dict[Path, Prepared]
) -> Iterator[tuple[_Candidate, Prepared]]:
    """Joins candidates with their results; results come in the order of the candidates."""
    for result in prepared:
        while waiting[0].photo.path != result.path:
            candidate = waiting.popleft()
            yield candidate, learned.pop(candidate.photo.path)
        yield waiting.popleft(), result
    while waiting:
        candidate = waiting.popleft()
        yield candidate, learned.pop(candidate.photo.path)


class _Batch:
    """Photos on their way to a commit.

    What was prepared of them goes as soon as they are described: of a network that is whole images,
    and too much to keep for hundreds of photos.
    """

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._together = photos_together(embedder)
        self._prepared: list[tuple[_Candidate, Prepared]] = []
        self._described: list[tuple[_Candidate, Prepared]] = []
        self._descriptors: list[npt.NDArray[np.float32]] = []

    def __len__(self) -> int:
        return len(self._prepared) + len(self._described)

    def add(self, candidate: _Candidate, result: Prepared) -> None:
        """Takes a photo in, and describes all that wait once they are enough."""
        self._prepared.append((candidate, result))
        if len(self._prepared) == self._together:
            self._describe()

    def take(self) -> tuple[list[tuple[_Candidate, Prepared]], npt.NDArray[np.float32]]:
        """All photos, with their (n, D) descriptors; none are left."""
        if self._prepared:
            self._describe()
        taken = self._described, np.concatenate(self._descriptors)
        self._described, self._descriptors = [], []
        return taken

    def _describe(self) -> None:
        found = self._embedder.encode([result.result for _, result in self._prepared])
        self._descriptors.append(found)
        self._described += [(one, replace(result, result=None)) for one, result in self._prepared]
        self._prepared = []


def _commit(store: LocalStore, photos: _Batch, report: AddReport) -> None:
    batch, descriptors = photos.take()
    features = [result.features for _, result in batch if result.features is not None]
    images = [
        NewImage(
            id=candidate.photo.id,
            path=str(candidate.photo.path.absolute()),
            role=candidate.landmark_and_role[1],
            landmark=candidate.landmark_and_role[0],
            caption=None,
            hash=candidate.file.hash,
            width=result.width,
            height=result.height,
            bytes=candidate.file.size,
        )
        for candidate, result in batch
    ]
    with store.transaction():
        replaced = store.delete(c.photo.id for c, _ in batch if c.old)
        store.append(images, descriptors, features)
    report.replaced += replaced
    report.added += len(batch) - replaced


def _done(report: AddReport) -> int:
    return (
        report.added
        + report.replaced
        + report.relabelled
        + report.unchanged
        + len(report.duplicates)
        + len(report.failed)
    )


def hash_file(path: Path) -> tuple[bytes, int]:
    """BLAKE2b-128 of a file's content, and its size in bytes.

    Raises:
        OSError: if it cannot be read.
    """
    if path.exists() and not path.is_file():  # reading a pipe could take for ever
        raise OSError(errno.EINVAL, "not a regular file")
    with path.open("rb") as file:
        digest: Any = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16))
        return digest.digest(), file.tell()


def _look_at(
    photos: list[Photo], threads: ThreadPoolExecutor, report: AddReport
) -> list[tuple[Photo, _File]]:
    """The photos with their content; those that cannot go in are reported and left out."""
    files = []
    for photo, file in zip(photos, threads.map(_look, (p.path for p in photos)), strict=True):
        if isinstance(file, _File):
            files.append((photo, file))
        else:
            printable = os.fsencode(photo.path).decode(errors="replace")
            report.failed.append((printable, file))
    return files


def _look(path: Path) -> _File | str:
    """A file's content by hash and size, or why it cannot go into a collection."""
    try:
        str(path.absolute()).encode()
        return _File(*hash_file(path))
    except UnicodeEncodeError:
        return "its name is not UTF-8; rename it"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
