"""The model of pairs: its formula, and what it learns from labelled pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steeple.retrieval.contrast import Background
from steeple.retrieval.pairs import PairModel, fit_pair_model, pair_contrast

Floats = npt.NDArray[np.float32]

NUMBERS = st.floats(-100, 100, width=32)
NATS = st.one_of(st.just(float("nan")), st.floats(0, 2000, width=32))


def floats(*values: float) -> Floats:
    return np.array(values, dtype=np.float32)


class TestOdds:
    @settings(deadline=None)
    @given(NUMBERS, NATS, st.floats(0, 5), st.floats(0, 1), st.floats(-9, 9))
    def test_the_formula(
        self, literal: Any, contrast: float, nats: float, a: float, b: float, c: float
    ) -> None:
        found = PairModel(a, b, c).odds(floats(contrast), floats(nats))
        expected = literal.pair_odds(contrast, nats, (a, b, c))
        assert found.dtype == np.float32
        assert found[0] == pytest.approx(expected, rel=1e-4, abs=1e-3)

    def test_what_is_believed_before_any_label(self) -> None:
        model = PairModel()
        odds = model.odds(floats(0, 4, 4), floats(np.nan, 20, 0))
        believed = 1 / (1 + np.exp(-odds))
        np.testing.assert_allclose(believed, [1 / 331, 0.5, 0.14], atol=0.06)
        assert believed[0] == pytest.approx(1 / 300, rel=0.1)

    def test_more_than_enough_says_nothing_more(self) -> None:
        odds = PairModel().odds(floats(1, 1, 1), floats(49, 50, 5000))
        assert odds[0] < odds[1] == odds[2]

    def test_any_shape(self) -> None:
        shape = (2, 0, 3)
        nothing = np.zeros(shape, dtype=np.float32)
        assert PairModel().odds(nothing, nothing).shape == shape


class TestContrast:
    def test_the_formula(self) -> None:
        background = Background(floats(0.1, 0.2), floats(0.05, 0.1))
        found = pair_contrast(np.array([[0.1, 0.2], [0.15, 0.5]], dtype=np.float32), background)
        np.testing.assert_allclose(found, [[0, 2], [-0.5, 3]], atol=1e-5)
        assert found.dtype == np.float32

    def test_extremes_and_pads_are_finite(self) -> None:
        """A cohort of equal photos has no spread, and a pad has no similarity."""
        background = Background(floats(0.1, 0.1), floats(0, 0.05))
        scores = np.array([[0.9, 0.1, -np.inf]] * 2, dtype=np.float32)
        found = pair_contrast(scores, background)
        np.testing.assert_allclose(found, [[100, 0, -100], [16, 0, -100]], atol=1e-4)

    def test_of_nothing(self) -> None:
        nobody = Background(floats(), floats())
        assert pair_contrast(np.zeros((0, 4), dtype=np.float32), nobody).shape == (0, 4)


def drawn_pairs(
    model: PairModel, n: int, seed: int
) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """Pairs that are as this model says."""
    random = np.random.default_rng(seed)
    contrasts = random.normal(2, 2, n).astype(np.float32)
    surprises = random.exponential(25, n).astype(np.float32)
    odds = model.odds(contrasts, surprises).astype(np.float64)
    return contrasts, surprises, random.random(n) < 1 / (1 + np.exp(-odds))


class TestFit:
    @pytest.mark.parametrize(
        "model", [PairModel(3.0, 0.05, -5.0), PairModel(1.0, 0.2, -5.0), PairModel()]
    )
    def test_many_pairs_say_how_they_are(self, model: PairModel) -> None:
        found = fit_pair_model(*drawn_pairs(model, 20_000, seed=4))
        assert found.sampled == 20_000
        assert found.per_root == pytest.approx(model.per_root, rel=0.1)
        assert found.per_nat == pytest.approx(model.per_nat, rel=0.1)
        assert found.intercept == pytest.approx(model.intercept, rel=0.1)

    def test_few_pairs_change_little(self) -> None:
        """Three pairs that contradict everything that is believed, as firmly as they can."""
        prior = PairModel()
        found = fit_pair_model(floats(9, 8, -2), floats(90, 80, 0), np.array([False, False, True]))
        assert abs(found.per_root - prior.per_root) < 2
        assert abs(found.per_nat - prior.per_nat) < 0.2
        assert abs(found.intercept - prior.intercept) < 4

    @settings(deadline=None)
    @given(st.integers(0, 1000))
    def test_more_of_anything_is_never_evidence_against(self, seed: int) -> None:
        random = np.random.default_rng(seed)
        n = int(random.integers(1, 60))
        found = fit_pair_model(
            random.normal(0, 3, n).astype(np.float32),
            random.exponential(40, n).astype(np.float32),
            random.random(n) < 0.5,
        )
        assert found.per_root >= 0
        assert found.per_nat >= 0
        assert np.isfinite([found.per_root, found.per_nat, found.intercept]).all()

    def test_geometry_that_says_nothing_counts_for_nothing(self) -> None:
        """Photos whose features are noise: surprises, but not of the same landmarks."""
        contrasts, surprises, same = drawn_pairs(PairModel(1.5, 0.0, -2.0), 5000, seed=1)
        found = fit_pair_model(contrasts, surprises, same)
        assert found.per_nat < 0.01
        assert found.per_root == pytest.approx(1.5, rel=0.15)
