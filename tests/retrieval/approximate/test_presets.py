"""The index that is chosen for a size: every row of the table, and what holds for any size."""

from __future__ import annotations

import re

import faiss
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steeple.errors import InputError
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
        (150_000, 512, GB // 5, "IVF1024,SQ8"),
        (150_000, 512, GB // 10, "IVF512,RaBitQ"),
        (761_757, 512, 4 * GB, "IVF4096,PQ256x4fs"),
        (761_757, 512, 2 * GB, "IVF4096,SQ8"),
        (761_757, 512, GB // 2, "IVF2048,RaBitQ"),
        (1_580_470, 512, 4 * GB, "IVF4096,SQ8"),
        (20_000_000, 512, 16 * GB, "IVF16384_HNSW32,RaBitQ"),
        (1_000_000_000, 512, 256 * GB, "IVF131072_HNSW32,RaBitQ"),
    ],
)
def test_the_table(images: int, dimension: int, memory: int, factory: str) -> None:
    assert choose_index(images, dimension, memory) == factory


@given(images=st.integers(0, 10**10), dimension=st.integers(1, 4096), memory=st.integers(0, 10**13))
def test_fits_and_is_known(images: int, dimension: int, memory: int) -> None:
    factory = choose_index(images, dimension, memory)
    if factory == FLAT:
        return
    assert faiss.index_factory(dimension, factory, faiss.METRIC_INNER_PRODUCT) is not None
    if not factory.endswith("RaBitQ"):  # floats or codes fit, by half
        assert images * dimension <= memory / 2
    lists = re.match(r"IVF(\d+)", factory)
    if lists and int(lists[1]) > 64:
        assert int(lists[1]) * 39 * 4 * dimension <= memory / 2
        assert int(lists[1]) * 39 <= max(images, 64 * 39) * 39


@pytest.mark.parametrize("numbers", [(-1, 2, 3), (1, 0, 3), (1, 2, -3)])
def test_what_makes_no_sense(numbers: tuple[int, int, int]) -> None:
    with pytest.raises(InputError, match="makes no sense"):
        choose_index(*numbers)
