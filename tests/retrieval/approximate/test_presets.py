"""The index that is chosen for a size: every row of the table, and what holds for any size."""

from __future__ import annotations

import re

import faiss
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steeple.errors import InputError
from steeple.retrieval.approximate.filling import LEAST_PER_LIST, bytes_to_learn
from steeple.retrieval.approximate.index import ApproximateIndex
from steeple.retrieval.approximate.presets import FLAT, choose_index

GB = 10**9


@pytest.mark.parametrize(
    ("images", "dimension", "memory", "factory"),
    [
        (0, 512, 4 * GB, "Flat"),
        (90_000, 512, 4 * GB, "Flat"),
        (90_000, 512, 0, "Flat"),
        (1_000_000, 64, 4 * GB, "IVF4096,PQ32x4fs"),
        (1_000_000, 65, 4 * GB, "IVF4096,SQ8"),
        (150_000, 512, 4 * GB, "IVF2048,PQ256x4fs"),
        (150_000, 512, GB // 2, "HNSW32_SQ8"),
        (150_000, 512, GB // 5, "IVF512,SQ8"),
        (150_000, 512, GB // 10, "IVF256,RaBitQ"),
        (761_757, 512, 4 * GB, "IVF4096,PQ256x4fs"),
        (761_757, 512, 2 * GB, "IVF4096,SQ8"),
        (761_757, 512, GB // 2, "IVF1024,RaBitQ"),
        (1_580_470, 512, 4 * GB, "IVF4096,SQ8"),
        (20_000_000, 512, 16 * GB, "IVF16384_HNSW32,RaBitQ"),
        (1_000_000_000, 512, 256 * GB, "IVF131072_HNSW32,RaBitQ"),
    ],
)
def test_the_table(images: int, dimension: int, memory: int, factory: str) -> None:
    assert choose_index(images, dimension, memory) == factory


@given(images=st.integers(0, 10**10), dimension=st.integers(1, 4096), memory=st.integers(0, 10**13))
def test_fits_and_is_known(images: int, dimension: int, memory: int) -> None:
    try:
        factory = choose_index(images, dimension, memory)
    except InputError as error:
        needed = int(re.search(r"needs (\d+) bytes", str(error))[1])  # type: ignore[index]
        assert needed > memory
        assert choose_index(images, dimension, needed) != FLAT  # which is then enough
        return
    if factory == FLAT:
        return
    index = faiss.index_factory(dimension, factory, faiss.METRIC_INNER_PRODUCT)
    code = faiss.extract_index_ivf(index).code_size + 8 if factory.startswith("IVF") else dimension
    assert images * code <= memory / 2
    lists = re.match(r"IVF(\d+)", factory)
    if lists:  # what they are learned from is there, and has room in the other half
        sample = int(lists[1]) * LEAST_PER_LIST
        assert sample <= images
        assert bytes_to_learn(sample, dimension) <= memory / 2


@pytest.mark.parametrize(
    ("images", "dimension", "memory", "needed"),
    [
        (10**8, 512, 4 * GB, 2 * 10**8 * 80),
        (10**9, 512, 4 * GB, 2 * 10**9 * 80),
        (10**5, 2048, 1 << 20, 2 * 39 * 64 * 8 * 2048),  # the sample that 64 lists are learned from
    ],
)
def test_what_does_not_fit(images: int, dimension: int, memory: int, needed: int) -> None:
    with pytest.raises(
        InputError, match=f"needs {needed} bytes, and it may take {memory}; give it more memory"
    ) as caught:
        choose_index(images, dimension, memory)
    assert "fewer dimensions" in str(caught.value)
    assert "several indexes" in str(caught.value)


def test_what_is_chosen_for_little_memory_can_be_built_with_half_of_it() -> None:
    """The other half is the index itself; 39 images a list are what k-means asks for."""
    images, dimension, memory = 49_000, 1024, 2 * 39 * 64 * 8 * 1024
    factory = choose_index(images, dimension, memory)
    assert factory == "IVF64,RaBitQ"
    vectors = np.random.default_rng(0).standard_normal((3000, dimension), dtype=np.float32)
    learned = ApproximateIndex.build(vectors, factory, memory=memory // 2)
    assert len(learned) == 3000


@pytest.mark.parametrize("numbers", [(-1, 2, 3), (1, 0, 3), (1, 2, -3)])
def test_what_makes_no_sense(numbers: tuple[int, int, int]) -> None:
    with pytest.raises(InputError, match="makes no sense"):
        choose_index(*numbers)
