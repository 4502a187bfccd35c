"""The walk against the algorithm of the paper, with sets and dicts, one query at a time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steeple.errors import InputError
from steeple.retrieval import Ranking, search_neighbors
from steeple.retrieval.offline.graph import IndexGraph
from steeple.retrieval.reranking import Context, GraphTraversal

Floats = npt.NDArray[np.float32]
Edges = list[tuple[int, float]]


def walk(seeds: Edges, graph: dict[int, Edges], t: float, length: int) -> Edges:
    """Accepted images in order, each with the similarity it was accepted at."""
    candidates: dict[int, tuple[float, int]] = {}  # image -> best similarity, when it was met
    accepted: Edges = []
    met = 0

    def explore(edges: Edges) -> None:
        nonlocal met
        for image, similarity in edges:
            met += 1
            if image in {image for image, _ in accepted}:
                continue
            if image not in candidates or similarity > candidates[image][0]:
                candidates[image] = (similarity, met)

    explore(seeds)
    while candidates and len(accepted) < length:
        order = sorted(candidates, key=lambda image: (-candidates[image][0], candidates[image][1]))
        above = [image for image in order if candidates[image][0] > t]
        new = (above or order[:1])[: length - len(accepted)]
        accepted += [(image, candidates.pop(image)[0]) for image in new]
        for image in new:
            explore(graph[image])
    return accepted


def literal(
    ranking: Ranking, queries: Floats, index: Floats, neighbours: Ranking, k: int, t: float
) -> Ranking:
    """All queries: the walk, then the rest of the list, then pads."""

    def edges(ids: Any, scores: Any) -> Edges:
        pairs = zip(ids.tolist(), scores.tolist(), strict=True)
        return [(image, similarity) for image, similarity in pairs if image != -1]

    graph = {
        image: edges(ids, scores)
        for image, (ids, scores) in enumerate(zip(neighbours.ids, neighbours.scores, strict=True))
    }
    length = ranking.ids.shape[1]
    out = Ranking(np.full_like(ranking.ids, -1), np.full_like(ranking.scores, -np.inf))
    for q in range(len(ranking)):
        row = ranking.ids[q]
        # On a grid these sums are exact.
        alike = np.array([sum(map(float, queries[q] * index[image])) for image in row])
        seeds = edges(row[:k], alike[:k])
        found = walk(sorted(seeds, key=lambda pair: -pair[1]), graph, t, length)
        there = {image for image, _ in found}
        found += [pair for pair in edges(row, alike) if pair[0] not in there]
        weakest = math.inf
        for place, (image, similarity) in enumerate(found[:length]):
            weakest = min(weakest, similarity)
            out.ids[q, place], out.scores[q, place] = image, weakest
    return out


def city(random: np.random.Generator, n: int, d: int) -> Floats:
    """Descriptors on a coarse grid: many similarities are equal."""
    return random.integers(-2, 3, (n, d)).astype(np.float32)


def graph_of(index: Floats) -> IndexGraph:
    return IndexGraph(index, lambda queries, k: search_neighbors(queries, index, k))


def known(queries: Floats, index: Floats) -> Context:
    return Context(queries=queries, index=index, graph=graph_of(index))


def equal(found: Ranking, expected: Ranking) -> None:
    np.testing.assert_array_equal(found.ids, expected.ids)
    np.testing.assert_array_equal(found.scores, expected.scores)


@given(
    seed=st.integers(0, 2**32 - 1),
    images=st.integers(1, 40),
    k=st.integers(1, 12),
    width=st.integers(1, 45),
    t=st.sampled_from([math.inf, -math.inf, 0.0, 1.0, 3.0, 4.0, 6.0]),
)
def test_the_walk_of_the_paper(seed: int, images: int, k: int, width: int, t: float) -> None:
    random = np.random.default_rng(seed)
    index, queries = city(random, images, 4), city(random, 3, 4)
    graph = graph_of(index)
    ranking = search_neighbors(queries, index, width)
    ranking.ids[random.random(ranking.ids.shape) < 0.1] = -1  # pads anywhere
    # As another re-ranker may leave it, scores and all.
    order = random.permutation(width)
    ranking = Ranking(ranking.ids[:, order], random.normal(size=(3, width)))
    context = Context(queries=queries, index=index, graph=graph)
    found = GraphTraversal(k, t).rerank(ranking, context)
    equal(found, literal(ranking, queries, index, graph.neighbours(k), k, t))


@given(seed=st.integers(0, 2**32 - 1), k=st.integers(1, 8))
def test_scores_descend_and_no_image_comes_twice(seed: int, k: int) -> None:
    random = np.random.default_rng(seed)
    index, queries = city(random, 30, 3), city(random, 4, 3)
    ranking = search_neighbors(queries, index, 20)
    found = GraphTraversal(k, 2.0).rerank(ranking, known(queries, index))
    assert (found.scores[:, :-1] >= found.scores[:, 1:]).all()
    for row in found.ids:
        assert len(set(row.tolist())) == 20


@given(seed=st.integers(0, 2**32 - 1), k=st.integers(1, 6))
def test_a_score_is_the_weakest_link_of_the_strongest_path(seed: int, k: int) -> None:
    random = np.random.default_rng(seed)
    index, queries = city(random, 15, 4), city(random, 1, 4)
    graph = graph_of(index)
    ranking = search_neighbors(queries, index, k)
    wide = Ranking(
        np.pad(ranking.ids, ((0, 0), (0, 15)), constant_values=-1),
        np.pad(ranking.scores, ((0, 0), (0, 15)), constant_values=-np.inf),
    )
    context = Context(queries=queries, index=index, graph=graph)
    found = GraphTraversal(k).rerank(wide, context)
    neighbours = graph.neighbours(k)
    best = dict(zip(ranking.ids[0].tolist(), ranking.scores[0].tolist(), strict=True))
    for _ in index:  # as often as the longest path has links
        for image, link in list(best.items()):
            for other, similarity in zip(
                neighbours.ids[image].tolist(), neighbours.scores[image].tolist(), strict=True
            ):
                best[other] = max(best.get(other, -math.inf), min(link, similarity))
    best.pop(-1, None)
    reached = found.ids[0] != -1
    listed = zip(found.ids[0][reached].tolist(), found.scores[0][reached].tolist(), strict=True)
    assert dict(listed) == best


class TestChain:
    """0 - 1 - 2 - 3, each alike to the next only; 4 resembles the query a little, and nothing."""

    NEIGHBOURS = Ranking(
        np.array([[1, 2], [0, 2], [3, 1], [2, 1], [-1, -1]]),
        np.array([[0.9, 0.1], [0.9, 0.8], [0.95, 0.8], [0.95, 0.2], [-np.inf, -np.inf]]),
    )
    SEEDS = Ranking(np.array([[0, 4, -1, -1, -1]]), np.float32([[0.7, 0.5, *3 * [-np.inf]]]))

    def found(self, t: float, seeds: Ranking = SEEDS) -> tuple[list[int], list[float]]:
        index = np.zeros((5, 1), dtype=np.float32)  # one number an image: its similarity
        index[seeds.ids[seeds.ids != -1], 0] = seeds.scores[seeds.ids != -1]
        graph = graph_of(index)
        graph.neighbours = lambda k: self.NEIGHBOURS  # type: ignore[method-assign]
        context = Context(queries=np.ones((1, 1), dtype=np.float32), index=index, graph=graph)
        ranking = GraphTraversal(2, t).rerank(Ranking(seeds.ids, 0 * seeds.ids), context)
        return ranking.ids[0].tolist(), [round(score, 2) for score in ranking.scores[0].tolist()]

    def test_one_at_a_time_follows_it_to_its_end(self) -> None:
        assert self.found(math.inf) == ([0, 1, 2, 3, 4], [0.7, 0.7, 0.7, 0.7, 0.5])

    def test_above_the_threshold_the_query_comes_first(self) -> None:
        assert self.found(0.4)[0] == [0, 4, 1, 2, 3]

    def test_the_threshold_itself_is_not_above_it(self) -> None:
        assert self.found(0.5)[0] == [0, 1, 2, 3, 4]
        # The float32 nearest to 0.6 is above it; what is compared is that of the threshold.
        strict = Ranking(self.SEEDS.ids, np.float32([[0.7, 0.6, *3 * [-np.inf]]]))
        assert self.found(0.6, strict)[0] == [0, 1, 2, 3, 4]

    def test_the_list_is_cut_where_it_is_full(self) -> None:
        short = Ranking(self.SEEDS.ids[:, :2], self.SEEDS.scores[:, :2])
        assert self.found(math.inf, short)[0] == [0, 1]
        assert self.found(0.4, short)[0] == [0, 4]

    def test_what_it_does_not_reach_follows(self) -> None:
        far = Ranking(np.array([[4, -1, 3, 0, -1]]), np.float32([[0.5, 0, 0.3, 0.6, 0]]))
        # The first two columns hold the query's own neighbours: 4, which leads nowhere.
        assert self.found(math.inf, far) == ([4, 3, 0, -1, -1], [0.5, 0.3, 0.3, *2 * [-math.inf]])


def test_no_query_and_no_index() -> None:
    index = city(np.random.default_rng(0), 5, 3)
    none = search_neighbors(index[:0], index, 4)
    found = GraphTraversal().rerank(none, known(index[:0], index))
    assert found.ids.shape == (0, 4)
    empty = search_neighbors(index, index[:0], 4)
    found = GraphTraversal().rerank(empty, known(index, index[:0]))
    assert (found.ids == -1).all()


def test_nothing_is_written_into_the_input() -> None:
    index = city(np.random.default_rng(1), 20, 3)
    ranking = search_neighbors(index[:3], index, 10)
    before = ranking.ids.copy(), ranking.scores.copy()
    GraphTraversal(k=4).rerank(ranking, known(index[:3], index))
    np.testing.assert_array_equal(ranking.ids, before[0])
    np.testing.assert_array_equal(ranking.scores, before[1])


def test_more_neighbours_than_there_are_take_no_room() -> None:
    index = city(np.random.default_rng(1), 20, 3)
    ranking = search_neighbors(index[:3], index, 10)
    found = GraphTraversal(k=2**31 - 1).rerank(ranking, known(index[:3], index))
    every = GraphTraversal(k=19).rerank(ranking, known(index[:3], index))
    np.testing.assert_array_equal(found.ids, every.ids)


@pytest.mark.parametrize(("k", "t", "said"), [(0, 1.0, "k is 0"), (5, math.nan, "t is NaN")])
def test_impossible_parameters(k: int, t: float, said: str) -> None:
    with pytest.raises(InputError, match=said):
        GraphTraversal(k, t)
