"""Geometries from random samples: the truth, degenerate matches, and chance that is none."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steeple.geometry.consensus import Consensus
from steeple.geometry.estimation import Agreement
from steeple.processes import in_processes

FORMS = [
    Consensus("affine"),
    Consensus("homography"),
    Consensus("affine", tolerance=20.0, magsac=False),
    Consensus("homography", magsac=False),
]
Keypoints = npt.NDArray[np.float32]
seeds = st.integers(0, 2**32 - 1)
forms = pytest.mark.parametrize("form", FORMS, ids=str)


def scene(seed: int, inliers: int = 60, outliers: int = 60) -> tuple[Keypoints, Keypoints, Any]:
    """Matches that share an affine map, turned at any angle, then others that share nothing."""
    random = np.random.default_rng(seed)
    angle = random.uniform(0, 2 * np.pi)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    truth = np.column_stack([turn @ np.diag(random.uniform(0.7, 1.4, 2)), (300, 200)])
    a = random.uniform(0, (640, 480), (inliers + outliers, 2))
    b = a @ truth[:, :2].T + truth[:, 2] + random.uniform(-0.5, 0.5, a.shape)
    b[inliers:] = random.uniform(0, (640, 480), (outliers, 2))
    scale = np.full((len(a), 1), 5.0)
    return (
        np.hstack([a, scale]).astype(np.float32),
        np.hstack([b, scale]).astype(np.float32),
        truth,
    )


def project(transform: Any, points: Any) -> Any:
    places = points @ transform[:, :2].T + transform[:, 2]
    return places if len(transform) == 2 else places[:, :2] / places[:, 2:]


def equal(one: Agreement, other: Agreement) -> None:
    np.testing.assert_array_equal(one.inliers, other.inliers)
    np.testing.assert_array_equal(one.transform, other.transform)


@forms
class TestTruth:
    @settings(max_examples=15)
    @given(seed=seeds)
    def test_an_affine_map_among_outliers(self, form: Consensus, seed: int) -> None:
        a, b, _ = scene(seed)
        found = form(a, b)
        assert found.transform is not None
        assert found.transform.shape == ((2, 3) if form.model == "affine" else (3, 3))
        assert found.transform.dtype == np.float64
        assert found.inliers.shape == (120,)
        assert found.inliers.dtype == bool
        assert found.inliers[:60].mean() > 0.9
        assert found.inliers[60:].mean() < 0.25
        off = project(found.transform, a[:60, :2]) - b[:60, :2]
        assert np.median(np.abs(off)) < form.tolerance / 2

    def test_a_photo_on_itself(self, form: Consensus) -> None:
        a, _, _ = scene(1)
        found = form(a, a)
        assert found.inliers.all()
        np.testing.assert_allclose(found.transform, np.eye(3)[: len(found.transform)], atol=1e-3)

    def test_what_it_is_given_stays(self, form: Consensus) -> None:
        a, b, _ = scene(2)
        a.flags.writeable = b.flags.writeable = False
        form(a, b)


@forms
class TestNoChance:
    def test_again_and_after_others_drew(self, form: Consensus) -> None:
        a, b, _ = scene(3, 20, 80)
        first = form(a, b)
        cv2.setRNGSeed(1234)
        equal(form(a, b), first)
        cv2.randu(np.empty((50, 50), np.uint8), 0, 255)
        form(*scene(4)[:2])
        equal(form(a, b), first)

    def test_in_threads(self, form: Consensus) -> None:
        scenes = [scene(seed, 20, 60)[:2] for seed in range(8)] * 3
        alone = [form(a, b) for a, b in scenes]
        with ThreadPoolExecutor(4) as pool:
            for one, other in zip(alone, pool.map(lambda s: form(*s), scenes), strict=True):
                equal(one, other)

    def test_whatever_opencvs_threads(self, form: Consensus, threads: Any) -> None:
        a, b, _ = scene(5, 20, 60)
        found = []
        for number in (1, 4):
            threads(number)
            found.append(form(a, b))
        equal(*found)


def test_in_processes() -> None:
    scenes = [(form, *scene(seed, 20, 60)[:2]) for seed in range(3) for form in FORMS]

    def work(one: Any) -> Agreement:
        form, a, b = one
        return form(a, b)

    for here, there in zip(map(work, scenes), in_processes(work, scenes, workers=2), strict=True):
        equal(here, there)


@forms
class TestDegenerate:
    @pytest.mark.parametrize("count", [0, 1, 2, 3, 4])
    def test_few(self, form: Consensus, count: int) -> None:
        a, b, _ = scene(6)
        found = form(a[:count], b[:count])
        assert found.inliers.shape == (count,)
        if count < (3 if form.model == "affine" else 4):
            assert found.transform is None
            assert not found.inliers.any()

    @given(seed=seeds, slope=st.floats(-3, 3), count=st.integers(3, 40), side=st.sampled_from("ab"))
    @settings(max_examples=40)
    def test_all_on_a_line(
        self, form: Consensus, seed: int, slope: float, count: int, side: str
    ) -> None:
        random = np.random.default_rng(seed)
        x = random.uniform(0, 400, count)
        line = np.column_stack([x, slope * x + 7, np.full(count, 5)]).astype(np.float32)
        plane = random.uniform(0, 400, (count, 3)).astype(np.float32)
        found = form(line, plane) if side == "a" else form(plane, line)
        assert found.transform is None
        assert found.inliers.tolist() == [False] * count

    def test_all_equal(self, form: Consensus) -> None:
        a = np.tile(np.array([[50, 60, 8]], dtype=np.float32), (9, 1))
        plane = scene(7)[0][:9]
        for one, other in ((a, a), (a, plane), (plane, a)):
            found = form(one, other)
            assert found.transform is None
            assert not found.inliers.any()

    @given(seed=seeds, count=st.integers(0, 12))
    @settings(max_examples=60)
    def test_few_places(self, form: Consensus, seed: int, count: int) -> None:
        """Duplicates, lines, everything at once: a result, finite, never an exception."""
        random = np.random.default_rng(seed)
        a, b = (
            np.column_stack([random.integers(0, 3, (count, 2)) * 50, np.ones(count)])
            for _ in range(2)
        )
        found = form(a.astype(np.float32), b.astype(np.float32))
        assert found.inliers.shape == (count,)
        if found.transform is None:
            assert not found.inliers.any()
        else:
            assert np.isfinite(found.transform).all()
