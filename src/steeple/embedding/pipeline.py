"""From files to descriptors and local features, with the costly part in worker processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from steeple.embedding.base import RGB, TOGETHER, Embedder, photos_together
from steeple.embedding.parts import Part, each_part
from steeple.errors import ImageError, InputError
from steeple.geometry.features import Features
from steeple.geometry.strongest import Strongest
from steeple.images import Box, crop, read_image, resize
from steeple.processes import in_processes

__all__ = [
    "Crop",
    "Described",
    "File",
    "Preparation",
    "Prepared",
    "describe_files",
    "prepare_files",
]

Floats: TypeAlias = npt.NDArray[np.float32]

_CHUNK = 8  # photos a worker takes at a time: some 0.3 s of work, so progress stays smooth


@dataclass(frozen=True)
class Crop:
    """A part of a photo, described as if it were a photo of its own.

    Args:
        path: where the photo lies.
        box: the part, in pixels of the photo at its full size, upright.
    """

    path: Path
    box: Box


File: TypeAlias = Path | Crop
"""A photo on disk, or a part of one."""


@dataclass(frozen=True)
class Prepared:
    """One photo after the worker's part.

    Args:
        path: where it lies.
        result: what the embedder's `prepare` returned; None if the photo could not be read.
        width: in pixels, as embedded.
        height: in pixels, as embedded.
        error: why it could not be read; None if it could.
        features: its local features; None if they were not asked for, or it could not be read.
    """

    path: Path
    result: Any
    width: int
    height: int
    error: ImageError | None = None
    features: Features | None = None


@dataclass(frozen=True)
class Preparation:
    """Everything that is done with the pixels of a photo.

    Args:
        prepare: an embedder's; must be picklable.
        max_side: long side, in pixels, of the images that `prepare` sees.
        extractor: finds local features; None if nobody wants them.
    """

    prepare: Callable[[RGB], Any]
    max_side: int
    extractor: Strongest | None = None

    @classmethod
    def of(cls, embedder: Embedder, extractor: Strongest | None) -> Preparation:
        """What an embedder and an extractor need of a photo."""
        return cls(embedder.prepare, embedder.max_side, extractor)

    @property
    def decoded_side(self) -> int:
        """Long side, in pixels, at which photos are decoded: enough for both."""
        return max(self.max_side, self.extractor.max_side if self.extractor else 0)

    def __call__(self, path: Path, image: RGB) -> Prepared:
        """Prepares an image, decoded at `decoded_side`.

        Where the embedder, or one of an ensemble, and the extractor look for the same local
        features, they are found once.
        """
        embedded = resize(image, self.max_side)
        result = self.prepare(embedded)
        height, width = embedded.shape[:2]
        return Prepared(path, result, width, height, None, self._features(image, result))

    def _features(self, image: RGB, result: Any) -> Features | None:
        """The local features of an image, which may be a part of what the embedder has prepared."""
        extractor = self.extractor
        if extractor is None:
            return None
        wanted = Part(extractor.extractor, extractor.max_side)
        for part, found in each_part(self.prepare, self.max_side, result):
            if part == wanted:
                return extractor.keep(found)
        return extractor(resize(image, extractor.max_side))


def prepare_files(
    paths: Iterable[File],
    prepare: Callable[[RGB], Any],
    max_side: int,
    *,
    extractor: Strongest | None = None,
    workers: int | None = None,
    ahead: int = TOGETHER,
) -> Iterator[Prepared]:
    """Decodes photos, runs an embedder's `prepare` on each, and finds their local features.

    Args:
        paths: the photos, or parts of photos; consumed as the results are, never far ahead.
        prepare: what to do with each image; must be picklable.
        max_side: long side, in pixels, of the images that `prepare` sees.
        extractor: finds local features; None if nobody wants them.
        workers: processes; None takes one per core, 1 works in this process.
        ahead: photos that the workers go on with, at least, while the last results are dealt with:
            as many as are taken at a time.

    Yields:
        One result per path, in the order of the paths whatever the number of workers. A photo that
        cannot be read yields its error.

    Raises:
        MachineError: if a worker process is killed, as the system does when memory runs out.
    """
    work = partial(_prepare_chunk, preparation=Preparation(prepare, max_side, extractor))
    chunks = _chunked(paths, _CHUNK)
    for results in in_processes(work, chunks, workers=workers, ahead=-(-ahead // _CHUNK)):
        yield from results


def _prepare_chunk(chunk: Sequence[File], preparation: Preparation) -> list[Prepared]:
    results = []
    for file in chunk:
        path = file.path if isinstance(file, Crop) else file
        try:
            results.append(preparation(path, _read(file, preparation.decoded_side)))
        except ImageError as error:
            results.append(Prepared(path, None, 0, 0, error))
    return results


def _read(file: File, max_side: int) -> RGB:
    if not isinstance(file, Crop):
        return read_image(file, max_side=max_side)
    image = read_image(file.path)
    try:
        part = crop(image, file.box)
    except InputError as error:
        raise ImageError(f"{file.path}: {error}") from error
    return resize(part, max_side)


def _chunked(paths: Iterable[File], size: int) -> Iterator[list[File]]:
    rest = iter(paths)
    while chunk := list(islice(rest, size)):
        yield chunk


@dataclass(frozen=True)
class Described:
    """Photos, described.

    Args:
        descriptors: (n, D) float32, zeros for a photo that could not be read.
        features: n times local features, None for a photo that could not be read; None altogether
            if nobody wanted them.
        errors: the photos that could not be read, and why.
    """

    descriptors: Floats
    features: list[Features | None] | None
    errors: list[tuple[Path, ImageError]]


def describe_files(
    paths: Sequence[File],
    embedder: Embedder,
    extractor: Strongest | None,
    *,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Described:
    """Describes photos, decoding, `prepare` and the local features in worker processes.

    Args:
        paths: the photos, or parts of photos; of 1000 local features each they take 140 kB of
            memory a photo.
        embedder: fitted.
        extractor: finds local features; None if nobody wants them.
        workers: processes; None takes one per core.
        progress: called with photos done and photos in all.
    """
    out = np.zeros((len(paths), embedder.dimension), dtype=np.float32)
    features: list[Features | None] = []
    errors: list[tuple[Path, ImageError]] = []
    together = photos_together(embedder)
    results = prepare_files(
        paths,
        embedder.prepare,
        embedder.max_side,
        extractor=extractor,
        workers=workers,
        ahead=together,
    )
    start = 0
    while batch := list(islice(results, together)):
        good = [place for place, result in enumerate(batch) if result.error is None]
        if good:
            encoded = embedder.encode([batch[place].result for place in good])
            out[start + np.array(good)] = encoded
        features += [result.features for result in batch]
        errors += [(result.path, result.error) for result in batch if result.error is not None]
        start += len(batch)
        if progress:
            progress(start, len(paths))
    return Described(out, features if extractor else None, errors)
