"""What an embedder learns from: a sample of the first photos of a collection."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from steeple.collection.sources import Source
from steeple.embedding.base import Embedder
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
        so that `add_photos` need not do it again.

    Raises:
        InputError: if there is nothing to learn from.
    """
    paths = _sample((photo.path for photo in source), FIT_PHOTOS, seed)
    learned: dict[Path, Prepared] = {}
    results = prepare_files(
        paths, embedder.prepare, embedder.max_side, extractor=extractor, workers=workers
    )
    for result in results:
        learned[result.path] = result
        progress("learn", len(learned), len(paths))
    usable = [result.result for result in learned.values() if result.error is None]
    if learned and not usable:
        first = next(iter(learned.values()))
        raise InputError(f"none of {len(learned)} photos can be read, the first: {first.error}")
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
