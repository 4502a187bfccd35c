"""The nearest training images of an image, kept and merged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from steeple.collection.store import LocalStore
from steeple.collection.voters import VOTERS, Voters

PADS = [(-1, -np.inf)] * VOTERS
SCORES = st.integers(-3, 3).map(lambda n: n / 4)
LISTS = st.dictionaries(st.integers(0, 8), SCORES, max_size=6)


def best(scores: dict[int, float], width: int) -> list[tuple[int, float]]:
    ordered = sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))
    return (ordered + PADS * 3)[:width]


def as_arrays(lists: list[list[tuple[int, float]]]) -> tuple[Any, Any]:
    shape = (len(lists), len(lists[0]))
    rows = np.array([[row for row, _ in pairs] for pairs in lists], dtype=np.int64)
    scores = np.array([[score for _, score in pairs] for pairs in lists], dtype=np.float32)
    return rows.reshape(shape), scores.reshape(shape)


@given(st.lists(st.tuples(LISTS, LISTS), min_size=1, max_size=4), st.integers(0, 5))
def test_merging_is_choosing_the_best_of_all(
    cases: list[tuple[dict[int, float], dict[int, float]]], width: int
) -> None:
    olds = [best(old, VOTERS) for old, _ in cases]
    news = [best(new, width) for _, new in cases]
    # One more image, which nothing is merged into.
    rows, scores = as_arrays([PADS, *olds])
    voters = Voters(rows, scores, np.zeros(len(rows), dtype=bool))
    new_rows, new_scores = as_arrays(news)
    changed = voters.merge(np.arange(1, len(rows)), new_rows, new_scores)

    assert voters.known.tolist() == [False] + [True] * len(cases)
    for place, (old, new) in enumerate(zip(olds, news, strict=True)):
        together = {row: score for row, score in [*old, *new] if row != -1}
        expected = best(together, VOTERS)
        assert voters.rows[place + 1].tolist() == [row for row, _ in expected]
        assert voters.scores[place + 1].tolist() == [score for _, score in expected]
        assert changed[place] == ([row for row, _ in expected] != [row for row, _ in old])
    assert voters.rows[0].tolist() == [-1] * VOTERS


def test_stored_and_loaded(
    store: LocalStore, vectors: Callable[..., Any], put: Callable[..., None]
) -> None:
    put(store, ["a", "b", "c"], vectors(0, 3))
    rows, scores = as_arrays([best({5: 0.5, 1 << 40: 0.25}, VOTERS)])
    packed = Voters(rows, scores, np.ones(1, dtype=bool)).pack(0)
    with store.transaction() as connection:
        connection.execute("UPDATE image SET voters = ? WHERE id = 'b'", (packed,))
        connection.execute("UPDATE image SET voters = x'00ff' WHERE id = 'c'")  # damage
    loaded = Voters.load(store.connection)
    assert loaded.known.tolist() == [False, True, False]
    np.testing.assert_array_equal(loaded.rows[1], rows[0])
    np.testing.assert_array_equal(loaded.scores[1], scores[0])
    assert (loaded.rows[[0, 2]] == -1).all()
    assert np.isneginf(loaded.scores[[0, 2]]).all()

    loaded.forget(np.array([False, True, False]))
    assert not loaded.known.any()
    assert (loaded.rows == -1).all()


def test_an_empty_collection(store: LocalStore) -> None:
    voters = Voters.load(store.connection)
    assert voters.rows.shape == voters.scores.shape == (0, VOTERS)
