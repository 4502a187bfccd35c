"""The paper's matching against a loop."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from steeple.geometry.features import Features
from steeple.geometry.published import NearestWithin


def features(random: np.random.Generator, count: int) -> Features:
    values = random.normal(size=(count, 3)).astype(np.float32)
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    return Features(np.ones((count, 3), dtype=np.float32), values)


@given(
    seed=st.integers(0, 2**32 - 1),
    m=st.integers(0, 20),
    n=st.integers(0, 20),
    distance=st.sampled_from([0.05, 0.3, 0.8, 3.0]),
)
def test_against_the_loop(literal: Any, seed: int, m: int, n: int, distance: float) -> None:
    random = np.random.default_rng(seed)
    a, b = features(random, m), features(random, n)
    pairs = NearestWithin(distance)(a, b)
    expected = literal.nearest_within(a.descriptors.tolist(), b.descriptors.tolist(), distance)
    assert [tuple(pair) for pair in pairs.tolist()] == expected
    assert pairs.dtype == np.int32


def test_several_may_match_one() -> None:
    one = np.eye(3, dtype=np.float32)
    a = Features(np.ones((3, 3), np.float32), one[[0, 0, 1]])
    b = Features(np.ones((2, 3), np.float32), one[[2, 0]])
    assert NearestWithin()(a, b).tolist() == [[0, 1], [1, 1]]
