"""Rankings out of rows, one query at a time with dictionaries."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steeple.retrieval import Ranking, search_neighbors
from steeple.retrieval.offline.diffusing import Diffused, Edges, diffuse, spread, together
from steeple.retrieval.offline.graph import IndexGraph


def literal(start: Any, rows: Diffused, listed: Any) -> list[tuple[int, float]]:
    """One query: sum, sort, then the rest of the list."""
    total: dict[int, np.float32] = {}
    for image, weight in start:
        if image == -1 or weight <= 0:
            continue
        for there, part in zip(rows.ids[image].tolist(), rows.scores[image], strict=True):
            if there != -1:
                total[there] = np.float32(total.get(there, np.float32(0)) + part * weight)
    old = [image for image in listed if image != -1]
    reached = [image for image in total if total[image] > 0]

    def key(image: int) -> tuple[float, int, int]:
        return -total[image], old.index(image) if image in old else len(listed), image

    order = sorted(reached, key=key)
    result = [(image, float(total[image])) for image in order]
    result += [(image, 0.0) for image in old if image not in reached]
    return (result + [(-1, -np.inf)] * len(listed))[: len(listed)]


@given(st.data())
def test_by_what_arrives_then_the_rest_of_the_list(data: st.DataObject) -> None:
    random = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    n, m = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 12))
    queries, k, kq = 4, data.draw(st.integers(1, 9)), data.draw(st.integers(1, 5))
    orders = np.stack([random.permutation(n) for _ in range(n)])[:, :m].astype(np.int32)
    pads = random.random(orders.shape) < 0.2
    # Few values, exact in float32: many ties, and sums without rounding.
    values = random.integers(-1, 4, orders.shape).astype(np.float32) / 4
    rows = Diffused(np.where(pads, np.int32(-1), orders), np.where(pads, np.float32(0), values))

    def lists(width: int, kinds: int) -> Ranking:
        ids = np.full((queries, width), -1)
        some = np.stack([random.permutation(n) for _ in range(queries)])[:, :width]
        ids[:, : some.shape[1]] = some
        ids[random.random(ids.shape) < 0.2] = -1
        return Ranking(ids, np.where(ids < 0, -np.inf, random.integers(0, kinds, ids.shape) / 2))

    start, listed = lists(kq, 3), lists(k, 9)
    found = spread(start, rows, listed)
    for q in range(queries):
        pairs = zip(start.ids[q], start.scores[q], strict=True)
        expected = literal(list(pairs), rows, listed.ids[q].tolist())
        assert list(zip(found.ids[q], found.scores[q], strict=True)) == expected


def test_queries_do_not_touch_each_other() -> None:
    rows = Diffused(np.array([[0, 1], [1, 2], [2, -1]], np.int32), np.ones((3, 2), np.float32))
    start = Ranking([[0], [2], [1], [-1]], [[1.0], [0.5], [2.0], [-np.inf]])
    listed = Ranking(np.tile([2, 1, 0], (4, 1)), np.zeros((4, 3)))
    found = spread(start, rows, listed)
    assert found.ids.tolist() == [[1, 0, 2], [2, 1, 0], [2, 1, 0], [2, 1, 0]]
    assert found.scores.tolist() == [[1, 1, 0], [0.5, 0, 0], [2, 2, 0], [0, 0, 0]]


@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(1, 9), st.integers(1, 7))
def test_every_image_is_in_one_batch(seed: int, n: int, m: int, size: int) -> None:
    random = np.random.default_rng(seed)
    near = np.stack([np.roll(random.permutation(n), 0) for _ in range(n)])
    near = np.stack([np.append(i, row[row != i]) for i, row in enumerate(near)])[:, :m]
    near = near.astype(np.int32)
    near[:, 1:][random.random((n, near.shape[1] - 1)) < 0.2] = -1
    batches = list(together(near, size))
    assert sorted(np.concatenate(batches).tolist()) == list(range(n))
    assert [len(batch) for batch in batches[:-1]] == [size] * (len(batches) - 1)
    assert 1 <= len(batches[-1]) <= size


def test_computed_once_and_kept_by_its_numbers() -> None:
    random = np.random.default_rng(1)
    index = random.standard_normal((30, 4)).astype(np.float32)
    index /= np.linalg.norm(index, axis=1, keepdims=True)
    heard: list[tuple[str, int, int]] = []
    weighed: list[npt.NDArray[np.float32]] = []
    graph = IndexGraph(
        index,
        lambda queries, k: search_neighbors(queries, index, k),
        told=lambda *news: heard.append(news),
    )

    def weigh(affinity: Any) -> Any:
        weighed.append(affinity.toarray())
        return affinity

    edges = Edges(kd=8, truncate=12, alpha=0.99, gamma=3.0)
    first = diffuse(graph, "some", edges, weigh=weigh)
    again = diffuse(graph, "some", edges, weigh=weigh)
    assert len(weighed) == 1
    assert again.scores is first.scores
    assert first.ids.shape == first.scores.shape == (30, 12)
    assert heard == [("neighbourhoods", 30, 30), ("diffusion", 30, 30)]
    diffuse(graph, "some", Edges(kd=8, truncate=12, alpha=0.9, gamma=3.0), weigh=weigh)
    diffuse(graph, "other", edges, weigh=weigh)
    assert len(weighed) == 3
    assert [what for what, *_ in heard].count("neighbourhoods") == 1


@pytest.mark.parametrize(
    "change", [{"kd": 5}, {"truncate": 9}, {"alpha": 0.9}, {"gamma": 1.0}, {"gamma": 3.0000002}]
)
def test_every_number_of_the_edges_is_part_of_the_name(change: dict[str, Any]) -> None:
    """What others have kept is neither served nor thrown away."""
    random = np.random.default_rng(2)
    index = random.standard_normal((40, 6)).astype(np.float32)
    index /= np.linalg.norm(index, axis=1, keepdims=True)
    weighed: list[Any] = []

    def graph() -> IndexGraph:
        return IndexGraph(index, lambda queries, k: search_neighbors(queries, index, k))

    def weigh(affinity: Any) -> Any:
        weighed.append(affinity)
        return affinity

    edges, shared = Edges(kd=12, truncate=20, alpha=0.99, gamma=3.0), graph()
    changed = replace(edges, **change)
    for asked in (edges, changed, edges, changed):
        found = diffuse(shared, "some", asked, weigh=weigh)
        alone = diffuse(graph(), "some", asked)
        np.testing.assert_array_equal(found.ids, alone.ids)
        np.testing.assert_array_equal(found.scores, alone.scores)
    assert len(weighed) == 2
    first, other = (diffuse(graph(), "some", asked).scores for asked in (edges, changed))
    assert first.shape != other.shape or (first != other).any()
