"""Images verified against lists of others: queries against candidates, images against voters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from steeple.geometry.batch import CHUNK, FeatureSource, Verified, ready_features
from steeple.geometry.features import Features
from steeple.geometry.verification import Verifier
from steeple.processes import in_processes

__all__ = ["verify_lists"]

Ids: TypeAlias = npt.NDArray[np.int64]
_List: TypeAlias = tuple[Features, Ids]


def verify_lists(
    lists: Iterable[_List],
    source: FeatureSource,
    verifier: Verifier | None = None,
    *,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Iterator[Verified]:
    """Verifies each of some images against a list of others.

    Args:
        lists: per image its local features and (n,) int64, numbers of the others in `source`;
            consumed as the results are.
        source: the local features of the others.
        verifier: how; None takes `Verifier`.
        workers: processes; None takes one per core.
        progress: called with images done.

    Yields:
        Per image (n,) inliers and surprises, in order, the same for any number of workers.

    Raises:
        InputError: if the descriptors of two images differ in length.
        MachineError: if a worker process is killed.
    """
    work = partial(_verify_lists, source=source, verifier=verifier or Verifier())
    done = 0
    for found in in_processes(work, _chunked(lists), workers=workers):
        yield from found
        done += len(found)
        if progress:
            progress(done)


def _chunked(lists: Iterable[_List]) -> Iterator[list[_List]]:
    chunk: list[_List] = []
    pairs = 0
    for one in lists:
        chunk.append(one)
        pairs += max(1, len(one[1]))  # an image with no list takes memory, too
        if pairs >= CHUNK:
            yield chunk
            chunk, pairs = [], 0
    if chunk:
        yield chunk


def _verify_lists(
    lists: Sequence[_List], source: FeatureSource, verifier: Verifier
) -> list[Verified]:
    ready = ready_features(source)
    out = []
    for features, others in lists:
        own = features.ready()
        found = [verifier(own, ready(image)) for image in others.tolist()]
        out.append(
            Verified(
                np.array([one.inliers for one in found], dtype=np.int32),
                np.array([one.surprise for one in found], dtype=np.float32),
            )
        )
    return out
