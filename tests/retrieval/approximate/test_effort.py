"""The knob of every kind of index, and the least effort against trying everything."""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steeple.retrieval.approximate.effort import Effort, Knob, innermost, least_effort


def made(factory: str) -> Any:
    index = faiss.index_factory(16, factory, faiss.METRIC_INNER_PRODUCT)
    vectors = np.random.default_rng(0).standard_normal((2000, 16)).astype(np.float32)
    index.train(vectors)
    index.add(vectors)
    return index


@pytest.mark.parametrize(
    ("factory", "name", "most"),
    [
        ("Flat", "", 0),
        ("SQ8", "", 0),
        ("IVF32,SQ8", "nprobe", 32),
        ("PCA8,IVF32,SQ8", "nprobe", 32),
        ("IVF32,SQ8,RFlat", "nprobe", 32),
        ("IVF32_HNSW8,SQ8", "nprobe", 32),
        ("HNSW8", "efSearch", 2000),
        ("PCA8,HNSW8_SQ8", "efSearch", 2000),
    ],
)
def test_finds_the_knob(factory: str, name: str, most: int) -> None:
    index = made(factory)
    knob = Knob(index)
    assert (knob.name, knob.most) == (name, most)
    knob.turn(7)
    at = innermost(index)
    assert name != "nprobe" or at.nprobe == 7
    assert name != "efSearch" or at.hnsw.efSearch == 7
    knob.turn(0)  # searches need one at least
    assert name != "nprobe" or at.nprobe == 1
    steps = knob.steps(10)
    assert steps == sorted(set(steps))
    assert steps[-1] == most
    assert steps[0] == {"": 0, "nprobe": 1, "efSearch": 10}[name]


def test_lists_found_by_a_graph_are_found_reliably() -> None:
    index = made("IVF64_HNSW8,SQ8")
    Knob(index).turn(50)
    assert faiss.downcast_index(innermost(index).quantizer).hnsw.efSearch >= 100


def test_more_probes_than_lists() -> None:
    index = made("IVF32,SQ8")
    Knob(index).turn(1000)
    assert innermost(index).nprobe == 32


@pytest.mark.parametrize("factory", ["Flat", "IVF32,SQ8", "HNSW8", "IVF32,RaBitQ"])
def test_more_effort_costs_more(factory: str) -> None:
    knob = Knob(made(factory))
    assert knob.cost(Effort(4, 2), 10, 16) > knob.cost(Effort(4, 1), 10, 16) > 0
    if knob.name:
        assert knob.cost(Effort(8, 1), 10, 16) > knob.cost(Effort(4, 1), 10, 16)


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
    tried = [Effort(probes, refine) for probes in knob.steps(10) for refine in range(1, 33)]
    enough = [knob.cost(one, 10, 16) for one in tried if measure(one) >= wanted]
    if reached >= wanted:
        # Of refines, only some are tried, and none once the gain is below a thousandth.
        assert knob.cost(effort, 10, 16) <= 2 * min(enough)
    else:
        assert reached >= max(measure(one) for one in tried) - 0.02


_INDEX = made("IVF32,SQ8")
