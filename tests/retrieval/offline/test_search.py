"""An effort for every width of a graph, that follows from nothing but the index."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from steeple.retrieval import Ranking, search_neighbors
from steeple.retrieval.approximate.effort import Effort
from steeple.retrieval.approximate.index import ApproximateIndex
from steeple.retrieval.approximate.recall import recall
from steeple.retrieval.leaving_out import without_self
from steeple.retrieval.offline.graph import IndexGraph
from steeple.retrieval.offline.search import OwnSearch

Floats = npt.NDArray[np.float32]
N = 1200
QUERIES = Effort(2, 1)  # whatever suits them
WARNED = "steeple.retrieval.offline.search"


@pytest.fixture(scope="module")
def index() -> Floats:
    """Clusters, as landmarks are: the nearest ten are near, the nearest hundreds are not."""
    random = np.random.default_rng(1)
    centres = random.standard_normal((30, 24))
    out = centres[random.integers(0, 30, N)] + 0.5 * random.standard_normal((N, 24))
    return np.asarray(out / np.linalg.norm(out, axis=1, keepdims=True), dtype=np.float32)


@pytest.fixture(scope="module")
def built(index: Floats) -> ApproximateIndex:
    return ApproximateIndex.build(index, "IVF32,Flat")


@pytest.fixture
def approximate(built: ApproximateIndex) -> ApproximateIndex:
    built.effort = QUERIES
    return built


def searching(approximate: ApproximateIndex, index: Floats, **options: Any) -> OwnSearch:
    """And a search that says with which effort it was asked."""

    def search(queries: Floats, k: int) -> Ranking:
        options.get("efforts", []).append(approximate.effort)
        return approximate.search(queries, k, exact=index)

    given = {name: value for name, value in options.items() if name != "efforts"}
    return OwnSearch(approximate, index, search, **given)


@pytest.mark.parametrize("k", [101, 401])
def test_finds_as_much_as_is_wanted_at_every_width(
    approximate: ApproximateIndex, index: Floats, k: int
) -> None:
    own = np.arange(0, N, 7)
    exact = without_self(search_neighbors(index[own], index, k), own)
    before = without_self(approximate.search(index[own], k, exact=index), own)
    found = without_self(searching(approximate, index)(index[own], k), own)
    assert recall(before, exact) < 0.9
    assert recall(found, exact) > 0.94


def test_each_width_has_its_own_effort(approximate: ApproximateIndex, index: Floats) -> None:
    efforts: list[Effort] = []
    told: list[tuple[str, int, int]] = []
    search = searching(approximate, index, efforts=efforts, told=lambda *words: told.append(words))
    for k in (11, 401, 11, 401):
        search(index[:5], k)
    assert efforts[:2] == efforts[2:]
    assert efforts[0].probes < efforts[1].probes
    assert told == [("recall", 0, 1), ("recall", 1, 1)] * 2  # once a width


def test_the_effort_of_queries_comes_back(approximate: ApproximateIndex, index: Floats) -> None:
    searching(approximate, index)(index[:5], 11)
    assert approximate.effort == QUERIES

    def fail(*_: object) -> Ranking:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        OwnSearch(approximate, index, fail)(index[:5], 11)
    assert approximate.effort == QUERIES
    with pytest.raises(KeyboardInterrupt):
        searching(approximate, index, told=fail)(index[:5], 11)
    assert approximate.effort == QUERIES


def test_it_follows_from_index_and_seed_alone(approximate: ApproximateIndex, index: Floats) -> None:
    efforts: list[Effort] = []
    for before, part in ((QUERIES, index[:5]), (Effort(32, 3), index[90:99])):
        approximate.effort = before
        searching(approximate, index, seed=3, efforts=efforts)(part, 101)
    assert efforts[0] == efforts[1]


@pytest.mark.parametrize(("images", "k"), [(1, 1), (1, 5), (3, 1), (3, 3), (3, 101)])
def test_fewer_images_than_asked_for(index: Floats, images: int, k: int) -> None:
    few = index[:images]
    approximate = ApproximateIndex.build(few, "HNSW4")
    found = searching(approximate, few)(few, k)
    np.testing.assert_array_equal(found.ids, search_neighbors(few, few, k).ids)


def test_an_index_that_cannot_find_them_is_named(
    index: Floats, caplog: pytest.LogCaptureFixture
) -> None:
    noise = np.random.default_rng(2).standard_normal((N, 24)).astype(np.float32)
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    rough = ApproximateIndex.build(noise, "PQ1x2")  # four codes for all images
    searching(rough, noise)(noise[:5], 11)
    (record,) = (one for one in caplog.records if one.name == WARNED)
    assert record.getMessage().startswith("PQ1x2 finds ")
    assert "of the 10 nearest of an index image, however hard it looks" in record.getMessage()


def test_a_graph_by_it(approximate: ApproximateIndex, index: Floats) -> None:
    """Each of its widths is nearly complete, whichever was asked for first."""
    graph = IndexGraph(index, searching(approximate, index))
    ids, _ = graph.neighbourhoods(400, 49)
    own = np.arange(N)
    for found, k in ((ids[:, 1:], 399), (graph.neighbours(10).ids, 10)):
        exact = without_self(search_neighbors(index, index, k + 1), own)
        assert recall(Ranking(found, np.full(found.shape, -np.inf)), exact) > 0.94
