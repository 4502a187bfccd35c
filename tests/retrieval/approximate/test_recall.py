"""Recall against a count by hand, and what equals, pads and repetitions do to it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steeple.errors import InputError
from steeple.retrieval import Ranking, search_neighbors
from steeple.retrieval.approximate.recall import recall


def ranking(ids: list[list[int]], scores: list[list[float]]) -> Ranking:
    return Ranking(np.array(ids), np.array(scores, dtype=np.float32))


EXACT = ranking([[4, 2, 7], [1, 5, 3]], [[0.9, 0.8, 0.5], [0.9, 0.4, 0.3]])


def test_the_share_of_what_is_there() -> None:
    found = ranking([[2, 4, 9], [8, 9, 6]], [[0.9, 0.8, 0.1], [0.2, 0.2, 0.2]])
    assert recall(found, EXACT) == pytest.approx((2 / 3 + 0) / 2)
    assert recall(EXACT, EXACT) == 1


def test_another_of_equal_score_is_as_good() -> None:
    found = ranking([[4, 2, 9], [1, 5, 6]], [[0.9, 0.8, 0.5], [0.9, 0.4, 0.29]])
    assert recall(found, EXACT) == pytest.approx((1 + 2 / 3) / 2)


def test_an_image_counts_once_and_a_pad_never() -> None:
    found = ranking([[4, 4, 4], [1, -1, -1]], [[0.9, 0.9, 0.9], [0.9, np.inf, -np.inf]])
    assert recall(found, EXACT) == pytest.approx((1 / 3 + 1 / 3) / 2)


def test_pads_of_the_exact_ranking_are_not_missed() -> None:
    exact = ranking([[4, 2, -1], [-1, -1, -1]], [[0.9, 0.8, -np.inf], [-np.inf] * 3])
    found = ranking([[4, 9, 8], [1, 2, 3]], [[0.9, 0.7, 0.6], [0.1] * 3])
    assert recall(found, exact) == 0.5
    assert recall(exact, exact) == 1
    assert recall(exact[1:], exact[1:]) == 1


def test_only_the_first_k_count() -> None:
    exact = ranking([[4]], [[0.9]])
    assert recall(ranking([[3, 4]], [[0.8, 0.9]]), exact) == 0
    assert recall(ranking([[4, 3]], [[0.9, 0.8]]), exact) == 1


def test_other_queries() -> None:
    with pytest.raises(InputError, match="same queries"):
        recall(EXACT, EXACT[:1])


@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 40),
    k=st.integers(1, 12),
    kept=st.floats(0, 1),
)
def test_against_a_count_with_sets(seed: int, n: int, k: int, kept: float) -> None:
    """Any found ranking, scored exactly; many scores are equal."""
    random = np.random.default_rng(seed)
    queries = random.integers(-2, 3, (5, 2)).astype(np.float32)
    index = random.integers(-2, 3, (n, 2)).astype(np.float32)
    exact = search_neighbors(queries, index, k)
    ids = np.where(random.random((5, k)) < kept, exact.ids, random.integers(-1, n, (5, k)))
    all_scores = queries @ index.T
    scores = np.where(ids < 0, -np.inf, np.take_along_axis(all_scores, ids, axis=1))
    shares = []
    for row in range(5):
        want = [x for x in exact.ids[row] if x >= 0]
        last = min(all_scores[row, x] for x in want)
        right = {x for x in ids[row] if x >= 0 and all_scores[row, x] >= last}
        shares.append(len(right) / len(want))
    assert recall(Ranking(ids, scores), exact) == pytest.approx(np.mean(shares))
