"""FAISS indexes of descriptors, wherever these lie: learned from a sample, filled in blocks."""

from __future__ import annotations

import logging
import re
from typing import Any

import numpy as np

from steeple.errors import InputError
from steeple.retrieval.approximate.knob import innermost
from steeple.retrieval.descriptors import Descriptors
from steeple.retrieval.neighbors import blocks_of
from steeple.retrieval.offline.graph import Told
from steeple.retrieval.products import load_faiss
from steeple.retrieval.types import Floats

__all__ = ["BUILD_MEMORY", "LEAST_PER_LIST", "bytes_to_learn", "check_factory", "fill_index"]

BUILD_MEMORY = 1 << 30
"""Bytes of work space: room for the sample that 4,096 lists of 512 dimensions are learned from."""

LEAST_PER_LIST = 39
"""Images that k-means asks for to learn a list from."""

_PER_LIST = 64  # images that it gets, where memory allows; it ignores beyond 256
_SAMPLE = 1 << 16  # images that codes are learned from
_LEAST_LINKS, _MOST_LINKS = 2, 1024
_MOST = 1 << 14  # images added at a time, so that progress is seen
_log = logging.getLogger(__name__)


def bytes_to_learn(images: int, dimension: int) -> int:
    """The work space that learning from a sample takes: as it is read, and as it is learned from.

    Args:
        images: of the sample.
        dimension: of their descriptors.
    """
    return 8 * images * dimension


def check_factory(factory: str) -> None:
    """Refuses names of which FAISS makes an index that cannot be filled here.

    Some would end the whole process, or never come back; FAISS says so of none of them.

    Raises:
        InputError: if the name is one of these.
    """
    for links in re.findall(r"HNSW(\d+)", factory):
        if not _LEAST_LINKS <= int(links) <= _MOST_LINKS:
            raise InputError(
                f"{factory!r} asks for {links} links an image; give {_LEAST_LINKS} to "
                f"{_MOST_LINKS}, for example HNSW32"
            )
    if "NSG" in factory:
        raise InputError(
            f"{factory!r} is a graph that is made of all images at once, and here they are added "
            f"block by block; take another graph, for example HNSW32"
        )
    if "IDMap" in factory:
        raise InputError(
            f"{factory!r} gives images numbers of its own, and here their positions are their "
            f"numbers; leave IDMap out"
        )
    if "(IVF" in factory:
        raise InputError(
            f"{factory!r} finds its lists by lists, of which FAISS cannot learn; have them found "
            f"by a graph, for example IVF16384_HNSW32,SQ8"
        )


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
            index.train(_draw(index, factory, descriptors, memory, seed))
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
    check_factory(factory)
    faiss = load_faiss()
    index = faiss.index_factory(dimension, factory, faiss.METRIC_INNER_PRODUCT)
    inner = innermost(index)
    if not 1 <= getattr(inner, "nlist", 1) <= images:
        raise InputError(
            f"{factory!r} puts {images} images in {inner.nlist} lists; give 1 to {images}"
        )
    if hasattr(inner, "pq"):
        inner.pq.cp.min_points_per_centroid = 1  # no warning on stderr
    return index


def _draw(index: Any, factory: str, descriptors: Descriptors, memory: int, seed: int) -> Floats:
    """The sample to learn from, as many as the lists need and the memory allows."""
    wanted, lists = _SAMPLE, 0
    ivf = load_faiss().try_extract_index_ivf(index)
    if ivf is not None:
        lists = ivf.nlist
        ivf.cp.seed, ivf.cp.min_points_per_centroid = seed, 1  # no warning on stderr
        wanted = max(_PER_LIST * lists, 1 << 14)
    allowed = max(1, memory // bytes_to_learn(1, index.d))
    if allowed < min(LEAST_PER_LIST * lists, len(descriptors)):
        _check_memory(factory, lists, allowed, memory, index.d)
    rows = np.random.default_rng(seed).choice(
        len(descriptors), min(wanted, allowed, len(descriptors)), replace=False
    )
    return _cleaned(np.ascontiguousarray(descriptors[np.sort(rows)], dtype=np.float32))


def _check_memory(factory: str, lists: int, allowed: int, memory: int, dimension: int) -> None:
    """Says what it means that the memory holds fewer images than the lists ask for."""
    enough = bytes_to_learn(LEAST_PER_LIST * lists, dimension)
    if allowed < lists:
        raise InputError(
            f"{factory!r} learns {lists} lists from as many images or more, and {memory} bytes of "
            f"work space hold {allowed}; give {enough} bytes, or ask for fewer lists"
        )
    _log.warning(
        "%s learns %d lists from %d images, because %d bytes of work space hold no more: lists "
        "will be uneven, and searches slower; give %d bytes, or ask for fewer lists",
        factory,
        lists,
        allowed,
        memory,
        enough,
    )


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
    return re.sub(r"^Error in .* at \S+:\d+: (Error: )?", "", said[0]) or type(error).__name__
