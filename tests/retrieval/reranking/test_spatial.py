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
from steeple.retrieval import Ranking
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


def random_case(seed: int) -> tuple[Ranking, Table]:
    random = np.random.default_rng(seed)
    queries, width = int(random.integers(1, 4)), int(random.integers(1, 9))
    ids = np.stack([random.permutation(N)[:width] for _ in range(queries)])
    scores = -np.sort(-random.integers(-8, 9, (queries, width)) / 8, axis=1)
    pads = np.arange(width) >= random.integers(0, width + 1, queries)[:, None]
    ranking = Ranking(np.where(pads, -1, ids), np.where(pads, -np.inf, scores))
    return ranking, Table(random.choice([0, 0, 3, 35, 70, 90, 400], (queries, N)))


@settings(deadline=None)
@given(st.integers(0, 100_000), st.booleans(), st.integers(0, 10))
def test_it_is_its_literal_form(literal: Any, seed: int, by_inliers: bool, n: int) -> None:
    ranking, table = random_case(seed)
    found = Spatial(n, by_inliers).rerank(ranking, Context(verify=table))
    assert found.ids.shape == ranking.ids.shape
    for row in range(len(ranking)):
        top = ranking.ids[row, :n]
        expected = literal.spatial(
            ranking.ids[row].tolist(),
            ranking.scores[row].tolist(),
            table.inliers[row, top].tolist(),
            by_inliers=by_inliers,
        )
        assert found.ids[row].tolist() == [image for image, _ in expected]
        assert found.scores[row].tolist() == pytest.approx([score for _, score in expected])
    (asked,) = table.asked
    assert asked.tolist() == ranking.ids[:, :n].tolist()


@settings(deadline=None)
@given(st.integers(0, 100_000), st.booleans())
def test_without_inliers_nothing_moves(seed: int, by_inliers: bool) -> None:
    ranking, table = random_case(seed)
    table.inliers[:] = 0
    found = Spatial(by_inliers=by_inliers).rerank(ranking, Context(verify=table))
    assert found.ids.tolist() == ranking.ids.tolist()


def test_enough_is_enough() -> None:
    ranking = Ranking(np.array([[0, 1, 2]]), np.array([[0.5, 0.25, 0.125]]))
    table = Table(np.array([[70, 71, 5000]]))
    for by_inliers in (False, True):
        found = Spatial(by_inliers=by_inliers).rerank(ranking, Context(verify=table))
        assert found.ids.tolist() == [[0, 1, 2]]


def test_without_local_features_it_says_what_to_do() -> None:
    ranking = Ranking(np.zeros((1, 1)), np.ones((1, 1)))
    with pytest.raises(InputError, match=r"local features.*--no-local-features") as caught:
        Spatial().rerank(ranking, Context())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("shape", [(0, 5), (3, 0)])
def test_of_nothing(shape: tuple[int, int]) -> None:
    nothing = Ranking(np.zeros(shape, dtype=np.int64), np.zeros(shape))
    table = Table(np.zeros((shape[0], N), dtype=np.int64))
    assert Spatial().rerank(nothing, Context(verify=table)).ids.shape == shape
