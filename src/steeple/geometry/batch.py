"""Many pairs of images verified, in processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from steeple.geometry.features import Features
from steeple.geometry.verification import Verifier
from steeple.processes import in_processes

__all__ = ["CHUNK", "FeatureSource", "Verified", "ready_features", "verify_pairs"]

Ids: TypeAlias = npt.NDArray[np.int64]

CHUNK = 512  # pairs a worker takes at a time: about a second of work
_KEPT = 256  # images a worker keeps ready: 128 MiB of 1000 RootSIFT features each


class FeatureSource(Protocol):
    """Local features by number, wherever they lie; can be pickled without carrying them."""

    def __getitem__(self, image: int, /) -> Features:
        """The local features of an image."""


@dataclass(frozen=True)
class Verified:
    """What the verification of n pairs found.

    Args:
        inliers: (n,) int32.
        surprises: (n,) float32, in nats.
    """

    inliers: npt.NDArray[np.int32]
    surprises: npt.NDArray[np.float32]


def verify_pairs(
    pairs: Ids,
    features: FeatureSource,
    verifier: Verifier | None = None,
    *,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Verified:
    """Verifies pairs of images.

    Args:
        pairs: (n, 2) int64, numbers of images; fastest where those with the same first image
            stand together.
        features: their local features.
        verifier: how; None takes `Verifier`.
        workers: processes; None takes one per core.
        progress: called with pairs done and pairs in all.

    Returns:
        Inliers and surprises in the order of the pairs, the same for any number of workers.

    Raises:
        InputError: if the descriptors of two images differ in length.
        MachineError: if a worker process is killed.
    """
    inliers = np.zeros(len(pairs), dtype=np.int32)
    surprises = np.zeros(len(pairs), dtype=np.float32)
    work = partial(_verify_chunk, features=features, verifier=verifier or Verifier())
    chunks = (pairs[start : start + CHUNK] for start in range(0, len(pairs), CHUNK))
    done = 0
    for found in in_processes(work, chunks, workers=workers):
        part = slice(done, done + len(found.inliers))
        inliers[part], surprises[part] = found.inliers, found.surprises
        done = part.stop
        if progress:
            progress(done, len(pairs))
    return Verified(inliers, surprises)


def _verify_chunk(pairs: Ids, features: FeatureSource, verifier: Verifier) -> Verified:
    ready = ready_features(features)
    found = [verifier(ready(a), ready(b)) for a, b in pairs.tolist()]
    return Verified(
        np.array([one.inliers for one in found], dtype=np.int32),
        np.array([one.surprise for one in found], dtype=np.float32),
    )


def ready_features(source: FeatureSource) -> Callable[[int], Features]:
    """Reads features by number, ready to be compared; remembers the last few hundred images."""

    @lru_cache(maxsize=_KEPT)
    def ready(image: int) -> Features:
        return source[image].ready()

    return ready
