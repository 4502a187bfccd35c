"""Which FAISS index suits how many images and how much memory."""

from __future__ import annotations

import math

from steeple.errors import InputError

__all__ = ["FLAT", "choose_index"]

FLAT = "Flat"
"""Exact search: no index beside the descriptors is needed."""

_QUICK = 5 * 10**7  # descriptor values that exact search reads in some 15 ms
_WALKED = 3 * 10**5  # images up to which a graph of them is made in minutes
_LINKS = 280  # bytes of an image's links in HNSW32: 64 + 32/31 on higher levels, 4 each, and room
_PER_LIST = 39  # training images per list that k-means asks for


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
    otherwise                      IVFn,RaBitQ                   1 bit a value, D / 8 + 16 bytes an
                                                                 image; learns nothing but lists
    =============================  ============================  ==================================

    n, the number of lists, is the power of two nearest to 4 * sqrt(N), which balances finding the
    lists with reading them; from 16,384 on the lists themselves are found by a graph (IVFn_HNSW32).
    It is held down where memory is too small to learn so many. "Fit" leaves half of the memory to
    what else is going on; descriptors that fit stay in the system's cache, from their file.

    Args:
        images: N, how many the index is to hold.
        dimension: D of their descriptors.
        memory: bytes that the index, and descriptors that are read often, may take.

    Returns:
        A FAISS factory name; "Flat" means exact search.

    Raises:
        InputError: if a number is negative or the dimension is 0.
    """
    if images < 0 or dimension < 1 or memory < 0:
        raise InputError(
            f"an index of {images} images of {dimension} dimensions in {memory} bytes makes no "
            f"sense; give numbers of at least 0, 1 and 0"
        )
    if images * dimension <= _QUICK:
        return FLAT
    if images * 4 * dimension <= memory / 2 and dimension % 2 == 0:
        code = f"PQ{dimension // 2}x4fs"
    elif images <= _WALKED and images * (dimension + _LINKS) <= memory / 2:
        return "HNSW32_SQ8"
    else:
        code = "SQ8" if images * (dimension + 8) <= memory / 2 else "RaBitQ"
    lists = _count_lists(images, dimension, memory)
    return f"IVF{lists}{'_HNSW32' if lists >= 1 << 14 else ''},{code}"


def _count_lists(images: int, dimension: int, memory: int) -> int:
    power = round(math.log2(4 * math.sqrt(images)))
    sample = memory / 2 / (4 * dimension)  # images that fit while the lists are learned
    while power > 6 and sample < _PER_LIST << power:
        power -= 1
    return int(1 << power)
