"""What an effort means for another k, and the least effort against trying everything."""

from __future__ import annotations

import faiss
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steeple.retrieval.approximate.effort import Effort, least_effort
from steeple.retrieval.approximate.knob import Knob


def test_more_images_take_more_probes() -> None:
    effort = Effort(probes=7, refine=3, k=100)
    assert [effort.probes_for(k) for k in (1, 100, 101, 200, 1000)] == [7, 7, 8, 14, 70]


def test_fewer_images_are_chosen_from_as_many() -> None:
    effort = Effort(probes=7, refine=3, k=100)
    assert [effort.candidates(k) for k in (1, 100, 101, 1000)] == [300, 300, 303, 3000]


def test_an_effort_that_was_stored_without_its_k_was_tuned_for_a_hundred() -> None:
    assert Effort(8, 2) == Effort(8, 2, k=100)


@given(st.integers(0, 5000), st.integers(1, 40), st.integers(1, 2000), st.integers(1, 5000))
def test_never_less_than_was_tuned(probes: int, refine: int, tuned: int, k: int) -> None:
    effort = Effort(probes, refine, tuned)
    assert effort.probes_for(k) >= probes
    assert effort.probes_for(k) == pytest.approx(probes * max(1, k / tuned), abs=1)
    assert effort.candidates(k) >= refine * max(k, tuned)


@given(wanted=st.floats(0, 1.1), slope=st.floats(0.05, 2), seed=st.integers(0, 1000))
def test_the_cheapest_that_is_enough(wanted: float, slope: float, seed: int) -> None:
    """Where more of either brings more, nothing that is enough costs less."""
    knob = Knob(_INDEX)
    scale = 1 + seed / 100

    def measure(effort: Effort) -> float:
        lists = 1 - np.exp(-slope * effort.probes / 4)
        return float(lists * (1 - np.exp(-scale * effort.refine)))

    effort, reached = least_effort(knob, 10, 16, measure=measure, wanted=wanted)
    assert reached == measure(effort)
    assert effort.k == 10
    tried = [Effort(probes, refine, 10) for probes in knob.steps(10) for refine in range(1, 33)]
    enough = [
        knob.cost(one.probes, one.candidates(10), 16) for one in tried if measure(one) >= wanted
    ]
    if reached >= wanted:
        # Of refines, only some are tried, and none once the gain is below a thousandth.
        assert knob.cost(effort.probes, effort.candidates(10), 16) <= 2 * min(enough)
    else:
        assert reached >= max(measure(one) for one in tried) - 0.02


_INDEX = faiss.index_factory(16, "IVF32,SQ8", faiss.METRIC_INNER_PRODUCT)
_VECTORS = np.random.default_rng(0).standard_normal((2000, 16)).astype(np.float32)
_INDEX.train(_VECTORS)
_INDEX.add(_VECTORS)
