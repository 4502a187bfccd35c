"""Soft votes against the literal form, with ties, pads and too few training images."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steeple.errors import InputError
from steeple.retrieval import Ranking, Votes, soft_vote
from steeple.retrieval.voting import both_right, count_votes


def compare(votes: Any, expected: list[tuple[int, float]]) -> None:
    assert votes.labels.tolist() == [label for label, _ in expected]
    np.testing.assert_array_equal(
        votes.scores, np.array([score for _, score in expected], dtype=np.float32)
    )


class TestSoftVote:
    def test_by_hand(self) -> None:
        training = np.array([[1, 0], [0.75, 0], [0.5, 0], [0, 1]])
        # 7 gives 1/3, 8 gives (0.75 + 0.5)/3.
        votes = soft_vote([[1.0, 0.0]], training, [7, 8, 8, 9])
        assert votes.labels.tolist() == [8]
        assert votes.scores[0] == np.float32(1.25 / 3)

    def test_a_tie_goes_to_the_label_met_first(self) -> None:
        training = np.array([[0.5], [0.25], [0.25]])
        assert soft_vote([[1.0]], training, [5, 2, 2]).labels.tolist() == [5]
        assert soft_vote([[1.0]], training[::-1], [2, 2, 5]).labels.tolist() == [5]

    def test_thousands_of_cases(self, literal: ModuleType) -> None:
        for seed in range(1500):
            random = np.random.default_rng(seed)
            d, total, k = random.integers(1, 4), random.integers(0, 9), int(random.integers(1, 6))
            queries = random.integers(-3, 4, (2, d)) / 4
            training = random.integers(-3, 4, (total, d)) / 4
            labels = random.integers(0, 3, total)
            expected = [literal.vote(literal.nearest(q, training, k), labels, k) for q in queries]
            compare(soft_vote(queries, training, labels, k), expected)

    def test_no_training_image(self) -> None:
        votes = soft_vote(np.ones((3, 4)), np.ones((0, 4)), [])
        assert votes.labels.tolist() == [-1] * 3
        assert not votes.scores.any()

    def test_no_query(self) -> None:
        assert len(soft_vote(np.ones((0, 4)), np.ones((2, 4)), [1, 2])) == 0

    def test_fewer_training_images_than_voters_still_divide_by_k(self) -> None:
        votes = soft_vote([[1.0]], [[0.75]], [4], k=3)
        assert votes.scores.tolist() == [0.25]

    @pytest.mark.parametrize("kind", [np.uint8, np.int16, np.int32, np.int64])
    def test_labels_of_any_integer_type(self, kind: Any) -> None:
        assert soft_vote([[1.0]], [[1.0]], np.array([7], dtype=kind)).labels.dtype == np.int64

    @pytest.mark.parametrize("labels", [[1], [[1, 2]], 3, []])
    def test_refuses_labels_that_do_not_fit(self, labels: Any) -> None:
        with pytest.raises(InputError, match="labels"):
            soft_vote(np.ones((1, 2)), np.ones((2, 2)), labels)

    @pytest.mark.parametrize("labels", [[1.5, 2.0], ["a", "b"], [None, 1], [True, False]])
    def test_refuses_labels_that_are_no_integers(self, labels: Any) -> None:
        with pytest.raises(InputError, match="integers"):
            soft_vote(np.ones((1, 2)), np.ones((2, 2)), labels)

    def test_refuses_k_below_one(self) -> None:
        with pytest.raises(InputError, match="k is 0"):
            soft_vote(np.ones((1, 2)), np.ones((2, 2)), [1, 2], k=0)


class TestCountVotes:
    def test_thousands_of_cases_with_pads_anywhere(self, literal: ModuleType) -> None:
        for seed in range(1000):
            random = np.random.default_rng(seed)
            total, width = int(random.integers(1, 9)), int(random.integers(0, 7))
            k = int(random.integers(1, 8))
            ids = np.stack([random.permutation(np.arange(-5, total + 7))[:width] for _ in range(3)])
            ids = np.where((ids < 0) | (ids >= total), -1, ids).astype(np.int64)
            scores = -np.sort(-random.integers(-4, 5, ids.shape) / 8, axis=1)
            scores = np.where(ids == -1, -np.inf, scores).astype(np.float32)
            labels = random.integers(-1, 3, total)
            expected = [
                literal.vote(list(zip(*row, strict=True)), labels, k)
                for row in zip(ids.tolist(), scores.tolist(), strict=True)
            ]
            compare(count_votes(Ranking(ids, scores), labels, k), expected)

    def test_pads_only(self) -> None:
        pads = Ranking(np.full((2, 3), -1), np.full((2, 3), -np.inf, dtype=np.float32))
        for labels in (np.array([0, 1]), np.zeros(0, dtype=np.int64)):
            votes = count_votes(pads, labels, 3)
            assert votes.labels.tolist() == [-1, -1]
            assert votes.scores.tolist() == [0, 0]

    @given(st.integers(0, 2**32 - 1))
    def test_new_names_for_labels_change_nothing_else(self, seed: int) -> None:
        random = np.random.default_rng(seed)
        scores = -np.sort(-random.integers(0, 9, (5, 3)) / 8, axis=1)
        neighbours = Ranking(random.integers(0, 6, (5, 3)), scores.astype(np.float32))
        labels, names = random.integers(0, 4, 6), random.permutation(100)[:4]
        before = count_votes(neighbours, labels, 3)
        after = count_votes(neighbours, names[labels].astype(np.int64), 3)
        np.testing.assert_array_equal(names[before.labels], after.labels)
        np.testing.assert_array_equal(before.scores, after.scores)


@given(st.integers(0, 10**6), st.integers(0, 4), st.integers(0, 9))
def test_both_right_is_the_product_where_votes_agree(seed: int, queries: int, images: int) -> None:
    random = np.random.default_rng(seed)

    def drawn(n: int) -> Votes:
        return Votes(random.integers(-1, 2, n), random.random(n, dtype=np.float32))

    query, index = drawn(queries), drawn(images)
    ids = random.integers(-1, images, (queries, 6))
    found = both_right(ids, query, index)
    assert found.dtype == np.float32
    for q, row in enumerate(ids):
        for place, image in enumerate(row):
            agree = image >= 0 and query.labels[q] == index.labels[image] != -1
            expected = query.scores[q] * index.scores[image] if agree else 0
            assert found[q, place] == expected
