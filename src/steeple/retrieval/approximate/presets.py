"""Which FAISS index suits how many images and how much memory."""

from __future__ import annotations

import math

from steeple.errors import InputError
from steeple.retrieval.approximate.filling import LEAST_PER_LIST, bytes_to_learn

__all__ = ["FLAT", "choose_index"]

FLAT = "Flat"
"""Exact search: no index beside the descriptors is needed."""

_QUICK = 5 * 10**7  # descriptor values that exact search reads in some 15 ms
_WALKED = 3 * 10**5  # images up to which a graph of them is made in minutes
_LINKS = 280  # bytes of an image's links in HNSW32: 64 + 32/31 on higher levels, 4 each, and room
_LEAST_LISTS = 6  # as a power of two; to read a larger share at a time gains little


def choose_index(images: int, dimension: int, memory: int) -> str:
    """Chooses an index by the number of images and by the memory it may take.

    =============================  ============================  ==================================
    when                           factory                       why
    =============================  ============================  ==================================
    N * D <= 5e7 (98,000 images    Flat                          exact search takes some 15 ms on
    of 512 dimensions)                                           one core; nothing to gain
    4 * D bytes an image fit,      IVFn,PQmx4fs, m = D / 2       2 bits a value, compared 32 at a
    and D is even                                                time: the fastest, as long as the
                                                                 candidates that are looked at
                                                                 again are read from memory
    N <= 300,000 and D + 280       HNSW32_SQ8                    learns nothing beforehand; few
    bytes an image fit                                           candidates are read from the disk;
                                                                 made in minutes
    D + 8 bytes an image fit       IVFn,SQ8                      8 bits a value: candidates are so
                                                                 good that few descriptors are read
                                                                 from the disk; takes 2 to 3 times
                                                                 as long where they are in memory
    D / 8 + 16 bytes an image fit  IVFn,RaBitQ                   1 bit a value; learns nothing but
                                                                 lists
    otherwise                      none                          an error says how much is needed
    =============================  ============================  ==================================

    n, the number of lists, is the power of two nearest to 4 * sqrt(N), which balances finding the
    lists with reading them; from 16,384 on the lists themselves are found by a graph (IVFn_HNSW32).
    It is held down where the images, or those that fit while it is learned, are too few for so
    many. "Fit" leaves half of the memory to what else is going on; descriptors that fit stay in the
    system's cache, from their file. An index that is chosen can be built with the other half.

    Args:
        images: N, how many the index is to hold.
        dimension: D of their descriptors.
        memory: bytes that the index, and descriptors that are read often, may take.

    Returns:
        A FAISS factory name; "Flat" means exact search.

    Raises:
        InputError: if no index fits, or a number is negative, or the dimension is 0.
    """
    if images < 0 or dimension < 1 or memory < 0:
        raise InputError(
            f"an index of {images} images of {dimension} dimensions in {memory} bytes makes no "
            f"sense; give numbers of at least 0, 1 and 0"
        )
    if images * dimension <= _QUICK:
        return FLAT
    half = memory // 2
    lists = _count_lists(images, dimension, half)
    if images * 4 * dimension <= half and dimension % 2 == 0:
        code = f"PQ{dimension // 2}x4fs"
    elif images <= _WALKED and images * (dimension + _LINKS) <= half:
        return "HNSW32_SQ8"
    else:
        code = "SQ8" if images * (dimension + 8) <= half else "RaBitQ"
    taken = images * (-(-dimension // 8) + 16) if code == "RaBitQ" else 0
    needed = 2 * max(taken, bytes_to_learn(LEAST_PER_LIST * lists, dimension))
    if needed > memory:
        raise InputError(
            f"even the smallest index of {images} images of {dimension} dimensions needs {needed} "
            f"bytes, and it may take {memory}; give it more memory, describe photos in fewer "
            f"dimensions, or split them into several indexes"
        )
    return f"IVF{lists}{'_HNSW32' if lists >= 1 << 14 else ''},{code}"


def _count_lists(images: int, dimension: int, room: int) -> int:
    """The power of two that images and bytes of work space suffice to learn."""
    power = round(math.log2(4 * math.sqrt(images)))
    power = min(power, int(math.log2(max(1, images // LEAST_PER_LIST))))
    while power > _LEAST_LISTS and bytes_to_learn(LEAST_PER_LIST << power, dimension) > room:
        power -= 1
    return int(1 << power)
