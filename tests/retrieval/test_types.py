"""Rankings and votes: what they take, what they refuse, and their parts."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest

from steeple.errors import InputError
from steeple.retrieval import Ranking, Votes


class TestRanking:
    def test_converts_lists_and_other_types(self) -> None:
        ranking = Ranking([[2, 0], [1, -1]], [[0.5, 0.25], [1.0, -np.inf]])  # type: ignore[arg-type]
        assert ranking.ids.dtype == np.int64
        assert ranking.scores.dtype == np.float32
        assert len(ranking) == 2

    def test_keeps_the_memory_it_is_given(self) -> None:
        ids, scores = np.zeros((2, 3), dtype=np.int64), np.zeros((2, 3), dtype=np.float32)
        ranking = Ranking(ids, scores)
        assert ranking.ids is ids
        assert ranking.scores is scores

    def test_a_slice_is_a_view(self) -> None:
        ranking = Ranking(np.arange(6).reshape(3, 2), np.zeros((3, 2), dtype=np.float32))
        part = ranking[1:]
        np.testing.assert_array_equal(part.ids, [[2, 3], [4, 5]])
        assert np.shares_memory(part.scores, ranking.scores)

    @pytest.mark.parametrize(
        ("ids", "scores"),
        [((2,), (2,)), ((2, 3), (2, 2)), ((2, 3), (3, 2)), ((1, 2, 3), (1, 2, 3)), ((), ())],
    )
    def test_refuses_other_shapes(self, ids: tuple[int, ...], scores: tuple[int, ...]) -> None:
        with pytest.raises(InputError, match="one shape"):
            Ranking(np.zeros(ids, dtype=np.int64), np.zeros(scores, dtype=np.float32))

    def test_is_frozen_and_travels(self) -> None:
        ranking = Ranking(np.zeros((1, 1), dtype=np.int64), np.ones((1, 1), dtype=np.float32))
        with pytest.raises(dataclasses.FrozenInstanceError):
            ranking.ids = ranking.ids  # type: ignore[misc]
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(ranking)).scores, ranking.scores)


class TestVotes:
    def test_converts_lists_and_other_types(self) -> None:
        votes = Votes([3, -1], [0.5, 0])  # type: ignore[arg-type]
        assert votes.labels.dtype == np.int64
        assert votes.scores.dtype == np.float32
        assert len(votes) == 2
        assert votes[:1].labels.tolist() == [3]

    @pytest.mark.parametrize(
        ("labels", "scores"), [((2,), (3,)), ((2, 1), (2, 1)), ((), ()), ((2,), (2, 1))]
    )
    def test_refuses_other_shapes(self, labels: tuple[int, ...], scores: tuple[int, ...]) -> None:
        with pytest.raises(InputError, match="one shape"):
            Votes(np.zeros(labels, dtype=np.int64), np.zeros(scores, dtype=np.float32))
