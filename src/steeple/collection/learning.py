"""What an embedder learns from: a sample of the first photos of a collection."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from steeple.collection.sources import Photo, Source
from steeple.embedding.base import Embedder, photos_together
from steeple.embedding.parts import condense
from steeple.embedding.pipeline import Prepared, prepare_files
from steeple.errors import InputError
from steeple.geometry.strongest import Strongest
from steeple.progress import Progress

__all__ = ["FIT_PHOTOS", "learn_from"]

FIT_PHOTOS = 2048
"""Photos an embedder learns from at most."""


def learn_from(
    embedder: Embedder,
    extractor: Strongest | None,
    source: Source,
    *,
    workers: int | None,
    seed: int,
    progress: Progress,
) -> tuple[Embedder, dict[Path, Prepared]]:
    """Fits an embedder on a random sample of a source.

    Returns:
        The fitted embedder, and what was prepared by path, for the embedder and of local features,
        so that `add_photos` need not do it again. Parts of the embedder that have nothing to learn
        have described their photos already, and what they were prepared for them is gone.

    Raises:
        InputError: if there is nothing to learn from.
    """
    sample = _sample(source, FIT_PHOTOS, seed)
    paths = [photo.path for photo in sample]
    learned: dict[Path, Prepared] = {}
    together = photos_together(embedder)
    results = prepare_files(
        paths,
        embedder.prepare,
        embedder.max_side,
        extractor=extractor,
        workers=workers,
        ahead=together,
    )
    done = 0
    while batch := list(islice(results, together)):
        done += len(batch)
        learned |= {result.path: result for result in _condensed(embedder, batch)}
        progress("learn", done, len(paths))
    landmarks = {photo.path: photo.landmark for photo in sample}
    usable = [result for result in learned.values() if result.error is None]
    if learned and not usable:
        first = next(iter(learned.values()))
        raise InputError(f"none of {len(learned)} photos can be read, the first: {first.error}")
    fitted = embedder.fit(
        [result.result for result in usable],
        landmarks=[landmarks[result.path] for result in usable],
        seed=seed,
    )
    return fitted, learned


def _condensed(embedder: Embedder, results: list[Prepared]) -> list[Prepared]:
    """The same results without what an embedder can do without."""
    good = [place for place, result in enumerate(results) if result.error is None]
    small = condense(embedder, [results[place].result for place in good])
    out = list(results)
    for place, one in zip(good, small, strict=True):
        out[place] = replace(results[place], result=one)
    return out


def _sample(photos: Iterable[Photo], size: int, seed: int) -> list[Photo]:
    """A uniform sample without replacement, in the order of the photos (reservoir sampling)."""
    random = np.random.default_rng(seed)
    kept: list[tuple[int, Photo]] = []
    for number, photo in enumerate(photos):
        if number < size:
            kept.append((number, photo))
        elif (place := int(random.integers(number + 1))) < size:
            kept[place] = (number, photo)
    return [photo for _, photo in sorted(kept, key=lambda one: one[0])]
