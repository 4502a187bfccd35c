"""Logistic regression with a belief to start from, which fades as evidence comes in."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["fit_logistic"]

Doubles: TypeAlias = npt.NDArray[np.float64]


def fit_logistic(
    x: Doubles, right: Doubles, weight: Doubles, *, believed: Doubles, spread: Doubles
) -> Doubles:
    """Finds the slopes and the intercept of P(right) = 1 / (1 + exp(-(x @ slopes + intercept))).

    Minimises the weighted log loss plus half the squared distance from what is believed, measured
    in spreads: a normal prior. No slope falls below 0: more of anything measured is never evidence
    against.

    Args:
        x: (n, f) float64.
        right: (n,) float64, 0 or 1.
        weight: (n,) float64.
        believed: (f + 1,) float64, slopes and intercept before any evidence.
        spread: (f + 1,) float64, standard deviations of these.

    Returns:
        (f + 1,) float64: the slopes, then the intercept.
    """
    from scipy.optimize import minimize

    rows = np.concatenate([x, np.ones((len(x), 1))], axis=1)

    def loss(beta: Doubles) -> tuple[float, Doubles]:
        odds = rows @ beta
        away = (beta - believed) / spread
        value = (weight * (np.logaddexp(0, odds) - right * odds)).sum() + 0.5 * (away**2).sum()
        residual = weight * (1 / (1 + np.exp(-np.clip(odds, -50, 50))) - right)
        return float(value), residual @ rows + away / spread

    bounds = [*[(0.0, None)] * x.shape[1], (None, None)]
    found = minimize(loss, believed, jac=True, method="L-BFGS-B", bounds=bounds)
    return np.asarray(found.x, dtype=np.float64)
