"""FAISS indexes of descriptors, wherever these lie: learned from a sample, filled in blocks."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from steeple.errors import InputError
from steeple.retrieval.approximate.effort import innermost
from steeple.retrieval.descriptors import Descriptors
from steeple.retrieval.neighbors import blocks_of
from steeple.retrieval.offline.graph import Told
from steeple.retrieval.types import Floats

__all__ = ["BUILD_MEMORY", "fill_index"]

BUILD_MEMORY = 1 << 30
"""Bytes of work space: room for the sample that 4,096 lists of 512 dimensions are learned from."""

_PER_LIST = 64  # images that k-means learns a list from; it asks for 39 and ignores beyond 256
_SAMPLE = 1 << 16  # images that codes are learned from
_LEAST_LINKS, _MOST_LINKS = 2, 1024
_MOST = 1 << 14  # images added at a time, so that progress is seen


def fill_index(
    descriptors: Descriptors,
    factory: str,
    *,
    memory: int = BUILD_MEMORY,
    seed: int = 0,
    told: Told | None = None,
) -> Any:
    """Makes a FAISS index of all descriptors; positions are its ids.

    Args:
        descriptors: (N, D) of any real type; what holds NaN or infinity goes in as zeros.
        factory: a name that `faiss.index_factory` understands.
        memory: bytes of work space beside the index itself.
        seed: of the sample that is learned from, and of k-means.
        told: hears "lists" (0 and 1 of 1) and "index" (images added, of all).

    Raises:
        InputError: if there is nothing to index, or FAISS cannot make such an index.
    """
    if not len(descriptors):
        raise InputError("an index of no images cannot be built; add photos first")
    (_, first) = next(blocks_of(descriptors, 1))
    try:
        index = _make(factory, first.shape[1], len(descriptors))
        if not index.is_trained:
            _say(told, "lists", 0, 1)
            index.train(_draw(index, descriptors, memory, seed))
            _say(told, "lists", 1, 1)
        rows = min(_MOST, max(1, memory // (16 * first.shape[1])))
        for ids, vectors in blocks_of(descriptors, rows):
            index.add(_cleaned(vectors))
            _say(told, "index", int(ids[-1]) + 1, len(descriptors))
    except (RuntimeError, AssertionError, AttributeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"FAISS cannot make {factory!r} of {len(descriptors)} descriptors of "
            f"{first.shape[1]} dimensions ({_reason(error)}); choose auto, or another factory name"
        ) from error
    return index


def _make(factory: str, dimension: int, images: int) -> Any:
    import faiss

    for links in re.findall(r"HNSW(\d+)", factory):
        if not _LEAST_LINKS <= int(links) <= _MOST_LINKS:  # FAISS would end the whole process
            raise InputError(
                f"{factory!r} asks for {links} links an image; give {_LEAST_LINKS} to "
                f"{_MOST_LINKS}, for example HNSW32"
            )
    index = faiss.index_factory(dimension, factory, faiss.METRIC_INNER_PRODUCT)
    inner = innermost(index)
    if not 1 <= getattr(inner, "nlist", 1) <= images:
        raise InputError(
            f"{factory!r} puts {images} images in {inner.nlist} lists; give 1 to {images}"
        )
    if hasattr(inner, "pq"):
        inner.pq.cp.min_points_per_centroid = 1  # no warning on stderr
    return index


def _draw(index: Any, descriptors: Descriptors, memory: int, seed: int) -> Floats:
    """The sample to learn from, as many as the lists need and the memory allows."""
    import faiss

    wanted = _SAMPLE
    ivf = faiss.try_extract_index_ivf(index)
    if ivf is not None:
        ivf.cp.seed, ivf.cp.min_points_per_centroid = seed, 1  # no warning on stderr
        wanted = max(_PER_LIST * ivf.nlist, 1 << 14)
    # As it is read, and as it is learned from.
    allowed = max(1, memory // (8 * index.d))
    rows = np.random.default_rng(seed).choice(
        len(descriptors), min(wanted, allowed, len(descriptors)), replace=False
    )
    return _cleaned(np.ascontiguousarray(descriptors[np.sort(rows)], dtype=np.float32))


def _cleaned(vectors: Floats) -> Floats:
    """FAISS would let one NaN spoil a list; zeros are merely found by nobody."""
    whole = np.isfinite(vectors.sum(axis=1))
    return vectors if whole.all() else np.where(whole[:, None], vectors, np.float32(0))


def _say(told: Told | None, what: str, done: int, total: int) -> None:
    if told is not None:
        told(what, done, total)


def _reason(error: Exception) -> str:
    """What FAISS says, without the place in its source."""
    said = str(error).strip().splitlines() or [type(error).__name__]
    return said[0].rpartition("Error: ")[2].strip() or type(error).__name__
