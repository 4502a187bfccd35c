"""The nearest training images of an image, kept and merged, with what verification found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from steeple.collection.store import LocalStore
from steeple.collection.voters import VOTERS, VOTING, Voters

Voter = tuple[int, float, float]
PADS: list[Voter] = [(-1, -np.inf, np.nan)] * VOTERS
ROWS = st.integers(0, 30)


def score(row: int) -> float:
    """What lies in a row never changes, so its similarity does not either; some tie."""
    return (row * 7 % 5) / 4


# Row -> surprise of its verification; NaN if it was not verified yet.
OLD = st.dictionaries(ROWS, st.sampled_from([np.nan, 0.0, 8.5, 120.0]), max_size=VOTERS + 3)
NEW = st.lists(ROWS, unique=True, max_size=VOTERS + 3)


def best(surprises: dict[int, float], width: int) -> list[Voter]:
    ordered = sorted(surprises, key=lambda row: (-score(row), row))
    return ([(row, score(row), surprises[row]) for row in ordered] + PADS * 3)[:width]


def as_arrays(lists: list[list[Voter]]) -> tuple[Any, Any, Any]:
    shape = (len(lists), len(lists[0]))
    table = np.array(lists, dtype=np.float64).reshape(*shape, 3)
    return (
        table[..., 0].astype(np.int64),
        table[..., 1].astype(np.float32),
        table[..., 2].astype(np.float32),
    )


def same(found: Voters, image: int, expected: list[Voter]) -> bool:
    rows, scores, surprises = as_arrays([expected])
    return (
        np.array_equal(found.rows[image], rows[0])
        and np.array_equal(found.scores[image], scores[0])
        and np.array_equal(found.surprises[image], surprises[0], equal_nan=True)
    )


def kept(cases: list[tuple[dict[int, float], list[int]]]) -> tuple[Voters, list[dict[int, float]]]:
    """Images with their voters, behind one more that nothing is done to."""
    olds = [best(old, VOTERS) for old, _ in cases]
    voters = Voters(*as_arrays([PADS, *olds]), np.array([False] + [True] * len(cases)))
    return voters, [{row: surprise for row, _, surprise in old if row != -1} for old in olds]


CASES = st.lists(st.tuples(OLD, NEW), min_size=1, max_size=4)


@settings(deadline=None)
@given(CASES, st.integers(0, VOTERS + 3))
def test_merging_is_choosing_the_best_of_all(
    cases: list[tuple[dict[int, float], list[int]]], width: int
) -> None:
    voters, olds = kept(cases)
    news = [best(dict.fromkeys(new, np.nan), width) for _, new in cases]
    rows, scores, _ = as_arrays(news)
    changed = voters.merge(np.arange(1, len(cases) + 1), rows, scores)

    assert voters.known.tolist() == [False] + [True] * len(cases)
    for place, (old, new) in enumerate(zip(olds, news, strict=True)):
        # Those that were voters before stay verified.
        together = {row: np.nan for row, _, _ in new if row != -1} | old
        expected = best(together, VOTERS)
        assert same(voters, place + 1, expected)
        before = [row for row, _, _ in best(old, VOTERS)]
        assert changed[place] == ([row for row, _, _ in expected] != before)
    assert same(voters, 0, PADS)


@settings(deadline=None)
@given(CASES, st.integers(0, VOTERS + 3))
def test_others_in_their_place_are_verified_where_they_were(
    cases: list[tuple[dict[int, float], list[int]]], width: int
) -> None:
    voters, olds = kept(cases)
    news = [best(dict.fromkeys(new, np.nan), width) for _, new in cases]
    rows, scores, _ = as_arrays(news)
    voters.replace(np.arange(1, len(cases) + 1), rows, scores)
    for place, (old, new) in enumerate(zip(olds, news, strict=True)):
        expected = {row: old.get(row, np.nan) for row, _, _ in new if row != -1}
        assert same(voters, place + 1, best(expected, VOTERS))
    assert voters.known.tolist() == [False] + [True] * len(cases)
    assert same(voters, 0, PADS)


def test_who_was_not_verified() -> None:
    lists = [
        PADS,
        best({1: 0.0, 2: 5.0}, VOTERS),
        best({1: 0.0, 2: np.nan}, VOTERS),
        best(dict.fromkeys(range(VOTERS), 0.0), VOTERS),
    ]
    voters = Voters(*as_arrays(lists), np.ones(4, dtype=bool))
    assert voters.unverified().tolist() == [False, False, True, False]


def test_more_are_kept_than_vote() -> None:
    assert VOTING < VOTERS


def test_stored_and_loaded(
    store: LocalStore, vectors: Callable[..., Any], put: Callable[..., None]
) -> None:
    put(store, ["a", "b", "c"], vectors(0, 3))
    some: list[Voter] = [(1 << 40, 0.5, 33.25), (5, 0.25, np.nan), *PADS][:VOTERS]
    packed = Voters(*as_arrays([some]), np.ones(1, dtype=bool)).pack(0)
    with store.transaction() as connection:
        connection.execute("UPDATE image SET voters = ? WHERE id = 'b'", (packed,))
        connection.execute("UPDATE image SET voters = x'00ff' WHERE id = 'c'")  # damage
    loaded = Voters.load(store.connection)
    assert loaded.known.tolist() == [False, True, False]
    assert same(loaded, 1, some)
    assert same(loaded, 0, PADS)
    assert same(loaded, 2, PADS)

    loaded.forget(np.array([False, True, False]))
    assert not loaded.known.any()
    assert same(loaded, 1, PADS)


def test_an_empty_collection(store: LocalStore) -> None:
    voters = Voters.load(store.connection)
    assert voters.rows.shape == voters.scores.shape == voters.surprises.shape == (0, VOTERS)
    assert voters.unverified().shape == (0,)
