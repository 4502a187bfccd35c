"""How long a cleaning will take here, before it begins: a sample is worked on and extrapolated."""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TypeVar

import numpy as np

from steeple.cleaning.candidates import same_label
from steeple.cleaning.checking import Lists, check
from steeple.cleaning.evidence import NEAR, OWN
from steeple.cleaning.labelled import LabelledImages, LabelledPhotos, describe_labelled
from steeple.cleaning.run import Noise, Settings
from steeple.cleaning.training import TrainingSet
from steeple.collection.store import LocalStore
from steeple.geometry.verification import create_verifier
from steeple.retrieval.neighbors import search_neighbors
from steeple.retrieval.types import PAD, Ids
from steeple.threads import available_cores

__all__ = ["Estimate", "estimate_collection", "estimate_photos"]

_Name = TypeVar("_Name", int, str)

_PHOTOS = 160  # described for the sample, or a few more: whole landmarks
_QUERIES, _INDEX = 256, 1 << 16  # what the search is timed on: 128 MiB


@dataclass(frozen=True)
class Estimate:
    """What a cleaning will cost on this machine.

    Args:
        images: labelled photos.
        landmarks: that they show.
        sampled: photos of the sample.
        workers: processes counted with.
        pairs: that decide, to be verified.
        most_pairs: that there can be at most, were all of them verified.
        pairs_per_second: on one core.
        describe_hours: decoding and describing, on all workers.
        search_hours: finding neighbours.
        verify_hours: verifying `pairs`, on all workers.
    """

    images: int
    landmarks: int
    sampled: int
    workers: int
    pairs: int
    most_pairs: int
    pairs_per_second: float
    describe_hours: float
    search_hours: float
    verify_hours: float

    @property
    def hours(self) -> float:
        """All of it."""
        return self.describe_hours + self.search_hours + self.verify_hours


def estimate_photos(
    source: LabelledPhotos,
    settings: Settings,
    *,
    embedder: str = "sift-vlad",
    local_features: str = "sift",
    workers: int | None = None,
) -> Estimate:
    """Estimates the cleaning of photos that are in no collection yet.

    Args:
        source: the photos.
        settings: of the cleaning.
        embedder: what is to describe the photos.
        local_features: what is to find local features.
        workers: processes the cleaning is to have; None takes one per core.

    Raises:
        InputError: if the sample cannot be described.
    """
    counts = Counter(str(photo.landmark) for photo in source)
    chosen = _landmarks(counts, settings.seed)
    some = frozenset(photo.id for photo in source if photo.landmark in chosen)
    sample = LabelledPhotos(
        source.root, source.labels, source.gldv2, source.landmark_ids, source.prefix, some
    )
    with tempfile.TemporaryDirectory(prefix="steeple-") as scratch:
        start = perf_counter()
        folder = Path(scratch, "sample")
        describe_labelled(
            sample, folder, embedder=embedder, local_features=local_features, workers=1
        )
        per_photo = (perf_counter() - start) / len(some)
        store = LocalStore(folder)
        try:
            training = LabelledImages.read(store).training
            everyone = np.arange(len(training), dtype=np.int64)
            sizes = np.array(list(counts.values()), dtype=np.int64)
            return _estimate(
                training, everyone, settings, sizes=sizes, per_photo=per_photo, workers=workers
            )
        finally:
            store.close()


def estimate_collection(
    images: LabelledImages, settings: Settings, *, workers: int | None = None
) -> Estimate:
    """Estimates the cleaning of a collection, whose photos are described already.

    Args:
        images: of the collection.
        settings: of the cleaning.
        workers: processes the cleaning is to have; None takes one per core.
    """
    labels = images.training.labels
    named, sizes = np.unique(labels, return_counts=True)
    counts = Counter(dict(zip(named.tolist(), sizes.tolist(), strict=True)))
    chosen = np.array(sorted(_landmarks(counts, settings.seed)))
    some = np.flatnonzero(np.isin(labels, chosen))
    return _estimate(
        images.training,
        some,
        settings,
        sizes=sizes.astype(np.int64),
        per_photo=0.0,
        workers=workers,
    )


def _landmarks(counts: Counter[_Name], seed: int) -> set[_Name]:
    """Random landmarks with some photos together."""
    names = sorted(counts)
    chosen: set[_Name] = set()
    photos = 0
    for place in np.random.default_rng(seed).permutation(len(names)).tolist():
        if photos >= _PHOTOS:
            break
        chosen.add(names[place])
        photos += counts[names[place]]
    return chosen


def _estimate(
    training: TrainingSet,
    some: Ids,
    settings: Settings,
    *,
    sizes: Ids,
    per_photo: float,
    workers: int | None,
) -> Estimate:
    """Works on a sample, (n,) numbers of images; `sizes` are the photos of each landmark."""
    rule = settings.rule
    photos = int(sizes.sum())
    processes = workers or available_cores()
    others = same_label(training, some, rule).ids
    named = np.union1d(some, others[others != PAD])
    lists = Lists(some, others, named, training.features(named))
    start = perf_counter()
    found = check(lists, rule, create_verifier(settings.method), everything=settings.all_pairs)
    asked = int(found.asked.sum())
    per_pair = (perf_counter() - start) / max(asked, 1)
    partners = np.minimum(sizes - 1, min(rule.same_label, rule.neighbours))
    most = int((sizes * partners).sum()) // 2
    pairs = min(most, round(asked / len(some) * photos))
    if settings.noise is Noise.LEARNED:
        # Of two images that have each other on their lists, the pair is verified once.
        pairs = most = (NEAR + OWN) * photos * 2 // 3
    dimension = training.read(some[:1]).shape[1]
    per_query, per_product = _search_seconds(dimension, rule.neighbours)
    search = photos * per_query + photos**2 * per_product
    return Estimate(
        images=photos,
        landmarks=len(sizes),
        sampled=len(some),
        workers=processes,
        pairs=pairs,
        most_pairs=most,
        pairs_per_second=1 / per_pair,
        describe_hours=per_photo * photos / processes / 3600,
        search_hours=search / 3600,
        verify_hours=per_pair * pairs / processes / 3600,
    )


def _search_seconds(dimension: int, neighbours: int) -> tuple[float, float]:
    """What a search takes on all threads: seconds per query, and per query and index image.

    Keeping the best costs the more of the time the smaller the index is, so two sizes are timed.
    """
    random = np.random.default_rng(0)
    index = random.standard_normal((_INDEX, dimension), dtype=np.float32)
    few = _INDEX // 8

    def search(size: int) -> float:
        best = np.inf
        for _ in range(2):  # the first one starts the threads
            start = perf_counter()
            search_neighbors(index[:_QUERIES], index[:size], neighbours)
            best = min(best, perf_counter() - start)
        return best / _QUERIES

    small, large = search(few), search(_INDEX)
    per_product = max(large - small, 0.0) / (_INDEX - few)
    return max(small - few * per_product, 0.0), per_product
