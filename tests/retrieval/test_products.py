"""Inner products of pairs: what they depend on, and how far a matrix product may be from them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steeple.retrieval.products import TOGETHER, inner_products, load_faiss, longest, margins

Floats = npt.NDArray[np.float32]


def aligned(vector: Floats, offset: int) -> Floats:
    """The same values, so many floats behind a border of 64 bytes."""
    room = np.zeros(len(vector) + 32, dtype=np.float32)
    start = -(room.ctypes.data // 4) % 16 + offset
    room[start : start + len(vector)] = vector
    return room[start : start + len(vector)][None]


@pytest.mark.parametrize("dimension", [1, 3, 4, 8, 17, 31, 64, 127, 512])
def test_a_pair_is_worth_the_same_wherever_it_lies(dimension: int) -> None:
    random = np.random.default_rng(dimension)
    query, vector = random.standard_normal((2, dimension)).astype(np.float32)
    values = {
        inner_products(aligned(query, one), aligned(vector, other), np.zeros((1, 1), np.int64))[
            0, 0
        ].tobytes()
        for one in range(16)
        for other in range(16)
    }
    among = random.standard_normal((100, dimension)).astype(np.float32)
    among[63] = vector
    ids = np.tile(np.arange(100), (7, 1))
    values |= {row.tobytes() for row in inner_products(np.tile(query, (7, 1)), among, ids)[:, 63]}
    assert len(values) == 1


@given(
    seed=st.integers(0, 2**32 - 1),
    dimension=st.integers(1, 600),
    scale=st.floats(-22, 6),
    spread=st.floats(0, 3),
)
def test_a_matrix_product_is_within_the_margin(
    seed: int, dimension: int, scale: float, spread: float
) -> None:
    """Vectors of very uneven lengths, and so short that their products are below the normal."""
    random = np.random.default_rng(seed)
    lengths = 10 ** (scale + spread * random.standard_normal((50, 1)))
    vectors = (random.standard_normal((50, dimension)) * lengths).astype(np.float32)
    queries = random.standard_normal((30, dimension)).astype(np.float32)
    longest_of_all = longest(vectors)
    assert longest_of_all >= np.linalg.norm(vectors.astype(np.float64), axis=1).max()
    margin = margins(queries, longest_of_all)
    ids = np.tile(np.arange(50), (30, 1))
    by_pair = inner_products(queries, vectors, ids).astype(np.float64)
    for rough in (queries @ vectors.T, np.stack([vectors @ query for query in queries])):
        assert (np.abs(rough - by_pair) <= margin[:, None]).all()


def test_what_is_no_length_is_left_out() -> None:
    vectors = np.array([[3, 4], [np.nan, 1], [np.inf, 1]], dtype=np.float32)
    assert 5 <= longest(vectors) < 5.001
    assert longest(vectors[1:]) < 1e-15


def test_the_constant_of_faiss_is_set_once() -> None:
    faiss: Any = load_faiss()
    assert faiss.cvar.distance_compute_blas_database_bs == TOGETHER
    assert load_faiss() is faiss
