"""Approximate indexes of files of descriptors: built once, tuned, kept."""

from __future__ import annotations

import hashlib
import os
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from steeple.arrays.method.searching import Searched
from steeple.errors import StorageError
from steeple.retrieval.approximate.index import ApproximateIndex
from steeple.retrieval.approximate.presets import FLAT, choose_index
from steeple.retrieval.offline.graph import Told
from steeple.retrieval.offline.search import RULE
from steeple.retrieval.types import Floats

__all__ = ["AUTO", "Built", "build_index"]

AUTO = "auto"
"""Lets the number of images and the memory decide."""

_WANTED = 0.95  # recall that an index is tuned to
_BYTES = 1 << 20  # of a file read at a time


@dataclass(frozen=True)
class Built:
    """An approximate index, and how good it is.

    Args:
        part: what it searches, ``index`` or ``training``.
        factory: its FAISS factory name.
        recall: of the exact neighbours, the share that it finds for a sample of queries.
        seconds: to build and tune it; 0 if it was kept from before.
    """

    part: str
    factory: str
    recall: float
    seconds: float


def build_index(
    images: Searched,
    factory: str,
    *,
    part: str,
    place: Path | None,
    queries: Floats,
    k: int,
    memory: int,
    seed: int,
    told: Told,
) -> tuple[ApproximateIndex, Built, str] | None:
    """Builds an approximate index and tunes it until it finds 95 % of the exact neighbours.

    Args:
        images: those that are searched.
        factory: a FAISS factory name, or ``auto``.
        part: what they are called.
        place: the file the index is kept in; None keeps it in memory.
        queries: (n, D) float32, a sample of those that will be asked.
        k: how many neighbours will be asked for.
        memory: bytes of work space.
        seed: of what is learned.
        told: hears how far it is.

    Returns:
        The index; how good it is; a key that says what it is, whatever effort it is searched with,
        and stands in the names of what is found by it. None where exact search is the best choice.

    Raises:
        InputError: if FAISS knows no such index.
        StorageError: if it cannot be kept.
    """
    if factory.lower() == AUTO:
        factory = choose_index(len(images), queries.shape[1], memory)
    if factory.lower() == FLAT.lower():
        return None
    start = perf_counter()
    file = None
    if place is not None:
        file = place.with_name(f"{place.name}-{_digest(factory, seed)}.faiss")
    index = _kept(file, factory, len(images))
    fresh = index is None
    if index is None:
        index = ApproximateIndex.build(images, factory, memory=memory, seed=seed, told=told)
        if file is not None:
            _keep(index, file)
    # What was learned depends on the memory as well, unless it was kept from before.
    content = memory if file is None else _checksum(file)
    key = f"-{_digest(factory, seed, content, RULE)}"
    told("recall", 0, 1)
    reached = index.tune(queries, k, exact=images, wanted=_WANTED, memory=memory)
    told("recall", 1, 1)
    return index, Built(part, factory, reached, perf_counter() - start if fresh else 0.0), key


def _digest(*parts: object) -> str:
    """Eight digits for an index: factory names may hold what file names cannot."""
    return hashlib.blake2b(" ".join(map(str, parts)).encode(), digest_size=4).hexdigest()


def _checksum(file: Path) -> int:
    """CRC-32 of a kept index: one that had to be built again may not be the same."""
    value = 0
    with file.open("rb") as opened:
        while data := opened.read(_BYTES):
            value = zlib.crc32(data, value)
    return value


def _kept(file: Path | None, factory: str, images: int) -> ApproximateIndex | None:
    if file is None or not file.is_file():
        return None
    import faiss

    try:
        index = ApproximateIndex(faiss.read_index(str(file)), factory)
    except RuntimeError:  # cut short, or of another FAISS: it is built again
        return None
    return index if len(index) == images else None


def _keep(index: ApproximateIndex, file: Path) -> None:
    import faiss

    beside = file.with_name(f"{file.name}.{os.getpid()}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        faiss.write_index(index.index, str(beside))
        beside.replace(file)
    except (OSError, RuntimeError) as error:  # FAISS raises the latter, with where in its code
        found = re.findall(r"\(([^()]*)\)$", str(error))
        reason = getattr(error, "strerror", None) or (found[0] if found else str(error))
        raise StorageError(
            f"{file}: the index cannot be kept ({reason}); make room, or choose another folder"
        ) from error
    finally:
        beside.unlink(missing_ok=True)
