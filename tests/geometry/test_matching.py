"""Matching against a loop over all pairs: ties, swaps, orders, the ratio, nothing at all."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from steeple.geometry.features import Features
from steeple.geometry.matching import Matcher, match, match_comparable
from steeple.geometry.published import NearestWithin

Floats = npt.NDArray[np.float32]
seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(0, 30)


def coarse(random: np.random.Generator, count: int) -> Floats:
    """Few, dyadic values: inner products are exact and often equal."""
    return (random.integers(-2, 3, (count, 4)) / 4).astype(np.float32)


def fine(random: np.random.Generator, count: int) -> Floats:
    """Many, dyadic values: inner products are exact and hardly ever equal."""
    return (random.integers(-(2**11), 2**11 + 1, (count, 4)) / 2**12).astype(np.float32)


def features(descriptors: Floats) -> Features:
    return Features(np.ones((len(descriptors), 3), dtype=np.float32), descriptors)


def distinct(alike: Floats) -> bool:
    return len(np.unique(alike)) == alike.size


def as_set(pairs: Any) -> set[tuple[int, int]]:
    return {(int(i), int(j)) for i, j in pairs}


class TestAgainstTheLoop:
    @given(
        seed=seeds,
        m=sizes,
        n=sizes,
        draw=st.sampled_from([coarse, fine]),
        ratio=st.sampled_from([0.5, 0.8, 0.9, 0.97, 1.0]),
        most=st.sampled_from([0, 1, 5, 100]),
    )
    def test_any_shape(
        self, literal: Any, seed: int, m: int, n: int, draw: Any, ratio: float, most: int
    ) -> None:
        random = np.random.default_rng(seed)
        a, b = draw(random, m), draw(random, n)
        pairs = match_comparable(a, b, ratio, most)
        assert pairs.dtype == np.int32
        assert pairs.shape == (len(pairs), 2)
        expected = literal.match(a.tolist(), b.tolist(), ratio, most)
        assert [tuple(pair) for pair in pairs.tolist()] == expected

    def test_the_size_of_photos(self, literal: Any) -> None:
        random = np.random.default_rng(4)
        a, b = fine(random, 150), fine(random, 170)
        pairs = match_comparable(a, b, 1.0, 1000)
        assert [tuple(p) for p in pairs.tolist()] == literal.match(
            a.tolist(), b.tolist(), 1.0, 1000
        )
        assert len(pairs) > 15


class TestProperties:
    @given(seed=seeds, m=st.integers(1, 20), n=st.integers(1, 20))
    def test_swapping_the_images_swaps_the_columns(self, seed: int, m: int, n: int) -> None:
        random = np.random.default_rng(seed)
        a, b = fine(random, m), fine(random, n)
        assume(distinct(a @ b.T))
        there, back = match_comparable(a, b, 0.99, 99), match_comparable(b, a, 0.99, 99)
        assert as_set(there) == as_set(back[:, ::-1])

    @given(seed=seeds, m=st.integers(1, 20), n=st.integers(1, 20))
    def test_the_order_of_features_does_not_matter(self, seed: int, m: int, n: int) -> None:
        random = np.random.default_rng(seed)
        a, b = fine(random, m), fine(random, n)
        assume(distinct(a @ b.T))
        p, q = random.permutation(m), random.permutation(n)
        mixed = match_comparable(a[p], b[q], 0.99, 99)
        back = np.stack([p[mixed[:, 0]], q[mixed[:, 1]]], axis=1)
        assert as_set(back) == as_set(match_comparable(a, b, 0.99, 99))

    @given(seed=seeds, m=sizes, n=sizes, draw=st.sampled_from([coarse, fine]))
    def test_nobody_is_matched_twice(self, seed: int, m: int, n: int, draw: Any) -> None:
        random = np.random.default_rng(seed)
        pairs = match_comparable(draw(random, m), draw(random, n), 1.0, 99)
        for column in pairs.T:
            assert len(set(column.tolist())) == len(pairs)
        assert bool(len(pairs)) == bool(m and n)

    @given(seed=seeds, most=st.integers(0, 12), ratio=st.sampled_from([0.9, 1.0]))
    def test_fewer_are_the_beginning_of_more(self, seed: int, most: int, ratio: float) -> None:
        random = np.random.default_rng(seed)
        a, b = fine(random, 20), fine(random, 20)
        everything = match_comparable(a, b, ratio, 99)
        np.testing.assert_array_equal(match_comparable(a, b, ratio, most), everything[:most])

    @given(seed=seeds)
    def test_a_stricter_ratio_keeps_the_beginning(self, seed: int) -> None:
        random = np.random.default_rng(seed)
        a, b = fine(random, 20), fine(random, 20)
        kept = [match_comparable(a, b, ratio, 99) for ratio in (0.8, 0.9, 0.99, 1.0)]
        for fewer, more in pairwise(kept):
            np.testing.assert_array_equal(fewer, more[: len(fewer)])


class TestByHand:
    def test_the_ratio_looks_from_both_sides(self) -> None:
        # Ahead of (1, 0), at angles: a0 0, a1 30 degrees; b0 10, b1 90 degrees.
        def at(*degrees: float) -> Floats:
            angles = np.radians(degrees)
            return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)

        a, b = at(0, 30), at(10, 90)
        near, rival = 2 * np.sin(np.radians(5)), 2 * np.sin(np.radians(10))  # a0-b0, a1-b0
        ratio = near / rival  # b1 is far off: only b0 has a rival that counts
        assert as_set(match_comparable(a, b, ratio + 1e-3, 9)) == {(0, 0)}
        assert as_set(match_comparable(a, b, ratio - 1e-3, 9)) == set()
        assert as_set(match_comparable(b, a, ratio - 1e-3, 9)) == set()

    def test_a_repeated_feature_is_the_least_distinctive(self) -> None:
        # Twins match each other perfectly and say nothing about where they are.
        base = np.eye(5, dtype=np.float32)
        a, b = base[[0, 0, 1, 2]], base[[0, 0, 2, 1]]
        pairs = match_comparable(a, b, 1.0, 9)
        assert pairs[:2].tolist() == [[2, 3], [3, 2]]
        assert pairs[2:].tolist() == [[0, 0]]
        assert as_set(match_comparable(a, b, 0.99, 9)) == {(2, 3), (3, 2)}

    def test_all_equal(self) -> None:
        same = np.tile(np.eye(4, dtype=np.float32)[:1], (7, 1))
        assert match_comparable(same, same[:5], 1.0, 9).tolist() == [[0, 0]]
        assert match_comparable(same, same[:5], 0.99, 9).tolist() == []

    def test_one_feature_each(self) -> None:
        one = np.eye(4, dtype=np.float32)[:1]
        assert match_comparable(one, one, 0.5, 9).tolist() == [[0, 0]]

    def test_zeros_are_comparable_too(self) -> None:
        zeros = np.zeros((3, 8), dtype=np.float32)
        assert match_comparable(zeros, zeros, 1.0, 9).tolist() == [[0, 0]]


class TestMatcher:
    @pytest.mark.parametrize(("m", "n"), [(0, 0), (0, 5), (5, 0)])
    @pytest.mark.parametrize("matcher", [Matcher(), Matcher(0.8), match, NearestWithin()])
    def test_nothing_matches_nothing(self, matcher: Any, m: int, n: int) -> None:
        pairs = matcher(
            features(np.ones((m, 8), np.float32)), features(np.ones((n, 8), np.float32))
        )
        assert pairs.shape == (0, 2)
        assert pairs.dtype == np.int32

    def test_a_photo_with_itself(self, draw: Any) -> None:
        from steeple.geometry.sift import Sift

        found = Sift()(draw(1, 300, 400))
        pairs = match(found, found)
        assert len(pairs) == len(np.unique(found.descriptors, axis=0)) > 100
        np.testing.assert_array_equal(pairs[:, 0], pairs[:, 1])
        np.testing.assert_array_equal(Matcher(most=20)(found, found), pairs[:20])

    def test_ready_or_not_is_the_same(self, draw: Any) -> None:
        from steeple.geometry.sift import Sift

        a, b = Sift()(draw(1)), Sift()(draw(2))
        np.testing.assert_array_equal(Matcher()(a, b), Matcher()(a.ready(), b.ready()))
        np.testing.assert_array_equal(Matcher()(a, b), Matcher()(a.ready(), b))

    def test_match_takes_all(self) -> None:
        random = np.random.default_rng(3)
        a = random.normal(size=(600, 32)).astype(np.float32)
        a /= np.linalg.norm(a, axis=1, keepdims=True)
        assert len(match(features(a), features(a))) == 600
        assert len(Matcher()(features(a), features(a))) == 256
