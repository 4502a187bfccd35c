"""Rates: PyTorch's own cosine, a straight line before it, and never out of bounds."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from steeple.training.schedule import learning_rate


@pytest.mark.parametrize(("steps", "warmup"), [(50, 0), (50, 10), (7, 1)])
def test_the_cosine_is_that_of_pytorch(steps: int, warmup: int) -> None:
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=1e-3)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps - warmup, eta_min=3e-6)
    for step in range(warmup, steps):
        rate = learning_rate(step, steps, rate=1e-3, last=3e-6, warmup=warmup)
        assert rate == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9)
        optimizer.step()
        cosine.step()
    assert learning_rate(steps, steps, rate=1e-3, last=3e-6, warmup=warmup) == pytest.approx(3e-6)


def test_the_line_before_it() -> None:
    rates = [learning_rate(step, 20, rate=0.8, last=0.1, warmup=4) for step in range(5)]
    assert rates == pytest.approx([0.2, 0.4, 0.6, 0.8, 0.8])


def test_a_training_that_is_all_warm_up() -> None:
    assert learning_rate(2, 3, rate=0.9, last=0.1, warmup=3) == pytest.approx(0.9)


@given(
    steps=st.integers(1, 300),
    warmup=st.integers(0, 300),
    rate=st.floats(1e-6, 10),
    share=st.floats(0, 1),
)
def test_bounds_and_direction(steps: int, warmup: int, rate: float, share: float) -> None:
    warmup, last = min(warmup, steps), rate * share
    rates = [learning_rate(s, steps, rate=rate, last=last, warmup=warmup) for s in range(steps)]
    assert all(0 < value <= rate * (1 + 1e-9) for value in rates)
    assert all(a <= b for a, b in pairwise(rates[:warmup]))
    falling = rates[warmup:]
    assert all(a >= b * (1 - 1e-12) for a, b in pairwise(falling))
    assert all(value >= last * (1 - 1e-9) for value in falling)
