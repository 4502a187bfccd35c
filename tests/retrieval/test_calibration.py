"""Probabilities learned by leaving out, on cases whose answer is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from steeple.retrieval import leaving_out
from steeple.retrieval.calibration import Calibration, calibrate, fit_calibration
from steeple.retrieval.contrast import measure_background, vote_contrast
from steeple.retrieval.leaving_out import Evidence, without_self
from steeple.retrieval.neighbors import search_neighbors
from steeple.retrieval.voting import count_votes

Floats = npt.NDArray[np.float32]


def unit_vectors(seed: int, n: int, d: int = 24) -> Floats:
    out = np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)
    return out / np.linalg.norm(out, axis=1, keepdims=True)


def clusters(landmarks: int, each: int, spread: float, seed: int = 0) -> tuple[Floats, Any]:
    """Training descriptors about random centres, and their landmarks."""
    centres = unit_vectors(seed, landmarks)
    labels = np.arange(landmarks * each) % landmarks
    vectors = centres[labels] + spread * unit_vectors(seed + 1, len(labels))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), labels


def fit(vectors: Floats, labels: Any, sample: Any = None, k: int = 3) -> Calibration:
    sample = np.arange(len(vectors)) if sample is None else sample
    background = measure_background(vectors[sample], vectors)
    blocks = [(np.arange(len(vectors)), vectors)]
    return fit_calibration(vectors[sample], background, labels, sample, blocks, k=k)


class TestProbability:
    def test_the_formula(self) -> None:
        contrast = np.array([0.05, 0.7, 1, 3.5, 100])
        found = Calibration(2.5, -1.25).probability(contrast)
        expected = 1 / (1 + np.exp(-(2.5 * np.log(contrast) - 1.25)))
        np.testing.assert_allclose(found, expected, rtol=1e-5)
        assert found.dtype == np.float32

    def test_no_vote_is_never_right(self) -> None:
        assert Calibration(1, 50).probability(np.zeros(3, dtype=np.float32)).tolist() == [0, 0, 0]

    @pytest.mark.parametrize("slope", [0.0, 3.0, 1e4])
    def test_extremes_do_not_overflow(self, slope: float) -> None:
        contrast = np.array([0.05, 1, 100], dtype=np.float32)
        found = Calibration(slope, 0).probability(contrast)
        assert ((found >= 0) & (found <= 1)).all()
        assert (np.diff(found) >= 0).all()

    def test_of_nothing(self) -> None:
        assert Calibration().probability(np.zeros(0, dtype=np.float32)).shape == (0,)

    def test_believed_before_any_label(self) -> None:
        few, many = Calibration.prior(10), Calibration.prior(1_000_000)
        contrast = np.array([2.5], dtype=np.float32)
        # The more there is to resemble, the less a resemblance says.
        assert few.probability(contrast)[0] > many.probability(contrast)[0]
        even = np.array([2 / 3 * np.sqrt(2 * np.log(1000))])
        assert Calibration.prior(1000).probability(even)[0] == pytest.approx(0.5)
        assert Calibration.prior(0) == Calibration.prior(1) == Calibration.prior(2)

    @pytest.mark.parametrize("strength", [0.1, np.log(2), 1.0, 40.0])
    def test_a_coin_toss_at_some_strength(self, strength: float) -> None:
        found = Calibration.even_at(float(strength))
        values = np.array([strength / 2, strength, 2 * strength])
        low, even, high = found.probability(values)
        assert even == pytest.approx(0.5)
        # Slope 3: half the strength is a ninth, twice the strength eight ninths.
        assert low == pytest.approx(1 / 9)
        assert high == pytest.approx(8 / 9)


class TestFit:
    def test_landmarks_far_apart_give_certainty(self) -> None:
        vectors, labels = clusters(20, 6, 0.3)
        found = fit(vectors, labels)
        assert found.sampled == 120
        assert found.slope > 0
        background = measure_background(vectors, vectors)
        near = without_self(search_neighbors(vectors, vectors, 4), np.arange(120))
        votes = count_votes(near, labels, 3)
        known = vote_contrast(near, labels, votes, background, 3)
        assert (votes.labels == labels).mean() > 0.95
        assert np.median(found.probability(known)) > 0.9

    def test_for_a_landmark_nobody_knows_the_vote_is_taken_for_wrong(self) -> None:
        vectors, labels = clusters(20, 6, 0.3)
        found = fit(vectors, labels)
        strangers = unit_vectors(77, 200)
        near = search_neighbors(strangers, vectors, 3)
        votes = count_votes(near, labels, 3)
        background = measure_background(strangers, vectors)
        contrast = vote_contrast(near, labels, votes, background, 3)
        assert np.median(found.probability(contrast)) < 0.2

    def test_labels_that_mean_nothing_are_not_believed(self) -> None:
        vectors = unit_vectors(3, 300)
        labels = np.random.default_rng(0).integers(0, 40, 300)
        found = fit(vectors, labels)
        near = without_self(search_neighbors(vectors, vectors, 4), np.arange(300))
        votes = count_votes(near, labels, 3)
        background = measure_background(vectors, vectors)
        contrast = vote_contrast(near, labels, votes, background, 3)
        assert found.probability(contrast).mean() < 0.15

    def test_what_is_learned_is_honest(self) -> None:
        """Of votes of probability p, about p are right, half of the queries being strangers."""
        vectors, labels = clusters(60, 5, 0.9)
        found = fit(vectors, labels)
        centres = unit_vectors(0, 60)
        chosen = np.random.default_rng(5).integers(0, 60, 1500)
        known = centres[chosen] + 0.9 * unit_vectors(6, 1500)
        known /= np.linalg.norm(known, axis=1, keepdims=True)
        queries = np.concatenate([known, unit_vectors(8, 1500)]).astype(np.float32)
        truth = np.concatenate([chosen, np.full(1500, -7)])
        near = search_neighbors(queries, vectors, 3)
        votes = count_votes(near, labels, 3)
        background = measure_background(queries, vectors)
        belief = found.probability(vote_contrast(near, labels, votes, background, 3))
        right = votes.labels == truth
        for low, high in ((0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.01)):
            some = (belief >= low) & (belief < high)
            if some.sum() > 100:
                assert abs(right[some].mean() - belief[some].mean()) < 0.15

    def test_a_sample_says_about_the_same(self) -> None:
        vectors, labels = clusters(50, 8, 0.6)
        whole = fit(vectors, labels)
        sample = np.sort(np.random.default_rng(1).choice(400, 200, replace=False))
        part = fit(vectors, labels, sample)
        assert part.sampled == 200
        contrast = np.linspace(0.5, 8, 20)
        np.testing.assert_allclose(
            part.probability(contrast), whole.probability(contrast), atol=0.12
        )

    @pytest.mark.parametrize("size", [0, 1])
    def test_too_few_labels(self, size: int) -> None:
        vectors, labels = clusters(1, size, 0.5) if size else (unit_vectors(0, 0), np.zeros(0, int))
        assert fit(vectors, labels) == Calibration.prior(size)

    def test_a_single_landmark(self) -> None:
        vectors, labels = clusters(1, 5, 0.5)
        # Nothing is left when it is left out, so nothing is known of strangers.
        assert fit(vectors, labels) == Calibration.prior(5)

    def test_one_photo_per_landmark_says_nothing_of_known_landmarks(self) -> None:
        vectors = unit_vectors(4, 60)
        assert fit(vectors, np.arange(60)) == Calibration.prior(60)

    def test_lone_photos_do_not_make_the_others_look_wrong(self) -> None:
        vectors, labels = clusters(20, 6, 0.3)
        lone = np.concatenate([vectors, unit_vectors(9, 100)])
        with_lone = fit(lone, np.concatenate([labels, np.arange(100, 200)]))
        contrast = np.array([4.0, 6.0, 8.0])
        assert (with_lone.probability(contrast) > 0.8).all()

    def test_a_handful_of_labels_claims_no_certainty(self) -> None:
        vectors, labels = clusters(2, 2, 0.1)
        found = fit(vectors, labels)
        # Either side of a coin toss, the answer stays within what was believed before.
        assert abs(found.slope - Calibration.prior(4).slope) < 3

    def test_a_landmark_too_large_to_look_past_sits_out(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(leaving_out, "_WIDEST", 4)
        vectors, labels = clusters(3, 30, 0.2)
        found = fit(vectors, labels)
        assert np.isfinite([found.slope, found.intercept]).all()
        assert found.probability(np.array([8.0]))[0] > 0.5


def evidence(strengths: Any, right: Any) -> Evidence:
    return Evidence(np.array(strengths, dtype=np.float32), np.array(right, dtype=bool))


class TestCalibrate:
    PRIOR = Calibration.even_at(1.0)

    @pytest.mark.parametrize(("known", "unknown"), [(0, 5), (5, 0), (0, 0)])
    def test_without_evidence_for_both_the_prior_stays(self, known: int, unknown: int) -> None:
        parts = [evidence(np.full(n, 9.0), np.ones(n)) for n in (known, unknown)]
        assert calibrate(*parts, self.PRIOR, 5) is self.PRIOR

    def test_how_many_voted_is_kept(self) -> None:
        one = evidence([2.0], [True])
        assert calibrate(one, evidence([0.5], [False]), self.PRIOR, 12).sampled == 12

    def test_both_halves_weigh_the_same(self) -> None:
        """A thousand votes for known landmarks do not drown ten strangers."""
        known = evidence(np.full(1000, 1.0), np.ones(1000))
        unknown = evidence(np.full(10, 1.0), np.zeros(10))
        found = calibrate(known, unknown, self.PRIOR, 1000)
        assert found.probability(np.ones(1))[0] == pytest.approx(0.5, abs=1e-3)

    def test_repeating_the_larger_half_changes_nothing(self) -> None:
        random = np.random.default_rng(0)
        strengths, right = random.uniform(0.1, 9, 20), random.random(20) < 0.7
        unknown = evidence(random.uniform(0.1, 3, 20), np.zeros(20))
        once = calibrate(evidence(strengths, right), unknown, self.PRIOR, 20)
        thrice = calibrate(
            evidence(np.tile(strengths, 3), np.tile(right, 3)), unknown, self.PRIOR, 20
        )
        assert thrice.slope == pytest.approx(once.slope, rel=1e-3)
        assert thrice.intercept == pytest.approx(once.intercept, rel=1e-3, abs=1e-3)

    def test_strength_is_never_evidence_against(self) -> None:
        strong_and_wrong = evidence(np.full(500, 50.0), np.zeros(500))
        weak_and_right = evidence(np.full(500, 0.1), np.ones(500))
        found = calibrate(weak_and_right, strong_and_wrong, self.PRIOR, 500)
        assert found.slope >= 0
