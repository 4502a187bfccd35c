"""Exact neighbours against a stable sort of all scores: ties, pieces, budgets, odd arrays."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import patch

import faiss
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from steeple.errors import InputError
from steeple.retrieval import Ranking, nearest, search_neighbors
from steeple.retrieval.neighbors import as_descriptors, blocks_of, search_blocks
from steeple.retrieval.products import TOGETHER, inner_products
from steeple.threads import _controller

Array = npt.NDArray[Any]


def sorted_out(queries: Array, index: Array, k: int) -> tuple[Array, Array]:
    """Every score, a stable sort, a cut, and pads."""
    scores = queries.astype(np.float64) @ index.astype(np.float64).T
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    ids = np.full((len(queries), k), -1, dtype=np.int64)
    best = np.full((len(queries), k), -np.inf, dtype=np.float32)
    ids[:, : order.shape[1]] = order
    best[:, : order.shape[1]] = np.take_along_axis(scores, order, axis=1)
    return ids, best


def dyadic(random: np.random.Generator, n: int, d: int) -> npt.NDArray[np.float32]:
    """Descriptors of few, dyadic values: their inner products are exact and often equal."""
    return (random.integers(-2, 3, (n, d)) / 4).astype(np.float32)


def check(found: Ranking, queries: Array, index: Array, k: int) -> None:
    ids, scores = sorted_out(queries, index, k)
    np.testing.assert_array_equal(found.scores, scores)
    np.testing.assert_array_equal(found.ids, ids)


class TestAgainstASort:
    @given(
        seed=st.integers(0, 2**32 - 1),
        q=st.integers(0, 30),
        n=st.integers(0, 60),
        d=st.integers(1, 4),
        k=st.integers(1, 70),
        memory=st.sampled_from([1, 500, 4096, 1 << 14, 1 << 28]),
    )
    def test_any_shape_and_budget(
        self, seed: int, q: int, n: int, d: int, k: int, memory: int
    ) -> None:
        random = np.random.default_rng(seed)
        queries, index = dyadic(random, q, d), dyadic(random, n, d)
        check(search_neighbors(queries, index, k, memory=memory), queries, index, k)

    @pytest.mark.parametrize("k", [1, 3, 100, 120])  # FAISS selects differently from 100 on
    @pytest.mark.parametrize("q", [1, 19, 20, 300])  # and multiplies differently from 20 on
    def test_ties_across_the_end_of_the_list(self, q: int, k: int) -> None:
        random = np.random.default_rng(q * 1000 + k)
        queries, index = dyadic(random, q, 2), dyadic(random, 3000, 2)
        check(search_neighbors(queries, index, k), queries, index, k)

    def test_a_blank_query_takes_the_first_of_the_index(self) -> None:
        found = search_neighbors(np.zeros((2, 8)), dyadic(np.random.default_rng(0), 500, 8), 7)
        np.testing.assert_array_equal(found.ids, [range(7)] * 2)
        assert not found.scores.any()

    def test_ordinary_descriptors(self) -> None:
        random = np.random.default_rng(1)
        index = random.standard_normal((5000, 64)).astype(np.float32)
        index /= np.linalg.norm(index, axis=1, keepdims=True)
        queries = index[::50] + 0.1 * random.standard_normal((100, 64)).astype(np.float32)
        found = search_neighbors(queries, index, 10)
        ids, scores = sorted_out(queries, index, 10)
        np.testing.assert_array_equal(found.ids, ids)
        np.testing.assert_allclose(found.scores, scores, atol=1e-6)

    def test_the_budget_changes_no_id(self) -> None:
        random = np.random.default_rng(2)
        queries, index = dyadic(random, 130, 6), dyadic(random, 2000, 6)
        full = search_neighbors(queries, index, 20)
        for memory in (1 << 12, 1 << 13, 1 << 16):
            part = search_neighbors(queries, index, 20, memory=memory)
            np.testing.assert_array_equal(part.ids, full.ids)
            np.testing.assert_array_equal(part.scores, full.scores)


class TestKindsOfArray:
    @pytest.fixture
    def arrays(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        random = np.random.default_rng(3)
        return dyadic(random, 25, 5), dyadic(random, 400, 5)

    @pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, ">f4", np.int8])
    @pytest.mark.parametrize("memory", [2048, 1 << 28])
    def test_index_of_another_type(self, arrays: Any, kind: Any, memory: int) -> None:
        queries, index = arrays[0], (arrays[1] * 4).astype(kind)
        check(search_neighbors(queries, index, 9, memory=memory), queries, index, 9)

    @pytest.mark.parametrize("kind", [np.float16, np.float32])
    def test_memory_map(self, arrays: Any, kind: Any, tmp_path: Path) -> None:
        queries, index = arrays
        np.save(tmp_path / "index.npy", index.astype(kind))
        mapped = np.load(tmp_path / "index.npy", mmap_mode="r")
        for memory in (3000, 1 << 28):
            check(search_neighbors(queries, mapped, 9, memory=memory), queries, index, 9)

    def test_not_contiguous(self, arrays: Any) -> None:
        queries, index = arrays
        check(search_neighbors(queries[::2], index[::3], 4), queries[::2], index[::3], 4)
        check(search_neighbors(queries, np.asfortranarray(index), 4), queries, index, 4)
        turned = np.ascontiguousarray(queries.T).T
        check(search_neighbors(turned, index[::-1], 4), queries, index[::-1], 4)

    def test_lists(self) -> None:
        found = search_neighbors([[1, 0]], [[0, 1], [1, 0]], 2)
        np.testing.assert_array_equal(found.ids, [[1, 0]])

    def test_writes_into_nothing(self, arrays: Any) -> None:
        queries, index = arrays
        for array in (queries, index):
            array.flags.writeable = False
        check(search_neighbors(queries, index, 3), queries, index, 3)

    def test_an_index_image_of_nan_is_never_found(self, arrays: Any) -> None:
        queries, index = arrays
        index = index[:12].copy()
        index[[0, 5, 11], [1, 0, 4]] = np.nan
        whole = np.flatnonzero(~np.isnan(index).any(axis=1))
        ids, scores = sorted_out(queries, index[whole], 12)
        ids = np.where(ids == -1, -1, whole[ids])
        for memory in (300, 1 << 28):
            for k in (3, 9, 12):
                found = search_neighbors(queries, index, k, memory=memory)
                np.testing.assert_array_equal(found.ids, ids[:, :k])
                np.testing.assert_array_equal(found.scores, scores[:, :k])


class TestBlocks:
    @given(
        seed=st.integers(0, 2**32 - 1),
        k=st.integers(1, 40),
        memory=st.sampled_from([600, 10_000, 1 << 28]),
    )
    def test_many_small_blocks_with_holes_between_ids(self, seed: int, k: int, memory: int) -> None:
        random = np.random.default_rng(seed)
        queries, index = dyadic(random, 7, 2), dyadic(random, 90, 2)
        names = np.sort(random.choice(10_000, 90, replace=False)).astype(np.int64)
        cuts = np.sort(random.integers(0, 91, 12))  # some blocks are empty
        bounds = [0, *cuts.tolist(), 90]
        blocks = ((names[low:high], index[low:high]) for low, high in pairwise(bounds))
        found = search_blocks(queries, blocks, k, memory=memory)
        ids, scores = sorted_out(queries, index, k)
        np.testing.assert_array_equal(found.ids, np.where(ids == -1, -1, names[ids]))
        np.testing.assert_array_equal(found.scores, scores)

    def test_no_block(self) -> None:
        found = search_blocks(np.ones((2, 3), dtype=np.float32), [], 4)
        assert (found.ids == -1).all()
        assert (found.scores == -np.inf).all()

    def test_each_block_is_taken_once_and_when_needed(self) -> None:
        taken = []

        def blocks() -> Any:
            for start in range(0, 30, 10):
                taken.append(start)
                yield np.arange(start, start + 10), np.ones((10, 2), dtype=np.float32)

        found = search_blocks(np.ones((300, 2), dtype=np.float32), blocks(), 12, memory=9000)
        assert taken == [0, 10, 20]
        np.testing.assert_array_equal(found.ids, [range(12)] * 300)


@contextmanager
def proposed_by(way: str) -> Iterator[None]:
    """Has a search of any size go one of the three ways of `retrieval.nearest`."""
    few, many = {"pairs": (1 << 60, 0), "product": (0, 1 << 60), "faiss": (0, 0)}[way]
    usual = faiss.cvar.distance_compute_blas_threshold
    faiss.cvar.distance_compute_blas_threshold = 1  # FAISS is to multiply, not to go pair by pair
    try:
        with patch.object(nearest, "_FEW", few), patch.object(nearest, "_MANY", many):
            yield
    finally:
        faiss.cvar.distance_compute_blas_threshold = usual


WAYS = ["pairs", "product", "faiss"]


def by_pairs(queries: Array, index: Array, k: int) -> tuple[Array, Array]:
    """A stable sort of all scores, each the product of one pair."""
    ids = np.tile(np.arange(len(index)), (len(queries), 1))
    scores = inner_products(queries, index, ids)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(scores, order, axis=1)


class TestToTheLastBit:
    """A score depends on its pair alone, so equals are equal, and a list depends on nothing else.

    Edges of a matrix product round rows otherwise than its middle, few queries otherwise than many.
    """

    @given(
        seed=st.integers(0, 2**32 - 1),
        q=st.integers(1, 25),
        d=st.integers(1, 70),
        distinct=st.integers(1, 20),
        copies=st.integers(1, 30),
        k=st.integers(1, 50),
        memory=st.sampled_from([20_000, 1 << 17, 1 << 28]),
        way=st.sampled_from(WAYS),
    )
    def test_many_exact_duplicates(
        self, seed: int, q: int, d: int, distinct: int, copies: int, k: int, memory: int, way: str
    ) -> None:
        random = np.random.default_rng(seed)
        base = random.standard_normal((distinct, d)).astype(np.float32)
        index = base[random.integers(distinct, size=distinct * copies)]
        queries = random.standard_normal((q, d)).astype(np.float32)
        queries[random.random(q) < 0.1] = 0
        k = min(k, len(index))
        ids, scores = by_pairs(queries, index, k)
        cuts = [0, *np.sort(random.integers(0, len(index) + 1, 3)).tolist(), len(index)]
        blocks = [(np.arange(a, b), index[a:b]) for a, b in pairwise(cuts)]
        with proposed_by(way):
            found = [
                search_neighbors(queries, index, k, memory=memory),
                search_blocks(queries, blocks, k, memory=memory),
            ]
            alone = search_neighbors(queries[-1:], index, k)
        for one in found:
            np.testing.assert_array_equal(one.ids, ids)
            np.testing.assert_array_equal(one.scores, scores)
        np.testing.assert_array_equal(alone.ids, ids[-1:])
        np.testing.assert_array_equal(alone.scores, scores[-1:])

    @pytest.mark.parametrize("k", [3, 100])
    @pytest.mark.parametrize("q", [25, 300])  # 300 x 512 values are so many that FAISS selects
    def test_alone_in_a_batch_and_in_pieces(self, q: int, k: int) -> None:
        random = np.random.default_rng(q)
        base = random.standard_normal((700, 512)).astype(np.float32)
        index = base[random.integers(700, size=5003)]
        queries = random.standard_normal((q, 512)).astype(np.float32)
        found = search_neighbors(queries, index, k)
        blocks = [(np.arange(a, b), index[a:b]) for a, b in pairwise([0, 7, 2000, 2001, 5003])]
        for other in (
            search_neighbors(queries, index, k, memory=1 << 20),
            search_blocks(queries, blocks, k),
        ):
            np.testing.assert_array_equal(other.ids, found.ids)
            np.testing.assert_array_equal(other.scores, found.scores)
        for row in range(0, q, 6):
            alone = search_neighbors(queries[row : row + 1], index, k)
            np.testing.assert_array_equal(alone.ids[0], found.ids[row])
            np.testing.assert_array_equal(alone.scores[0], found.scores[row])
        for ids, scores in zip(found.ids, found.scores, strict=True):
            assert all(a < b for a, b in pairwise(ids) if (index[a] == index[b]).all())
            same = (index[ids[1:]] == index[ids[:-1]]).all(axis=1)
            assert (scores[1:][same] == scores[:-1][same]).all()

    @pytest.mark.parametrize("way", WAYS)
    def test_more_equals_than_are_proposed(self, way: str) -> None:
        """A hundred nearly equal images at the end of the list, the best of them last."""
        random = np.random.default_rng(8)
        query = random.standard_normal((1, 256)).astype(np.float32)
        one = random.standard_normal(256).astype(np.float32)
        index = np.tile(one, (3000, 1))
        index[:, 3] += np.float32(1e-7) * random.integers(-1, 2, 3000).astype(np.float32)
        queries = np.repeat(query, 40, axis=0)
        with proposed_by(way):
            found = search_neighbors(queries, index, 10)
        ids, scores = by_pairs(queries, index, 10)
        np.testing.assert_array_equal(found.ids, ids)
        np.testing.assert_array_equal(found.scores, scores)

    @pytest.mark.parametrize("way", WAYS)
    def test_images_of_nan_and_infinity(self, way: str) -> None:
        random = np.random.default_rng(9)
        index = random.standard_normal((500, 16)).astype(np.float32)
        queries = random.standard_normal((30, 16)).astype(np.float32)
        wrong = random.choice(500, 400, replace=False)
        index[wrong, random.integers(16, size=400)] = np.nan
        whole = np.flatnonzero(~np.isnan(index).any(axis=1))
        index[whole[7], 2] = np.inf
        index[whole[8], 3] = -np.inf
        scores = np.einsum("qd,nd->qn", queries, index[whole])
        for k in (5, 90, 200):
            with proposed_by(way):
                found = search_neighbors(queries, index, k)
            for row in range(30):
                there = found.ids[row][found.ids[row] >= 0]
                worth = (scores[row] > -np.inf).sum()  # what scores minus infinity is not found
                assert len(there) == min(k, worth)
                assert set(there) <= set(whole)
                assert (scores[row, 7] > 0) == (whole[7] in there[:2])

    @pytest.mark.parametrize("way", WAYS)
    def test_types_that_are_no_float32(self, way: str) -> None:
        random = np.random.default_rng(10)
        index = random.standard_normal((300, 33)).astype(np.float16)
        queries = random.standard_normal((40, 33))
        with proposed_by(way):
            found = search_neighbors(queries, index, 20, memory=9000)
        ids, scores = by_pairs(queries.astype(np.float32), index.astype(np.float32), 20)
        np.testing.assert_array_equal(found.ids, ids)
        np.testing.assert_array_equal(found.scores, scores)


class TestThreads:
    def test_searches_at_once_leave_the_process_as_it_was(self) -> None:
        random = np.random.default_rng(11)
        index = random.standard_normal((2000, 64)).astype(np.float32)
        queries = random.standard_normal((60, 64)).astype(np.float32)
        want = search_neighbors(queries, index, 10)
        right = []

        def search() -> None:
            for _ in range(25):
                for q in (3, 60):
                    found = search_neighbors(queries[:q], index, 10)
                    right.append((found.scores == want.scores[:q]).all())

        with threadpool_limits(limits=2):
            threads = [threading.Thread(target=search) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert {lib["num_threads"] for lib in _controller().info()} == {2}
        assert all(right)
        assert len(right) == 200
        assert faiss.cvar.distance_compute_blas_database_bs == TOGETHER


class TestRefusals:
    @pytest.mark.parametrize("k", [0, -3])
    def test_k_too_small(self, k: int) -> None:
        with pytest.raises(InputError, match=f"k is {k}"):
            search_neighbors(np.ones((1, 2)), np.ones((3, 2)), k)

    @pytest.mark.parametrize(
        ("queries", "index"),
        [((2,), (3, 2)), ((1, 2), (3,)), ((1, 2), (3, 3)), ((1, 2, 1), (3, 2)), ((1, 0), (3, 0))],
    )
    def test_shapes(self, queries: tuple[int, ...], index: tuple[int, ...]) -> None:
        with pytest.raises(InputError, match="shape"):
            search_neighbors(np.ones(queries), np.ones(index), 1)

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
    def test_queries_that_are_not_finite(self, value: float) -> None:
        queries = np.ones((4, 3))
        queries[2, 1] = value
        with pytest.raises(InputError, match="first in row 2"):
            search_neighbors(queries, np.ones((3, 3)), 1)

    @pytest.mark.parametrize("wrong", [[[1.0], [1.0, 2.0]], [["a"]], [[1j]], [[None, object()]]])
    def test_what_is_no_array_of_numbers(self, wrong: Any) -> None:
        with pytest.raises(InputError, match="real numbers"):
            as_descriptors(wrong, "queries")
        with pytest.raises(InputError, match="real numbers"):
            search_neighbors([[1.0]], wrong, 1)

    def test_an_array_of_text(self) -> None:
        with pytest.raises(InputError, match="real numbers"):
            search_neighbors([[1.0]], np.array([["1"]]), 1)

    def test_nothing_is_fine(self) -> None:
        assert search_neighbors(np.ones((0, 3)), np.ones((5, 3)), 2).ids.shape == (0, 2)
        assert search_neighbors(np.ones((2, 3)), np.ones((0, 3)), 2).ids.tolist() == [[-1, -1]] * 2
        assert search_neighbors(np.ones((2, 3)), np.ones((0, 0)), 1).ids.tolist() == [[-1]] * 2


class TestAsDescriptors:
    def test_keeps_the_memory_where_nothing_changes(self) -> None:
        array = np.ones((3, 2), dtype=np.float32)
        assert as_descriptors(array, "queries") is array

    def test_makes_contiguous_float32(self) -> None:
        out = as_descriptors(np.asfortranarray(np.ones((3, 2), dtype=np.float16)), "queries")
        assert out.dtype == np.float32
        assert out.flags.c_contiguous


class TestBlocksOf:
    def test_an_array_is_sliced_and_others_are_asked(self) -> None:
        array = dyadic(np.random.default_rng(6), 10, 3)

        class ByPosition:
            def __len__(self) -> int:
                return len(array)

            def __getitem__(self, ids: Any) -> Array:
                assert not isinstance(ids, slice)
                return array[ids].astype(np.float64)

        for descriptors in (array, array.astype(np.float16), ByPosition()):
            blocks = list(blocks_of(descriptors, 4))
            assert [ids.tolist() for ids, _ in blocks] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
            np.testing.assert_array_equal(np.concatenate([some for _, some in blocks]), array)
            assert all(some.dtype == np.float32 for _, some in blocks)
        assert np.shares_memory(next(blocks_of(array, 4))[1], array)
        assert list(blocks_of(array[:0], 4)) == []


class TestQueriesInParts:
    """Queries that are not float32, C-contiguous are converted part by part."""

    @pytest.mark.parametrize("kind", [np.float16, np.float64, ">f4"])
    @pytest.mark.parametrize("memory", [1, 700, 1 << 28])
    def test_converted(self, kind: Any, memory: int, tmp_path: Path) -> None:
        random = np.random.default_rng(7)
        queries, index = dyadic(random, 31, 5), dyadic(random, 90, 5)
        np.save(tmp_path / "queries.npy", queries.astype(kind))
        mapped = np.load(tmp_path / "queries.npy", mmap_mode="r")
        check(search_neighbors(mapped, index, 6, memory=memory), queries, index, 6)

    def test_the_row_that_is_named_is_that_of_the_whole(self) -> None:
        queries = np.ones((40, 3))
        queries[33, 1] = np.nan
        with pytest.raises(InputError, match="first in row 33"):
            search_neighbors(queries, np.ones((3, 3)), 1, memory=200)

    @pytest.mark.parametrize("wrong", [np.array([["a"]]), np.array([[1j]])])
    def test_no_real_numbers(self, wrong: Any) -> None:
        with pytest.raises(InputError, match="real numbers"):
            search_neighbors(wrong, np.ones((3, 1)), 1)
