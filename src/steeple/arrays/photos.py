"""Photos into arrays: what `rerank` and other programs read, without a collection."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from steeple.arrays.files.writing import Format, bytes_of, need_libraries, writing
from steeple.collection.learning import learn_from
from steeple.collection.sources import Source, read_source
from steeple.datasets.gldv2 import write_rows
from steeple.datasets.names import word_fault
from steeple.embedding.base import Embedder, photos_together, save_embedder
from steeple.embedding.choosing import create_embedder
from steeple.embedding.pipeline import Prepared, prepare_files
from steeple.errors import InputError, NothingToDoError, StorageError
from steeple.progress import Progress, Stopwatch, silent
from steeple.retrieval.types import Floats

__all__ = ["EmbedReport", "Listed", "Output", "embed_photos", "find_embedder"]

_FOLDER = "embedder"  # of what was learned, beside the arrays


@dataclass(frozen=True)
class Listed:
    """A photo to describe.

    Args:
        id: what it is called.
        path: where it lies.
        landmark: its label, if it has one.
    """

    id: str
    path: Path
    landmark: str | None = None


@dataclass(frozen=True)
class Output:
    """What is to be written, and where.

    Args:
        folder: the folder.
        form: the format of the arrays.
        dtype: float32 or float16.
    """

    folder: Path
    form: Format = Format.NPY
    dtype: str = "float32"

    def array(self, part: str) -> Path:
        """The file of a part's descriptors."""
        return self.folder / f"{part}.{self.form}"


@dataclass
class EmbedReport:
    """What became of the photos.

    Args:
        parts: name of an array -> its number of rows.
        dimension: of the descriptors.
        learned_from: photos the embedder learned from, if it was fitted for these arrays.
        failed: (path, reason) of photos that were left out.
        notes: what people should know about the names of their photos.
        seconds: how long each stage took.
    """

    parts: dict[str, int] = field(default_factory=dict)
    dimension: int = 0
    learned_from: int | None = None
    failed: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)


def find_embedder(name: str) -> Embedder:
    """The embedder that a text describes: one of a name, or in a folder `embed_photos` wrote.

    Raises:
        InputError: if it describes none.
    """
    return create_embedder(name)


def embed_photos(
    photos: Path,
    output: Output,
    embedder: Embedder,
    *,
    seed: int = 0,
    workers: int | None = None,
    progress: Progress = silent,
) -> EmbedReport:
    """Describes photos and writes arrays.

    A folder in GLD-v2 layout gives ``training``, ``index`` and ``queries``, and the landmarks in
    ``training.csv``; any other folder, or one photo, gives ``photos``, and ``photos.csv`` where
    the names of subfolders are landmarks. Rows are in the order of the data set, or of the paths.
    An embedder that has learned nothing yet learns from training set and index, or from the
    photos, and is kept in the folder ``embedder``. Photos that cannot be read are left out.

    Args:
        photos: the folder, or one photo.
        output: what is to be written.
        embedder: what describes them.
        seed: of what it learns.
        workers: processes; None takes one per core.
        progress: called with stage, photos done, and their number.

    Raises:
        InputError: if the photos are not there, or the arrays are there already.
        MissingExtraError: if a library for the format is not installed.
        NothingToDoError: if there is no photo, or none can be read.
        StorageError: if there is no room, or the folder cannot be written.
    """
    source = read_source(photos, landmark_ids=True)
    parts = _parts(source)
    total = sum(len(some) for some in parts.values())
    _check_place(output, parts, embedder, total)
    clock, learned = Stopwatch(), dict[Path, Prepared]()
    report = EmbedReport(dimension=embedder.dimension)
    if embedder.learned_from is None:
        with clock.stage("learn"):
            embedder, learned = learn_from(
                embedder, None, source, workers=workers, seed=seed, progress=progress
            )
            _keep_embedder(embedder, output.folder)
        report.learned_from = embedder.learned_from
    describe = _Describer(embedder, learned, workers, progress, total)
    with clock.stage("embed"):
        for part, some in parts.items():
            _write_part(part, some, output, describe, report)
    report.seconds = clock.seconds
    if not any(report.parts.values()):
        raise NothingToDoError(
            f"none of {total:,} photos can be read, the first: {report.failed[0][1]}"
        )
    return report


def _parts(source: Source) -> Mapping[str, list[Listed]]:
    """The photos by array."""
    tables = source.gldv2
    if tables is None:
        return {"photos": [Listed(p.id, p.path, p.landmark) for p in source]}
    parts = {
        "training": [
            Listed(image, tables.photo("train", image), landmark)
            for image, landmark in tables.train.items()
        ],
        "index": [Listed(image, tables.photo("index", image)) for image in tables.index],
        "queries": [Listed(image, tables.photo("test", image)) for image in tables.test],
    }
    return {part: some for part, some in parts.items() if some}


def _check_place(
    output: Output, parts: Mapping[str, list[Listed]], embedder: Embedder, total: int
) -> None:
    """Sees to it that hours of work do not end in a full disk or over another's files."""
    need_libraries(output.form)
    folder = output.folder
    files = [output.array(part) for part in parts]
    files += [folder / f"{part}{end}" for part in parts for end in (".txt", ".csv")]
    if embedder.learned_from is None:
        files.append(folder / _FOLDER)
    there = next((file for file in files if file.exists() or file.is_symlink()), None)
    if there is not None:
        raise InputError(f"{there} is there already; remove it, or choose another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"{folder}: cannot be made ({error.strerror}); choose another place"
        ) from error
    needed = sum(
        bytes_of(output.form, embedder.dimension, output.dtype, [photo.id for photo in some])
        for some in parts.values()
    )
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise StorageError(
            f"{folder}: {total:,} descriptors take {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB "
            "are free; make room, or choose another folder"
        )


def _keep_embedder(embedder: Embedder, folder: Path) -> None:
    beside = folder / f".{_FOLDER}.{os.getpid()}.part"
    try:
        save_embedder(embedder, beside)
        beside.rename(folder / _FOLDER)
    except OSError as error:
        raise StorageError(
            f"{folder / _FOLDER}: cannot be written ({error.strerror}); make room"
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


class _Describer:
    """Photos to descriptors, a few at a time, telling how far it is over all arrays."""

    def __init__(
        self,
        embedder: Embedder,
        learned: Mapping[Path, Prepared],
        workers: int | None,
        progress: Progress,
        total: int,
    ) -> None:
        self.embedder = embedder
        self._learned, self._workers = learned, workers
        self._progress, self._total, self._done = progress, total, 0

    def __call__(
        self, photos: Iterable[Listed], failed: list[tuple[str, str]]
    ) -> Iterator[tuple[list[Listed], Floats]]:
        """The photos that can be read, with their descriptors; the others go to `failed`."""
        photos = list(photos)
        fresh = (photo.path for photo in photos if photo.path not in self._learned)
        prepare, side = self.embedder.prepare, self.embedder.max_side
        together = photos_together(self.embedder)
        results = prepare_files(fresh, prepare, side, workers=self._workers, ahead=together)
        rest = iter(photos)
        while batch := list(islice(rest, together)):
            good: list[tuple[Listed, Prepared]] = []
            for photo in batch:
                result = self._learned.get(photo.path) or next(results)
                reason = _unwritable(photo.id) if result.error is None else str(result.error)
                if reason is None:
                    good.append((photo, result))
                else:
                    failed.append((str(photo.path), reason))
            if good:
                vectors = self.embedder.encode([result.result for _, result in good])
                yield [photo for photo, _ in good], vectors
            self._done += len(batch)
            self._progress("embed", self._done, self._total)


def _unwritable(name: str) -> str | None:
    """Why a text with an id a line cannot hold an id; None if it can."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return "its name is not UTF-8; rename it"
    if name != name.strip() or len(name.splitlines()) > 1:
        return "its name begins or ends with a space, or holds a line break; rename it"
    return None


def _write_part(
    part: str, photos: list[Listed], output: Output, describe: _Describer, report: EmbedReport
) -> None:
    """Writes one array, its ids and its landmarks; nothing where no photo can be read."""
    described = describe(photos, report.failed)
    first = next(described, None)
    report.parts[part] = 0
    if first is None:
        return
    names: list[str] = []
    labelled: list[tuple[str, str]] = []
    ids = [photo.id for photo in photos]
    dimension = describe.embedder.dimension
    with writing(output.array(part), output.form, dimension, output.dtype, ids) as rows:
        for some, vectors in _with(first, described):
            rows.append([photo.id for photo in some], vectors)
            names += [photo.id for photo in some]
            labelled += [(photo.id, photo.landmark) for photo in some if photo.landmark]
            report.parts[part] += len(some)
    if labelled:
        write_rows(output.folder / f"{part}.csv", ("id", "landmark_id"), labelled)
    landmarks = dict.fromkeys(landmark for _, landmark in labelled)
    report.notes += [*_unfit(part, "ids", names), *_unfit(part, "landmarks", landmarks)]


def _unfit(part: str, what: str, names: Iterable[str]) -> list[str]:
    """A note of names that a submission cannot say, where there are such."""
    faults = [(name, fault) for name in names if (fault := word_fault(name))]
    if not faults:
        return []
    first, fault = faults[0]
    note = f"{part}: {len(faults):,} {what} do not fit into a submission"
    return [f"{note}; the first, {first!r}, {fault}; to write one, rename them"]


def _with(
    first: tuple[list[Listed], Floats], rest: Iterator[tuple[list[Listed], Floats]]
) -> Iterator[tuple[list[Listed], Floats]]:
    yield first
    yield from rest
