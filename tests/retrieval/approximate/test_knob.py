"""The knob of every kind of index, turned for one search without turning it for another."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt
import pytest

from steeple.retrieval.approximate.knob import Knob, innermost

VECTORS: npt.NDArray[np.float32] = (
    np.random.default_rng(0).standard_normal((2000, 16)).astype(np.float32)
)
QUERIES = VECTORS[::40] + np.float32(0.5)
TURNED = ["IVF32,RQ2x4fs", "HNSW8_4+PQ4"]  # FAISS takes no parameters for these
KINDS = [
    "IVF32,SQ8",
    "IVF32,RaBitQ",
    "IVF32,PQ8x4fs",
    "PCA8,IVF32,SQ8",
    "RR16,IVF32,PQ8x4fs,Refine(SQ8)",
    "IVF32_HNSW8,SQ8",
    "IVF64_HNSW8,PQ8x4fs",
    "HNSW8",
    "RR16,HNSW8_SQ8,RFlat",
    *TURNED,
]


def made(factory: str) -> Any:
    index = faiss.index_factory(16, factory, faiss.METRIC_INNER_PRODUCT)
    faiss.omp_set_num_threads(1)
    index.train(VECTORS)
    index.add(VECTORS)
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
    knob = Knob(made(factory))
    assert (knob.name, knob.most) == (name, most)
    steps = knob.steps(10)
    assert steps == sorted(set(steps))
    assert steps[-1] == most
    assert steps[0] == {"": 0, "nprobe": 1, "efSearch": 10}[name]
    for probes in (0, 1, 5000):  # searches need one at least, and have no more than there are
        assert knob.search(QUERIES, 10, probes).shape == (50, 10)


@pytest.mark.parametrize("factory", KINDS)
def test_searches_as_an_index_that_is_turned(factory: str) -> None:
    index = made(factory)
    knob, turned = Knob(index), faiss.clone_index(index)
    at, before = innermost(turned), _setting(index)
    found = {}
    for probes in (1, 4, 20):
        if knob.name == "efSearch":
            at.hnsw.efSearch = probes
        else:
            at.nprobe = probes
            quantizer = faiss.downcast_index(at.quantizer)
            if hasattr(quantizer, "hnsw"):
                quantizer.hnsw.efSearch = max(64, 2 * probes)
        found[probes] = knob.search(QUERIES, 10, probes)
        np.testing.assert_array_equal(found[probes], turned.search(QUERIES, 10)[1])
        assert factory in TURNED or _setting(index) == before
    assert factory.startswith(("HNSW", "RR16,HNSW")) or (found[1] != found[20]).any()


@pytest.mark.parametrize("factory", KINDS)
def test_threads_do_not_turn_each_others(factory: str) -> None:
    knob = Knob(made(factory))
    efforts = [1, 16, 3, 2000] * 12
    alone = {probes: knob.search(QUERIES, 10, probes) for probes in set(efforts)}

    def search(probes: int) -> bool:
        faiss.omp_set_num_threads(1)
        return bool((knob.search(QUERIES, 10, probes) == alone[probes]).all())

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(search, efforts))


def test_lists_found_by_a_graph_are_found_reliably() -> None:
    index = made("IVF256_HNSW4,Flat")
    centres = faiss.downcast_index(innermost(index).quantizer)
    found = Knob(index).search(QUERIES, 10, 30)
    innermost(index).nprobe = 30
    centres.hnsw.efSearch = 64
    np.testing.assert_array_equal(found, index.search(QUERIES, 10)[1])
    centres.hnsw.efSearch = 16  # as FAISS has it
    assert (found != index.search(QUERIES, 10)[1]).any()


@pytest.mark.parametrize("factory", ["Flat", "IVF32,SQ8", "HNSW8", "IVF32,RaBitQ"])
def test_more_effort_costs_more(factory: str) -> None:
    knob = Knob(made(factory))
    assert knob.cost(4, 20, 16) > knob.cost(4, 10, 16) > 0
    if knob.name:
        assert knob.cost(8, 10, 16) > knob.cost(4, 10, 16)


def _setting(index: Any) -> tuple[int, int]:
    at = innermost(index)
    return getattr(at, "nprobe", 0), at.hnsw.efSearch if hasattr(at, "hnsw") else 0
