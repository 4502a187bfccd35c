"""Matching, upright geometry and surprise again, one match at a time.

Nothing is shared with steeple: lists and loops. What is compared with a threshold is computed in
float32 in the same order, so that nothing differs by a rounding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

f32 = np.float32
Rows = Sequence[Sequence[float]]


def inner(a: Rows, b: Rows) -> list[list[float]]:
    """Of each row of a with each of b; exact for the short dyadic numbers of the tests."""
    return [[sum(x * y for x, y in zip(one, two, strict=True)) for two in b] for one in a]


def match(a: Rows, b: Rows, ratio: float, most: int) -> list[tuple[int, int]]:
    """Mutual nearest neighbours by rising ratio of distances; of equals the first counts."""
    alike = inner(a, b)
    if not alike or not alike[0]:
        return []
    nearest = [row.index(max(row)) for row in alike]
    found = []
    for i, j in enumerate(nearest):
        column = [row[j] for row in alike]
        if column[i] < max(column):
            continue
        if any(nearest[k] == j and column[k] == column[i] for k in range(i)):
            continue
        rivals = [alike[i][k] for k in range(len(b)) if k != j]
        rivals += [column[k] for k in range(len(a)) if k != i]
        here = max(f32(1) - f32(column[i]), f32(1e-6))
        there = max(f32(1) - f32(max(rivals, default=-2.0)), f32(1e-6))
        found.append((np.sqrt(here / there), i, j))
    found.sort(key=lambda one: one[0])  # sort() is stable
    return [(i, j) for value, i, j in found if ratio >= 1 or value < f32(ratio)][:most]


def nearest_within(a: Rows, b: Rows, distance: float) -> list[tuple[int, int]]:
    """The nearest of b for each of a, if it is close enough."""
    found = []
    for i, one in enumerate(a):
        away = [math.dist(one, two) for two in b]
        if away and min(away) < distance:
            found.append((i, away.index(min(away))))
    return found


def propose(a: Any, b: Any, tolerance: float) -> tuple[list[bool], tuple[float, float, float]]:
    """What agrees with the match that most agree with: a scale and a move; the first of equals."""
    best: list[bool] = []
    chosen = (0.0, 0.0, 0.0)
    for h in range(len(a)):
        scale = b[h][2] / a[h][2]
        x, y = b[h][0] - scale * a[h][0], b[h][1] - scale * a[h][1]
        agree = []
        for m in range(len(a)):
            across = scale * a[m][0] + x - b[m][0]
            down = scale * a[m][1] + y - b[m][1]
            near = across * across + down * down < f32(tolerance**2) * scale
            octaves = abs(np.log(scale) - np.log(b[m][2] / a[m][2]))
            agree.append(bool(near and octaves < f32(0.7)))
        if sum(agree) > sum(best):
            best, chosen = agree, (scale, x, y)
    return best, chosen


def fit(a: Any, b: Any) -> Any:
    """The least-squares affine map by its normal equations; None if there is none worth it."""
    if len(a) < 3:
        return None
    points = np.array([[*row[:2], 1.0] for row in a], dtype=np.float64)
    if np.linalg.matrix_rank(points, tol=1e-6 * np.linalg.norm(points, 2)) < 3:
        return None
    targets = np.array([row[:2] for row in b], dtype=np.float64)
    solved = np.linalg.solve(points.T @ points, points.T @ targets).T
    (p, q), (r, s) = solved[:, :2]
    if p * s - q * r <= 0:
        return None
    strengths = np.sqrt(np.linalg.eigvalsh(solved[:, :2].T @ solved[:, :2]))
    return solved if strengths[1] <= 4 * strengths[0] else None


def upright(a: Any, b: Any, tolerance: float) -> tuple[list[bool], Any]:
    """The proposal, then three fits at most, for as long as more agree and none is lost."""
    agree, (scale, x, y) = propose(a, b, tolerance)
    transform = np.array([[scale, 0, x], [0, scale, y]], dtype=np.float64)
    for _ in range(3):
        chosen = [m for m in range(len(a)) if agree[m]]
        fitted = fit([a[m] for m in chosen], [b[m] for m in chosen])
        if fitted is None:
            break
        area = fitted[0, 0] * fitted[1, 1] - fitted[0, 1] * fitted[1, 0]
        now = []
        for m in range(len(a)):
            off = fitted[:, :2] @ a[m][:2].astype(np.float64) + fitted[:, 2] - b[m][:2]
            octaves = abs(np.log(b[m][2] / a[m][2]) - 0.5 * np.log(area))
            now.append(bool((off**2).sum() < tolerance**2 * np.sqrt(area) and octaves < 0.7))
        gained = sum(now) - sum(agree)
        if gained < 0:
            break
        agree, transform = now, fitted
        if gained == 0:
            break
    return agree, transform


def tail(inliers: int, matches: int, chance: float) -> float:
    """-ln(n * P[Bin(n, p) >= i]): what the surprise is a bound of."""
    return -(math.log(matches) + float(stats.binom.logsf(inliers - 1, matches, chance)))
