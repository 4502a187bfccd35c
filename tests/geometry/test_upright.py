"""The geometry of upright photos against a loop, and against the truth."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steeple.geometry.upright import Upright

Keypoints = npt.NDArray[np.float32]
seeds = st.integers(0, 2**32 - 1)


def anywhere(random: np.random.Generator, count: int) -> Keypoints:
    places = random.uniform(0, (640, 480), (count, 2))
    return np.column_stack([places, np.exp(random.uniform(1, 3, count))]).astype(np.float32)


def moved(a: Keypoints, transform: Any, random: np.random.Generator, noise: float) -> Keypoints:
    """Where a transform, (2, 3), puts keypoints, give or take so many pixels."""
    places = a[:, :2] @ transform[:, :2].T + transform[:, 2]
    places = places + random.uniform(-noise, noise, places.shape)
    scales = a[:, 2] * np.sqrt(np.linalg.det(transform[:, :2]))
    scales = scales * np.exp(random.uniform(-0.1, 0.1, len(a)))
    return np.column_stack([places, scales]).astype(np.float32)


def scene(seed: int, transform: Any, inliers: int, outliers: int) -> tuple[Keypoints, Keypoints]:
    """Matches that share a transform, then others that share nothing."""
    random = np.random.default_rng(seed)
    a = anywhere(random, inliers + outliers)
    b = moved(a, transform, random, noise=1.0)
    b[inliers:] = anywhere(random, outliers)
    return a, b


class TestAgainstTheLoop:
    @given(seed=seeds, agreeing=st.integers(0, 12), others=st.integers(0, 12))
    def test_any_matches(self, literal: Any, seed: int, agreeing: int, others: int) -> None:
        random = np.random.default_rng(seed)
        shape = np.eye(2) * random.uniform(0.5, 2) + random.uniform(-0.3, 0.3, (2, 2))
        transform = np.column_stack([shape, random.uniform(-100, 100, 2)])
        if np.linalg.det(shape) <= 0:
            shape[0] *= -1
        transform = np.column_stack([shape, random.uniform(-100, 100, 2)])
        a, b = scene(seed, transform, agreeing, others)
        found = Upright()(a, b)
        assert found.inliers.shape == (len(a),)
        if not len(a):
            assert found.transform is None
            return
        expected, fitted = literal.upright(a, b, 24.0)
        assert found.inliers.tolist() == expected
        np.testing.assert_allclose(found.transform, fitted, rtol=1e-5, atol=1e-3)

    @given(seed=seeds, count=st.integers(1, 10), tolerance=st.sampled_from([2.0, 24.0, 80.0]))
    def test_ties_go_to_the_first(
        self, literal: Any, seed: int, count: int, tolerance: float
    ) -> None:
        # Few places and one scale: everything is exact, most proposals are as good as others.
        random = np.random.default_rng(seed)
        a, b = (
            np.column_stack([random.integers(0, 3, (count, 2)) * 64, np.full(count, 4)])
            for _ in range(2)
        )
        a, b = a.astype(np.float32), b.astype(np.float32)
        first, _ = literal.propose(a, b, tolerance)
        expected, fitted = literal.upright(a, b, tolerance)
        found = Upright(tolerance)(a, b)
        assert sum(first) <= found.inliers.sum()
        assert found.inliers.tolist() == expected
        assert found.transform is not None
        np.testing.assert_allclose(found.transform, fitted, rtol=1e-5, atol=1e-3)


class TestTruth:
    @given(
        seed=seeds,
        scale=st.floats(0.4, 2.5),
        x=st.floats(-200, 200),
        y=st.floats(-200, 200),
    )
    def test_a_similarity_among_outliers(self, seed: int, scale: float, x: float, y: float) -> None:
        truth = np.array([[scale, 0, x], [0, scale, y]])
        a, b = scene(seed, truth, 25, 60)
        found = Upright()(a, b)
        assert found.inliers[:25].all()
        assert found.inliers[25:].sum() <= 8  # some fall in by chance: 60 * chance is 0.14
        assert found.transform is not None
        places = a[:25, :2] @ found.transform[:, :2].T + found.transform[:, 2]
        assert np.abs(places - b[:25, :2]).max() < 24 * np.sqrt(scale)

    @given(seed=seeds, angle=st.floats(-0.12, 0.12), stretch=st.floats(0.85, 1.18))
    def test_a_little_shear_and_turn(self, seed: int, angle: float, stretch: float) -> None:
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        truth = np.column_stack([turn @ np.diag([stretch, 1.0]), [30.0, -20.0]])
        a, b = scene(seed, truth, 60, 40)
        found = Upright()(a, b)
        # One match sees its surroundings; the fits go on from there.
        assert found.inliers[:60].mean() > 0.9
        assert found.transform is not None
        places = a[:60, :2] @ found.transform[:, :2].T + found.transform[:, 2]
        assert np.median(np.abs(places - b[:60, :2])) < 12

    @given(seed=seeds)
    def test_the_order_of_matches_does_not_matter(self, seed: int) -> None:
        truth = np.array([[1.3, 0.05, 40], [-0.05, 1.2, -30]])
        a, b = scene(seed, truth, 40, 30)
        order = np.random.default_rng(seed).permutation(len(a))
        one, other = Upright()(a, b), Upright()(a[order], b[order])
        assert one.inliers[:40].sum() > 20
        # Another match may be the first of equals, and start elsewhere: the end is the same place.
        shared = (one.inliers[order] & other.inliers).sum()
        assert shared >= 0.9 * max(one.inliers.sum(), other.inliers.sum())

    def test_scales_must_agree_too(self) -> None:
        a, b = scene(1, np.array([[1.0, 0, 10], [0, 1, 5]]), 30, 0)
        b[:10, 2] *= 3
        found = Upright()(a, b)
        assert found.inliers.tolist() == [False] * 10 + [True] * 20

    @pytest.mark.parametrize(("factor", "agrees"), [(1.9, True), (2.1, False), (0.45, False)])
    def test_up_to_an_octave(self, factor: float, agrees: bool) -> None:
        a, b = scene(1, np.array([[1.0, 0, 10], [0, 1, 5]]), 30, 0)
        b[:, 2] = a[:, 2]
        b[7, 2] *= factor
        assert Upright()(a, b).inliers.tolist() == [agrees if m == 7 else True for m in range(30)]

    @pytest.mark.parametrize(("stretch", "followed"), [(3.0, True), (5.0, False)])
    def test_no_more_shear_than_two_views_have(self, stretch: float, followed: bool) -> None:
        random = np.random.default_rng(4)
        a = anywhere(random, 200)
        a[:, 2] = 5
        b = (a * np.array([stretch, 1, np.sqrt(stretch)])).astype(np.float32)
        assert Upright()(a, b).inliers.all() == followed

    def test_the_same_again_and_nothing_changed(self) -> None:
        a, b = scene(2, np.array([[1.0, 0, 10], [0, 1, 5]]), 30, 30)
        a.flags.writeable = b.flags.writeable = False
        one, other = Upright()(a, b), Upright()(a, b)
        np.testing.assert_array_equal(one.inliers, other.inliers)
        np.testing.assert_array_equal(one.transform, other.transform)

    def test_chance_is_what_it_says(self) -> None:
        # How often one arbitrary match agrees with another; more often where scales are alike.
        random, upright = np.random.default_rng(0), Upright()
        agree = [
            upright(anywhere(random, 2), anywhere(random, 2)).inliers.sum() == 2
            for _ in range(5000)
        ]
        assert upright.chance / 3 < np.mean(agree) < 2 * upright.chance


class TestDegenerate:
    def test_no_match(self) -> None:
        nothing = np.zeros((0, 3), dtype=np.float32)
        found = Upright()(nothing, nothing)
        assert found.inliers.shape == (0,)
        assert found.inliers.dtype == bool
        assert found.transform is None

    @pytest.mark.parametrize("count", [1, 2])
    def test_too_few_for_a_fit_move_and_scale(self, count: int) -> None:
        a = anywhere(np.random.default_rng(3), count)
        b = a * np.float32(2)
        found = Upright()(a, b)
        assert found.inliers.all()
        np.testing.assert_allclose(found.transform, [[2, 0, 0], [0, 2, 0]], atol=1e-3)

    def test_all_equal(self) -> None:
        a = np.tile(np.array([[50, 60, 8]], dtype=np.float32), (9, 1))
        b = np.tile(np.array([[90, 20, 4]], dtype=np.float32), (9, 1))
        found = Upright()(a, b)
        assert found.inliers.all()
        np.testing.assert_allclose(found.transform, [[0.5, 0, 65], [0, 0.5, -10]])

    @given(seed=seeds, slope=st.floats(-3, 3), count=st.integers(3, 40))
    def test_all_on_a_line(self, seed: int, slope: float, count: int) -> None:
        # The line leaves the shear open: the move and scale of one match stay.
        x = np.sort(np.random.default_rng(seed).uniform(0, 400, count))
        a = np.column_stack([x, slope * x, np.full(count, 5.0)]).astype(np.float32)
        b = (a + np.array([7, -9, 0])).astype(np.float32)
        found = Upright()(a, b)
        assert found.inliers.all()
        assert found.transform is not None
        np.testing.assert_allclose(found.transform, [[1, 0, 7], [0, 1, -9]], atol=1e-2)

    @given(seed=seeds)
    def test_onto_a_line_or_a_point(self, seed: int) -> None:
        random = np.random.default_rng(seed)
        a = anywhere(random, 20)
        for b in (a * np.array([1, 0, 1]), a * np.array([0, 0, 1])):
            found = Upright()(a, b.astype(np.float32))
            assert found.inliers.any()
            assert found.transform is not None
            assert np.linalg.det(found.transform[:, :2]) > 0

    def test_a_mirror_image_is_no_landmark(self) -> None:
        a = anywhere(np.random.default_rng(5), 60)
        b = (a * np.array([-1, 1, 1]) + np.array([640, 0, 0])).astype(np.float32)
        found = Upright()(a, b)
        assert found.inliers.sum() < 20
        assert found.transform is not None
        assert np.linalg.det(found.transform[:, :2]) > 0
