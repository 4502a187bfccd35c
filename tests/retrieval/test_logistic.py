"""The fit against independent minimisers, and what it is to find and to believe."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steeple.retrieval.logistic import fit_logistic

Doubles = npt.NDArray[np.float64]


def loss(beta: Any, x: Any, right: Any, weight: Any, believed: Any, spread: Any) -> float:
    """Minus the logarithm of likelihood times prior, one example at a time."""
    total = 0.0
    for row, label, heavy in zip(x, right, weight, strict=True):
        odds = sum(value * b for value, b in zip(row, beta, strict=False)) + beta[-1]
        probability = 1 / (1 + np.exp(-odds))
        total -= heavy * np.log(probability if label else 1 - probability)
    pulls = zip(beta, believed, spread, strict=True)
    return total + sum(0.5 * ((b - mean) / s) ** 2 for b, mean, s in pulls)


def slope_of_loss(beta: Doubles, *given: Any) -> Doubles:
    """By finite differences."""
    steps = 1e-5 * np.eye(len(beta))
    return np.array([(loss(beta + h, *given) - loss(beta - h, *given)) / 2e-5 for h in steps])


def random_case(seed: int) -> tuple[Doubles, Doubles, Doubles, Doubles, Doubles]:
    random = np.random.default_rng(seed)
    n, features = int(random.integers(0, 25)), int(random.integers(1, 4))
    x = random.normal(0, 2, (n, features))
    right = (random.random(n) < 1 / (1 + np.exp(-x.sum(axis=1)))).astype(np.float64)
    believed = np.append(random.uniform(0, 2, features), random.normal())
    spread = random.uniform(0.2, 3, features + 1)
    return x, right, random.uniform(0.1, 2, n), believed, spread


@settings(deadline=None)
@given(st.integers(0, 10_000))
def test_nothing_lies_lower(seed: int) -> None:
    x, right, weight, believed, spread = case = random_case(seed)
    found = fit_logistic(x, right, weight, believed=believed, spread=spread)
    assert found.shape == (x.shape[1] + 1,)
    assert (found[:-1] >= 0).all()
    slope = slope_of_loss(found, *case)
    scale = 1 + weight.sum()
    inside = np.append(found[:-1] > 0, True)
    np.testing.assert_allclose(slope[inside], 0, atol=2e-3 * scale)
    # Where a slope is held at 0, it would have to fall further.
    assert (slope[~inside] >= -2e-3 * scale).all()


def test_against_another_minimiser() -> None:
    from scipy.optimize import minimize

    for seed in range(15):
        x, right, weight, believed, spread = case = random_case(seed)
        found = fit_logistic(x, right, weight, believed=believed, spread=spread)
        # Squared, a slope cannot fall below 0 either, and needs no bounds.
        start = np.append(np.sqrt(believed[:-1]), believed[-1])

        def squared(beta: Doubles, case: Any = case) -> float:
            return loss(np.append(beta[:-1] ** 2, beta[-1]), *case)

        options = {"maxiter": 20_000, "maxfev": 20_000, "xatol": 1e-7, "fatol": 1e-9}
        other = minimize(squared, start, method="Nelder-Mead", options=options)
        assert loss(found, *case) <= other.fun + 1e-4
        np.testing.assert_allclose(found, np.append(other.x[:-1] ** 2, other.x[-1]), atol=0.02)


@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_it_recovers_known_weights(scale: float) -> None:
    """Whatever the unit, as surprises reach hundreds of nats."""
    random = np.random.default_rng(1)
    x = random.normal(0, 1, (20_000, 2)) * [1, scale]
    truth = np.array([1.5, 0.8 / scale, -1.0])
    odds = x @ truth[:2] + truth[2]
    right = (random.random(20_000) < 1 / (1 + np.exp(-odds))).astype(np.float64)
    found = fit_logistic(
        x,
        right,
        np.ones(20_000),
        believed=np.array([0.5, 0.5 / scale, 0.0]),
        spread=np.array([5.0, 5.0 / scale, 5.0]),
    )
    np.testing.assert_allclose(found, truth, rtol=0.1)


def test_without_examples_it_is_what_is_believed() -> None:
    believed = np.array([2.0, 0.5, -3.0])
    found = fit_logistic(
        np.zeros((0, 2)), np.zeros(0), np.zeros(0), believed=believed, spread=np.ones(3)
    )
    np.testing.assert_allclose(found, believed)


def test_one_example_moves_little_and_many_move_far() -> None:
    believed, spread = np.array([3.0, 0.0]), np.array([1.5, 2.0])

    def fit(count: int) -> Doubles:
        """Nothing but strong examples that are wrong."""
        x = np.full((count, 1), 1.0)
        return fit_logistic(x, np.zeros(count), np.ones(count), believed=believed, spread=spread)

    assert np.abs((fit(1) - believed) / spread).max() < 2
    odds = [fit(count).sum() for count in (0, 1, 10, 1000)]
    assert odds == sorted(odds, reverse=True)
    assert odds[-1] < -3


def test_two_of_an_example_are_one_of_twice_the_weight() -> None:
    x, right, weight, believed, spread = random_case(3)
    given = {"believed": believed, "spread": spread}
    twice = fit_logistic(np.tile(x, (2, 1)), np.tile(right, 2), np.tile(weight, 2), **given)
    heavier = fit_logistic(x, right, 2 * weight, **given)
    np.testing.assert_allclose(twice, heavier, rtol=1e-3, atol=1e-3)


def test_extreme_examples_do_not_overflow() -> None:
    x = np.array([[-100.0, 0.0], [100.0, 3000.0], [100.0, 0.0]])
    found = fit_logistic(
        x,
        np.array([1.0, 0.0, 1.0]),
        np.ones(3),
        believed=np.array([1.0, 0.13, -4.0]),
        spread=np.array([0.5, 0.1, 1.5]),
    )
    assert np.isfinite(found).all()


def test_separable_examples_stay_within_belief() -> None:
    """Without a prior, the weights would go to infinity."""
    x = np.concatenate([np.full(50, -1.0), np.full(50, 1.0)])[:, None]
    right = (x[:, 0] > 0).astype(np.float64)
    spread = np.array([1.5, 2.0])
    found = fit_logistic(x, right, np.ones(100), believed=np.array([3.0, 0.0]), spread=spread)
    assert 3 < found[0] < 3 + 3 * 1.5
    assert found[1] == pytest.approx(0, abs=1e-3)
