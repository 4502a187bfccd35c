"""The two steps against the literal form, the boundary in float32, and their properties."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steeple.errors import InputError
from steeple.retrieval import Ranking, Votes
from steeple.retrieval.reranking import Context, TwoStage, two_stage

MODULE = sys.modules[TwoStage.__module__]  # the function of the same name hides it
TAU = np.float32(0.6)
QUARTER = np.float32(0.25)
REST = TAU - QUARTER  # exact in float32, so that QUARTER + REST is TAU and no more
JUST_LESS, JUST_MORE = np.nextafter(TAU, np.float32(0)), np.nextafter(TAU, np.float32(1))
EDGES = np.array(
    # The last one adds so little to REST that the sum is rounded back to TAU.
    [QUARTER, REST, JUST_LESS - QUARTER, JUST_MORE - QUARTER, np.nextafter(REST, np.float32(1))],
    dtype=np.float32,
)


class Case:
    """Rankings and votes with many ties; pads and unvoted images where asked for."""

    def __init__(self, seed: int, *, edges: bool = False) -> None:
        self.random = random = np.random.default_rng(seed)
        self.n, self.q = int(random.integers(0, 14)), int(random.integers(0, 4))
        width = int(random.integers(0, 10))
        ids = np.full((self.q, width), -1, dtype=np.int64)
        for row in ids:
            some = random.permutation(self.n)[: random.integers(0, width + 1)]
            row[np.sort(random.permutation(width)[: len(some)])] = some  # pads anywhere
        scores = -np.sort(-random.integers(0, 9, ids.shape) / 8, axis=1)
        self.ranking = Ranking(ids, np.where(ids == -1, -np.inf, scores).astype(np.float32))
        self.query_votes = self.votes(self.q, edges=edges)
        self.index_votes = self.votes(self.n, edges=edges)

    def votes(self, n: int, *, edges: bool) -> Votes:
        labels = self.random.integers(-1, 3, n)
        if edges:
            return Votes(labels, self.random.choice(EDGES, n))
        return Votes(labels, (self.random.integers(-1, 9, n) / 8).astype(np.float32))

    def compare(self, literal: ModuleType, **options: Any) -> None:
        arrays = (self.ranking, self.query_votes, self.index_votes)
        ids, scores = literal.two_stage(*arrays, **options)
        result = two_stage(*arrays, **options)
        np.testing.assert_array_equal(result.ids, ids, err_msg=str(options))
        np.testing.assert_array_equal(result.scores, scores, err_msg=str(options))


class TestAgainstTheLiteralForm:
    @pytest.mark.parametrize("insert", [True, False])
    @pytest.mark.parametrize("sort", [True, False])
    def test_thousands_of_cases(self, literal: ModuleType, sort: bool, insert: bool) -> None:
        for seed in range(1500):
            case = Case(seed)
            options = {"sort": sort, "insert": insert}
            threshold = float(case.random.choice([0.0, 0.5, 0.6, 0.625, 1.25, 3.0, -1.0]))
            k = int(case.random.integers(1, 16))
            case.compare(literal, threshold=threshold, k=k, **options)

    def test_sums_next_to_the_threshold(self, literal: ModuleType) -> None:
        for seed in range(1000):
            case = Case(seed, edges=True)
            case.compare(literal, threshold=0.6, k=12, sort=True, insert=True)

    @given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.floats(-1, 2))
    def test_blocks_change_nothing(
        self, literal: ModuleType, seed: int, block: int, threshold: float
    ) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(MODULE, "_BLOCK", block)
            Case(seed).compare(literal, threshold=threshold, k=6, sort=True, insert=True)

    def test_a_list_that_names_an_image_twice(self, literal: ModuleType) -> None:
        case = Case(4)
        case.ranking = Ranking(
            np.array([[1, 0, 1, -1, 0, 1]]), np.arange(6, 0, -1, dtype=np.float32)[None]
        )
        case.query_votes = Votes(np.array([1]), np.ones(1, dtype=np.float32))
        case.index_votes = Votes(np.array([0, 1, 1, 1]), np.ones(4, dtype=np.float32))
        for k in range(1, 9):
            case.compare(literal, threshold=0.6, k=k, sort=True, insert=True)

    def test_a_large_case(self, literal: ModuleType) -> None:
        random = np.random.default_rng(5)
        labels = np.minimum(random.zipf(1.3, 3000) - 1, 40)
        index_votes = Votes(labels, (random.integers(0, 65, 3000) / 64).astype(np.float32))
        ids = np.stack([random.permutation(3000)[:100] for _ in range(40)])
        ids[:, 90:] = -1
        case = Case(0)
        case.ranking = Ranking(ids, -np.sort(-random.random((40, 100), dtype=np.float32), axis=1))
        case.index_votes, case.query_votes = index_votes, index_votes[:40]
        case.compare(literal, threshold=0.6, k=100, sort=True, insert=True)


class TestByHand:
    ranking = Ranking(np.array([[4, 0, 3, 1]]), np.array([[0.9, 0.8, 0.7, 0.6]]))
    query = Votes(np.array([7]), np.array([0.25]))
    index = Votes(np.array([7, 8, 7, 7, 9, 7]), np.array([0.9, 0.9, 0.5, 0.1, 0.9, 0.75]))

    def test_sort_and_insert(self) -> None:
        result = two_stage(self.ranking, self.query, self.index, k=7)
        assert result.ids.tolist() == [[0, 3, 5, 2, 4, 1, -1]]
        scores = [0.8, 0.7, 0.75, 0.5, 0.9, 0.6, -np.inf]
        np.testing.assert_array_equal(result.scores, np.array([scores], dtype=np.float32))

    def test_the_list_is_cut(self) -> None:
        assert two_stage(self.ranking, self.query, self.index, k=3).ids.tolist() == [[0, 3, 5]]

    def test_sort_alone(self) -> None:
        result = two_stage(self.ranking, self.query, self.index, k=4, insert=False)
        assert result.ids.tolist() == [[0, 3, 4, 1]]

    def test_insert_alone_follows_the_last_positive(self) -> None:
        result = two_stage(self.ranking, self.query, self.index, k=6, sort=False)
        assert result.ids.tolist() == [[4, 0, 3, 5, 2, 1]]

    def test_insert_without_a_positive_leads(self) -> None:
        ranking = Ranking(np.array([[4, 1]]), np.array([[0.9, 0.8]]))
        for sort in (True, False):
            result = two_stage(ranking, self.query, self.index, k=4, sort=sort)
            assert result.ids.tolist() == [[0, 5, 2, 4]]

    def test_an_unvoted_query_changes_nothing(self) -> None:
        nobody = Votes(np.array([-1]), np.array([1.0]))
        index = Votes(np.full(6, -1), np.ones(6))
        assert two_stage(self.ranking, nobody, index, k=4).ids.tolist() == [[4, 0, 3, 1]]

    def test_the_sum_must_exceed_the_threshold_in_float32(self) -> None:
        assert QUARTER + REST == TAU
        nothing = Ranking(np.zeros((1, 0), dtype=np.int64), np.zeros((1, 0), dtype=np.float32))
        index = Votes(np.zeros(len(EDGES), dtype=np.int64), EDGES)
        query = Votes(np.array([0]), np.array([QUARTER]))
        # In float64 0.6 is less than its float32, and 1 and 4 would pass too.
        assert two_stage(nothing, query, index, k=3).ids.tolist() == [[3, -1, -1]]
        result = two_stage(nothing, query, index, k=4, threshold=float(JUST_LESS))
        assert result.ids.tolist() == [[3, 4, 1, -1]]


class TestProperties:
    @given(st.integers(0, 2**32 - 1), st.integers(1, 14))
    def test_shape_pads_last_and_no_repetition(self, seed: int, k: int) -> None:
        case = Case(seed)
        result = two_stage(case.ranking, case.query_votes, case.index_votes, k=k)
        assert result.ids.shape == (case.q, k)
        assert result.ids.dtype == np.int64
        assert result.scores.dtype == np.float32
        pads = result.ids == -1
        assert (np.diff(pads.astype(int), axis=1) >= 0).all()
        assert (np.isneginf(result.scores) == pads).all()
        for row in result.ids:
            real = row[row != -1]
            assert len(set(real.tolist())) == len(real)

    @given(st.integers(0, 2**32 - 1))
    def test_the_sort_step_twice_is_once(self, seed: int) -> None:
        case = Case(seed)
        once = two_stage(case.ranking, case.query_votes, case.index_votes, k=9, insert=False)
        twice = two_stage(once, case.query_votes, case.index_votes, k=9, insert=False)
        np.testing.assert_array_equal(once.ids, twice.ids)

    @given(st.integers(0, 2**32 - 1))
    def test_a_threshold_out_of_reach_leaves_the_sort_step(self, seed: int) -> None:
        case = Case(seed)
        votes = case.query_votes, case.index_votes
        high = two_stage(case.ranking, *votes, k=9, threshold=5.0)
        none = two_stage(case.ranking, *votes, k=9, insert=False)
        np.testing.assert_array_equal(high.ids, none.ids)

    def test_the_input_is_left_alone(self) -> None:
        case = Case(12)
        before = case.ranking.ids.copy(), case.ranking.scores.copy()
        two_stage(case.ranking, case.query_votes, case.index_votes)
        np.testing.assert_array_equal(case.ranking.ids, before[0])
        np.testing.assert_array_equal(case.ranking.scores, before[1])


class TestRefusals:
    def test_votes_that_do_not_fit(self) -> None:
        ranking = Ranking(np.zeros((2, 1), dtype=np.int64), np.zeros((2, 1), dtype=np.float32))
        one = Votes(np.array([1]), np.array([1.0]))
        with pytest.raises(InputError, match="2 rankings"):
            two_stage(ranking, one, one)

    @pytest.mark.parametrize("wrong", [3, -2, 10**12])
    def test_an_image_that_is_not_there(self, wrong: int) -> None:
        ranking = Ranking(np.array([[0, wrong]]), np.zeros((1, 2), dtype=np.float32))
        votes = Votes(np.array([1, 1, 1]), np.ones(3, dtype=np.float32))
        with pytest.raises(InputError, match=f"image {wrong}"):
            two_stage(ranking, votes[:1], votes)

    def test_an_empty_index_has_no_image(self) -> None:
        ranking = Ranking(np.array([[0]]), np.ones((1, 1)))
        votes = Votes(np.array([1]), np.ones(1))
        with pytest.raises(InputError, match="image 0"):
            two_stage(ranking, votes, votes[:0])

    def test_a_threshold_that_is_no_number(self) -> None:
        with pytest.raises(InputError, match="threshold is NaN"):
            TwoStage(threshold=float("nan"))

    def test_k_below_one(self) -> None:
        ranking = Ranking(np.array([[0]]), np.ones((1, 1)))
        votes = Votes(np.array([1]), np.ones(1))
        with pytest.raises(InputError, match="k is 0"):
            two_stage(ranking, votes, votes, k=0)


def test_the_reranker_is_the_function() -> None:
    case = Case(21)
    context = Context(query_votes=case.query_votes, index_votes=case.index_votes)
    width = max(case.ranking.ids.shape[1], 1)
    case.ranking = Ranking(
        np.full((case.q, width), -1), np.full((case.q, width), -np.inf, dtype=np.float32)
    )
    result = TwoStage(threshold=0.5).rerank(case.ranking, context)
    expected = two_stage(case.ranking, case.query_votes, case.index_votes, threshold=0.5, k=width)
    np.testing.assert_array_equal(result.ids, expected.ids)
