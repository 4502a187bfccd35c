"""Photos into a collection: what is new is embedded and committed, a batch at a time."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from steeple.collection.sources import Photo, Source
from steeple.collection.store import Image, LocalStore, NewImage
from steeple.embedding.base import Embedder
from steeple.embedding.pipeline import Prepared, available_cores, prepare_files

__all__ = ["AddReport", "Progress", "add_photos", "learn_from"]

Progress = Callable[[str, int, int | None], None]
"""Called with the stage, the photos done and their number, None while it is unknown."""

COMMIT = 256
"""Photos per transaction: what a crash can cost at most, in work to be done again."""

FIT_PHOTOS = 2048
"""Photos an embedder learns from at most."""

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
        duplicates: (id, id of the photo with the same content) of photos left out for that.
        failed: (path, reason) of photos left out because they could not be read or clash.
        revoted: images whose vote changed in the end.
        learned_from: photos the embedder learned from, if it was fitted in this call.
    """

    added: int = 0
    replaced: int = 0
    relabelled: int = 0
    unchanged: int = 0
    duplicates: list[tuple[str, str]] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    revoted: int = 0
    learned_from: int | None = None

    @property
    def changed(self) -> bool:
        """Whether the collection is another one than before."""
        return bool(self.added or self.replaced or self.relabelled)


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
    replaces: bool


def add_photos(
    store: LocalStore,
    embedder: Embedder,
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
        source: the photos.
        workers: processes that decode and describe; None takes one per core.
        progress: told after every photo.
        learned: photos that were prepared already, when the embedder learned from them.
    """
    report = AddReport()
    total = sum(1 for _ in source)
    waiting: deque[_Candidate] = deque()
    batch: list[tuple[_Candidate, Prepared]] = []

    def fresh() -> Iterator[Path]:
        for candidate in _candidates(store, source, report):
            waiting.append(candidate)
            if candidate.photo.path not in learned:
                yield candidate.photo.path

    prepared = prepare_files(fresh(), embedder.prepare, embedder.max_side, workers=workers)
    for candidate, result in _in_order(waiting, prepared, learned):
        if result.error is None:
            batch.append((candidate, result))
        else:
            report.failed.append((str(candidate.photo.path), str(result.error)))
        if len(batch) == COMMIT:
            _commit(store, embedder, batch, report)
            batch.clear()
        progress("embed", _done(report) + len(batch), total)
    if batch:
        _commit(store, embedder, batch, report)
    progress("embed", total, total)
    return report


def learn_from(
    embedder: Embedder, source: Source, *, workers: int | None, seed: int, progress: Progress
) -> tuple[Embedder, dict[Path, Prepared]]:
    """Fits an embedder on a random sample of a source.

    Returns:
        The fitted embedder, and what was prepared for it by path, so that `add_photos` need not
        do it again.

    Raises:
        InputError: if there is nothing to learn from.
    """
    paths = _sample((photo.path for photo in source), FIT_PHOTOS, seed)
    learned: dict[Path, Prepared] = {}
    for result in prepare_files(paths, embedder.prepare, embedder.max_side, workers=workers):
        learned[result.path] = result
        progress("learn", len(learned), len(paths))
    usable = [result.result for result in learned.values() if result.error is None]
    return embedder.fit(usable, seed=seed), learned


def _sample(paths: Iterable[Path], size: int, seed: int) -> list[Path]:
    """A uniform sample without replacement, in the order of the paths (reservoir sampling)."""
    random = np.random.default_rng(seed)
    kept: list[tuple[int, Path]] = []
    for number, path in enumerate(paths):
        if number < size:
            kept.append((number, path))
        elif (place := int(random.integers(number + 1))) < size:
            kept[place] = (number, path)
    return [path for _, path in sorted(kept)]


def _candidates(store: LocalStore, source: Source, report: AddReport) -> Iterator[_Candidate]:
    """Decides for each photo whether it is new; what is not is dealt with on the spot."""
    # Content and ids met in this call and perhaps not committed yet; older ones the store knows.
    started: dict[bytes, str] = {}
    ids: dict[str, None] = {}
    photos = iter(source)
    with ThreadPoolExecutor(available_cores()) as threads:
        while chunk := list(islice(photos, _LOOK_AHEAD)):
            files = list(threads.map(_hash, (photo.path for photo in chunk)))
            known = store.find([photo.id for photo in chunk])
            contents = {}
            if not source.curated:
                contents = store.find_hashes([f.hash for f in files if isinstance(f, _File)])
            for photo, file in zip(chunk, files, strict=True):
                if not isinstance(file, _File):
                    report.failed.append((str(photo.path), file))
                    continue
                if photo.id in ids:
                    report.failed.append(_clash(photo, "another photo of this source"))
                elif photo.id in known:
                    yield from _known(store, photo, known[photo.id], file, report)
                elif double := started.get(file.hash, contents.get(file.hash)):
                    report.duplicates.append((photo.id, double))
                else:
                    if not source.curated:
                        started[file.hash] = photo.id
                    yield _Candidate(photo, file, replaces=False)
                ids[photo.id] = None
            _forget_oldest(started)
            _forget_oldest(ids)


def _forget_oldest(met: dict[Any, Any]) -> None:
    while len(met) > _UNCOMMITTED:
        del met[next(iter(met))]


def _known(
    store: LocalStore, photo: Photo, image: Image, file: _File, report: AddReport
) -> Iterator[_Candidate]:
    """A photo whose id the collection has."""
    if file.hash != image.hash:
        moved = Path(image.path).resolve() != photo.path.resolve()
        if moved and Path(image.path).exists():
            report.failed.append(_clash(photo, image.path))
        else:
            yield _Candidate(photo, file, replaces=True)
        return
    landmark = photo.landmark or image.landmark
    role = photo.role | image.role
    if (landmark, role) != (image.landmark, image.role):
        with store.transaction():
            store.label(image.id, landmark, role)
        report.relabelled += 1
    else:
        report.unchanged += 1


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
            yield candidate, learned[candidate.photo.path]
        yield waiting.popleft(), result
    while waiting:
        candidate = waiting.popleft()
        yield candidate, learned[candidate.photo.path]


def _commit(
    store: LocalStore,
    embedder: Embedder,
    batch: list[tuple[_Candidate, Prepared]],
    report: AddReport,
) -> None:
    descriptors = embedder.encode([result.result for _, result in batch])
    images = [
        NewImage(
            id=candidate.photo.id,
            path=str(candidate.photo.path.absolute()),
            role=candidate.photo.role,
            landmark=candidate.photo.landmark,
            caption=None,
            hash=candidate.file.hash,
            width=result.width,
            height=result.height,
            bytes=candidate.file.size,
        )
        for candidate, result in batch
    ]
    with store.transaction():
        replaced = store.delete(c.photo.id for c, _ in batch if c.replaces)
        store.append(images, descriptors)
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


def _hash(path: Path) -> _File | str:
    """A file's content by hash and size, or why it cannot be read."""
    try:
        with path.open("rb") as file:
            digest: Any = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16))
            return _File(digest.digest(), file.tell())
    except OSError as error:
        return f"cannot be read: {error.strerror}"
