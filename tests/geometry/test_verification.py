"""Whether photos fit together: the surprise, every verifier, and photos that have nothing."""

from __future__ import annotations

import math
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from steeple.errors import InputError
from steeple.geometry import VERIFIERS, Features, Verification, Verifier, inliers
from steeple.geometry.consensus import Consensus
from steeple.geometry.matching import Matcher
from steeple.geometry.sift import Sift
from steeple.geometry.upright import Upright
from steeple.geometry.verification import create_verifier, surprise

methods = pytest.mark.parametrize("method", VERIFIERS)
NOTHING = Features(np.zeros((0, 3), dtype=np.float32), np.zeros((0, 128), dtype=np.uint8))


@pytest.fixture(scope="module")
def photos(draw: Any) -> list[Features]:
    """Two photos of one drawn place, the second a detail and darker, and one of another."""
    place = draw(1, 320, 400)
    detail = (0.7 * place[30:300, 50:380]).astype(np.uint8)
    return [Sift()(np.ascontiguousarray(photo)) for photo in (place, detail, draw(2, 320, 400))]


def equal(one: Verification, other: Verification) -> None:
    assert (one.inliers, one.surprise) == (other.inliers, other.surprise)
    np.testing.assert_array_equal(one.matches, other.matches)
    np.testing.assert_array_equal(one.transform, other.transform)


class TestSurprise:
    @given(matches=st.integers(1, 400), share=st.floats(0, 1), chance=st.floats(1e-5, 0.5))
    def test_it_bounds_the_binomial_tail(
        self, literal: Any, matches: int, share: float, chance: float
    ) -> None:
        agreed = round(share * matches)
        found = surprise(agreed, matches, chance)
        assert found >= 0
        assert found <= max(0.0, literal.tail(agreed, matches, chance)) + 1e-9

    @given(matches=st.integers(1, 400), chance=st.floats(1e-5, 0.5))
    def test_more_inliers_surprise_more(self, matches: int, chance: float) -> None:
        values = [surprise(agreed, matches, chance) for agreed in range(matches + 1)]
        assert values[0] == 0
        positive = [value for value in values if value > 0]
        assert values == sorted(values)
        assert len(set(positive)) == len(positive)

    @given(agreed=st.integers(1, 50), chance=st.floats(1e-4, 0.2))
    def test_more_matches_to_choose_from_surprise_less(self, agreed: int, chance: float) -> None:
        values = [surprise(agreed, matches, chance) for matches in range(agreed, 400, 7)]
        assert values == sorted(values, reverse=True)

    def test_by_hand(self) -> None:
        # 20 of 100 where 1 is expected: 20 ln 20 - 20 + 1 - ln 100.
        assert surprise(20, 100, 0.01) == pytest.approx(20 * math.log(20) - 19 - math.log(100))

    def test_it_is_not_far_from_the_tail(self) -> None:
        for agreed, matches in ((10, 100), (30, 200), (60, 250)):
            exact = -math.log(matches) - float(stats.binom.logsf(agreed - 1, matches, 0.0024))
            assert 0.9 * exact < surprise(agreed, matches, 0.0024) <= exact

    def test_no_match_is_no_surprise(self) -> None:
        assert surprise(0, 0, 0.01) == 0
        assert surprise(0, 10, 0.01) == 0
        assert surprise(1, 10, 0.1) == 0


@methods
class TestEveryMethod:
    def test_one_place_and_another(self, photos: list[Features], method: str) -> None:
        same = inliers(photos[0], photos[1], method=method)
        other = inliers(photos[0], photos[2], method=method)
        assert same.inliers > 50
        assert same.inliers > 4 * other.inliers
        assert same.surprise > 100
        assert same.surprise > 4 * other.surprise

    def test_the_transform_leads_from_a_to_b(self, photos: list[Features], method: str) -> None:
        found = inliers(photos[0], photos[1], method=method)
        assert found.transform is not None
        expected = np.array([[1, 0, -50], [0, 1, -30], [0, 0, 1]])[: len(found.transform)]
        np.testing.assert_allclose(found.transform[:, :2], expected[:, :2], atol=0.05)
        np.testing.assert_allclose(found.transform[:, 2], expected[:, 2], atol=3)

    def test_matches_are_the_inliers(self, photos: list[Features], method: str) -> None:
        a, b = photos[:2]
        found = inliers(a, b, method=method)
        assert found.matches.shape == (found.inliers, 2)
        assert found.matches.dtype == np.int32
        ours = a.keypoints[found.matches[:, 0], :2] - (50, 30)
        off = np.abs(ours - b.keypoints[found.matches[:, 1], :2]).max(axis=1)
        assert (off < create_verifier(method).estimator.tolerance).all()  # type: ignore[attr-defined]
        assert np.median(off) < 1

    def test_the_same_again(self, photos: list[Features], method: str) -> None:
        equal(inliers(*photos[:2], method=method), inliers(*photos[:2], method=method))
        equal(inliers(*photos[1:], method=method), inliers(*photos[1:], method=method))

    def test_ready_or_not_is_the_same(self, photos: list[Features], method: str) -> None:
        a, b = photos[:2]
        equal(inliers(a, b, method=method), inliers(a.ready(), b.ready(), method=method))

    def test_travels_to_workers(self, method: str) -> None:
        verifier = create_verifier(method)
        assert pickle.loads(pickle.dumps(verifier)) == verifier

    def test_no_features(self, photos: list[Features], method: str) -> None:
        for a, b in ((NOTHING, photos[0]), (photos[0], NOTHING), (NOTHING, NOTHING)):
            found = inliers(a, b, method=method)
            assert (found.inliers, found.transform, found.surprise) == (0, None, 0.0)
            assert found.matches.shape == (0, 2)

    @pytest.mark.parametrize("size", [(1, 1), (16, 16), (60, 80)])
    @pytest.mark.parametrize("grey", [0, 255])
    def test_photos_of_one_colour(
        self, photos: list[Features], method: str, size: tuple[int, int], grey: int
    ) -> None:
        found = inliers(Sift()(np.full((*size, 3), grey, np.uint8)), photos[0], method=method)
        assert (found.inliers, found.transform, found.surprise) == (0, None, 0.0)

    @pytest.mark.parametrize("size", [(1, 1), (15, 15), (16, 16), (24, 24)])
    def test_tiny_photos(self, draw: Any, photos: list[Features], method: str, size: Any) -> None:
        tiny = Sift()(draw(3, *size))
        for a, b in ((tiny, photos[0]), (photos[0], tiny), (tiny, tiny)):
            found = inliers(a, b, method=method)
            assert found.matches.shape == (found.inliers, 2)
            assert math.isfinite(found.surprise)

    @pytest.mark.parametrize("count", [1, 2, 3, 4])
    def test_few_features(self, photos: list[Features], method: str, count: int) -> None:
        few = photos[0].strongest(count)
        for a, b in ((few, photos[1]), (photos[1], few), (few, few)):
            found = inliers(a, b, method=method)
            assert math.isfinite(found.surprise)
            # The paper's form lets many features match one.
            assert found.inliers <= (len(a) if method == "published" else count)

    @pytest.mark.parametrize("shape", ["point", "line"])
    def test_degenerate_places(self, photos: list[Features], method: str, shape: str) -> None:
        a = photos[0]
        keypoints = a.keypoints.copy()
        keypoints[:, 1] = 0.5 * keypoints[:, 0] + 3
        if shape == "point":
            keypoints[:] = 40, 30, 4
        flat = Features(keypoints, a.descriptors)
        for one, other in ((flat, a), (a, flat), (flat, flat)):
            found = inliers(one, other, method=method)
            assert found.matches.shape == (found.inliers, 2)
            if method != "upright":
                assert (found.inliers, found.transform, found.surprise) == (0, None, 0.0)

    def test_equal_descriptors(self, photos: list[Features], method: str) -> None:
        same = Features(
            photos[0].keypoints, np.repeat(photos[0].descriptors[:1], len(photos[0]), 0)
        )
        found = inliers(same, same, method=method)
        assert found.matches.shape == (found.inliers, 2)
        assert math.isfinite(found.surprise)

    def test_damage_is_refused(self, photos: list[Features], method: str) -> None:
        keypoints = photos[0].keypoints.copy()
        keypoints[0, 2] = 0
        with pytest.raises(InputError, match="no scale above 0"):
            inliers(photos[1], Features(keypoints, photos[0].descriptors), method=method)


class TestKinds:
    def test_of_different_length(self, photos: list[Features]) -> None:
        short = Features(photos[0].keypoints, photos[0].descriptors[:, :64])
        with pytest.raises(InputError, match="128 and 64 dimensions"):
            Verifier()(photos[0], short)
        with pytest.raises(InputError, match="64 and 128 dimensions"):
            inliers(short, NOTHING)

    def test_of_the_same_length(self, photos: list[Features]) -> None:
        learned = Features(photos[0].keypoints, photos[0].descriptors.astype(np.int8))
        with pytest.raises(InputError, match=r"SIFT .* and learned") as caught:
            Verifier()(photos[0], learned)
        assert "\n" not in str(caught.value)

    def test_an_unknown_method_names_the_known_ones(self, photos: list[Features]) -> None:
        with pytest.raises(InputError) as caught:
            inliers(photos[0], photos[1], method="guess")
        assert "'guess'" in str(caught.value)
        assert all(name in str(caught.value) for name in VERIFIERS)


class TestVerifier:
    def test_it_is_matcher_then_estimator(self, photos: list[Features]) -> None:
        a, b = photos[:2]
        pairs = Matcher()(a, b)
        agreed = Upright()(a.keypoints[pairs[:, 0]], b.keypoints[pairs[:, 1]])
        found = Verifier()(a, b)
        assert found.inliers == agreed.inliers.sum()
        np.testing.assert_array_equal(found.matches, pairs[agreed.inliers])
        np.testing.assert_array_equal(found.transform, agreed.transform)
        assert found.surprise == surprise(found.inliers, len(pairs), Upright().chance)

    def test_its_parts_can_be_chosen(self, photos: list[Features]) -> None:
        strict = Verifier(Matcher(0.7, 30), Consensus("affine", tolerance=3.0))
        found = strict(*photos[:2])
        assert 10 < found.inliers <= 30

    def test_the_default_is_upright(self) -> None:
        assert create_verifier("upright") == Verifier() == Verifier(Matcher(), Upright())

    def test_the_published_form_is_the_papers(self) -> None:
        verifier = create_verifier("published")
        assert verifier.matcher.distance == 0.8  # type: ignore[attr-defined]
        assert verifier.estimator == Consensus("affine", tolerance=20.0, trials=1000, magsac=False)

    def test_the_methods_for_any_angle_take_a_turn(self, draw: Any) -> None:
        # Turned keypoints with their own descriptors: what a camera held sideways would give.
        a = Sift()(draw(5, 320, 400))
        turned = np.column_stack([320 - a.keypoints[:, 1], a.keypoints[:, 0], a.keypoints[:, 2]])
        b = Features(turned.astype(np.float32), a.descriptors)
        assert inliers(a, b, method="affine").inliers > 200
        assert inliers(a, b, method="homography").inliers > 200
