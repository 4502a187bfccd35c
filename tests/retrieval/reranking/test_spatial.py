"""Re-ranking by inliers against its literal form."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steeple.errors import InputError
from steeple.geometry.batch import Verified
from steeple.retrieval import Ranking, search_neighbors
from steeple.retrieval.reranking import Context
from steeple.retrieval.reranking.spatial import Spatial

N = 14


@dataclass
class Table:
    """Verifies by looking it up, and keeps what it was asked."""

    inliers: Any
    asked: list[Any] = field(default_factory=list)

    def __call__(self, ids: Any) -> Verified:
        self.asked.append(ids)
        found = np.take_along_axis(self.inliers, ids, axis=1)
        return Verified(
            np.where(ids == -1, 0, found).astype(np.int32),
            np.where(ids == -1, np.nan, found / 2).astype(np.float32),
        )

    def seen(self, ids: Any) -> Verified:
        raise AssertionError("it is to verify, not to remember")


def random_case(seed: int) -> tuple[Ranking, Context, Table]:
    """Lists as after another re-ranker; descriptors whose inner products are exact."""
    random = np.random.default_rng(seed)
    queries, width = int(random.integers(1, 4)), int(random.integers(1, 9))
    ids = np.stack([random.permutation(N)[:width] for _ in range(queries)])
    scores = random.integers(-80, 90, (queries, width)) / 8
    pads = np.arange(width) >= random.integers(0, width + 1, queries)[:, None]
    ranking = Ranking(np.where(pads, -1, ids), np.where(pads, -np.inf, scores))
    vectors = (random.integers(-4, 5, (queries + N, 3)) / 8).astype(np.float32)
    table = Table(random.choice([0, 0, 3, 35, 70, 90, 400], (queries, N)))
    context = Context(queries=vectors[:queries], index=vectors[queries:], verify=table)
    return ranking, context, table


@settings(deadline=None)
@given(st.integers(0, 100_000), st.booleans(), st.integers(1, 10))
def test_it_is_its_literal_form(literal: Any, seed: int, by_inliers: bool, n: int) -> None:
    ranking, context, table = random_case(seed)
    found = Spatial(n, by_inliers).rerank(ranking, context)
    assert found.ids.shape == ranking.ids.shape
    for row in range(len(ranking)):
        top = ranking.ids[row, :n]
        query = context.need("queries")[row].tolist()
        alike = [
            sum(a * b for a, b in zip(query, context.need("index")[image].tolist(), strict=True))
            for image in top
        ]
        expected = literal.spatial(
            ranking.ids[row].tolist(),
            [*alike, *ranking.scores[row, n:].tolist()],
            table.inliers[row, top].tolist(),
            by_inliers=by_inliers,
        )
        assert found.ids[row].tolist() == [image for image, _ in expected]
        assert found.scores[row].tolist() == pytest.approx([score for _, score in expected])
    (asked,) = table.asked
    assert asked.tolist() == ranking.ids[:, :n].tolist()


@settings(deadline=None)
@given(st.integers(0, 100_000), st.booleans())
def test_without_inliers_nothing_moves_behind_a_search(seed: int, by_inliers: bool) -> None:
    _, context, table = random_case(seed)
    table.inliers[:] = 0
    ranking = search_neighbors(context.need("queries"), context.need("index"), N + 2)
    found = Spatial(by_inliers=by_inliers).rerank(ranking, context)
    assert found.ids.tolist() == ranking.ids.tolist()
    if not by_inliers:
        assert found.scores.tolist() == ranking.scores.tolist()


def test_behind_another_reranker_it_adds_to_similarity() -> None:
    """A score that is none, such as a vote's, outweighs no inlier."""
    index = np.float32([[0.2], [0.9], [0.5]])
    table = Table(np.array([[0, 0, 35]]))
    context = Context(queries=np.ones((1, 1), dtype=np.float32), index=index, verify=table)
    inserted = Ranking([[0, 1, 2]], [[7.0, 0.9, 0.5]])
    found = Spatial().rerank(inserted, context)
    assert found.ids.tolist() == [[2, 1, 0]]
    assert found.scores[0].tolist() == pytest.approx([1.0, 0.9, 0.2])


def test_enough_is_enough() -> None:
    ranking = Ranking(np.array([[0, 1, 2]]), np.array([[0.5, 0.25, 0.125]]))
    context = Context(
        queries=np.ones((1, 1), dtype=np.float32),
        index=ranking.scores.T,
        verify=Table(np.array([[70, 71, 5000]])),
    )
    for by_inliers in (False, True):
        found = Spatial(by_inliers=by_inliers).rerank(ranking, context)
        assert found.ids.tolist() == [[0, 1, 2]]


def test_without_local_features_it_says_what_to_do() -> None:
    ranking = Ranking(np.zeros((1, 1)), np.ones((1, 1)))
    with pytest.raises(InputError, match=r"local features.*--no-local-features") as caught:
        Spatial().rerank(ranking, Context())
    assert "\n" not in str(caught.value)


def test_by_inliers_it_needs_no_similarity() -> None:
    ranking, context, table = random_case(5)
    only = Context(verify=table)
    found = Spatial(by_inliers=True).rerank(ranking, only)
    assert found.ids.tolist() == Spatial(by_inliers=True).rerank(ranking, context).ids.tolist()
    with pytest.raises(InputError, match="needs queries"):
        Spatial().rerank(ranking, only)
    assert len(table.asked) == 2  # what is missing is said before anything is verified


@pytest.mark.parametrize("n", [0, -5])
def test_at_least_one_is_verified(n: int) -> None:
    with pytest.raises(InputError, match=f"n is {n}; it must be at least 1"):
        Spatial(n)


@pytest.mark.parametrize("shape", [(0, 5), (3, 0)])
def test_of_nothing(shape: tuple[int, int]) -> None:
    nothing = Ranking(np.zeros(shape, dtype=np.int64), np.zeros(shape))
    context = Context(
        queries=np.zeros((shape[0], 2), dtype=np.float32),
        index=np.zeros((N, 2), dtype=np.float32),
        verify=Table(np.zeros((shape[0], N), dtype=np.int64)),
    )
    assert Spatial().rerank(nothing, context).ids.shape == shape
