"""Label-aware expansion against its formula, one query and one image at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steeple.errors import InputError
from steeple.retrieval import Ranking, Votes, search_neighbors
from steeple.retrieval.reranking import Context, LabelAwareExpansion

Floats = npt.NDArray[np.float32]


class Recorder:
    """A neighbours function that keeps the queries it was given."""

    def __init__(self, index: Floats) -> None:
        self.index = index
        self.asked: list[Floats] = []

    def __call__(self, queries: Floats, k: int) -> Ranking:
        self.asked.append(queries)
        return search_neighbors(queries, self.index, k)


def descriptors(random: np.random.Generator, n: int, d: int = 6) -> Floats:
    out = random.standard_normal((n, d)).astype(np.float32)
    return np.asarray(out / np.linalg.norm(out, axis=1, keepdims=True), dtype=np.float32)


def beliefs(random: np.random.Generator, n: int) -> Votes:
    return Votes(random.integers(-1, 3, n), random.random(n).astype(np.float32))


def expand(query: int, ids: Any, context: Context, likely: float) -> npt.NDArray[np.float64] | None:
    """The expanded query; None if nothing joins it."""
    assert context.query_beliefs is not None
    assert context.index_beliefs is not None
    assert context.queries is not None
    assert isinstance(context.index, np.ndarray)
    total = context.queries[query].astype(np.float64)
    joined = False
    for image in ids:
        if image == -1 or context.query_beliefs.labels[query] == -1:
            continue
        if context.query_beliefs.labels[query] != context.index_beliefs.labels[image]:
            continue
        weight = context.query_beliefs.scores[query] * context.index_beliefs.scores[image]
        if weight > np.float32(likely):
            total = total + float(weight) * context.index[image].astype(np.float64)
            joined = True
    return total / np.linalg.norm(total) if joined else None


@given(seed=st.integers(0, 2**32 - 1), likely=st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]))
def test_the_formula(seed: int, likely: float) -> None:
    random = np.random.default_rng(seed)
    index, queries = descriptors(random, 25), descriptors(random, 7)
    search = Recorder(index)
    context = Context(
        queries=queries,
        index=index,
        search=search,
        query_beliefs=beliefs(random, 7),
        index_beliefs=beliefs(random, 25),
    )
    ranking = search_neighbors(queries, index, 12)
    ranking.ids[random.random(ranking.ids.shape) < 0.1] = -1
    found = LabelAwareExpansion(likely).rerank(ranking, context)
    expected = [expand(q, ranking.ids[q], context, likely) for q in range(len(queries))]
    joined = [vector for vector in expected if vector is not None]
    if joined:
        (asked,) = search.asked
        assert asked.dtype == np.float32
        np.testing.assert_allclose(asked, joined, atol=2e-6)
    else:
        assert search.asked == []
    after = iter(search_neighbors(search.asked[0], index, 12).ids if joined else ())
    for q, vector in enumerate(expected):
        if vector is None:  # bit for bit
            np.testing.assert_array_equal(found.ids[q], ranking.ids[q])
            np.testing.assert_array_equal(found.scores[q], ranking.scores[q])
        else:
            np.testing.assert_array_equal(found.ids[q], next(after))


class TestTwoFaces:
    """Landmark 7 has two faces; the query shows one, a stranger stands between query and face 2."""

    INDEX = np.float32([[1, 0, 0], [0.8, 0.6, 0], [0.6, 0, 0.8], [0, 0.1, 0.995], [0, 1, 0]])
    QUERY = np.float32([[1, 0, 0]])
    RANKING = search_neighbors(QUERY, INDEX, 5)

    def found(self, query: Votes, index: list[float]) -> list[int]:
        labels = np.array([7, 3, 7, 7, 3])
        context = Context(
            queries=self.QUERY,
            index=self.INDEX,
            search=lambda queries, k: search_neighbors(queries, self.INDEX, k),
            query_beliefs=query,
            index_beliefs=Votes(labels, np.float32(index)),
        )
        ranking: Ranking = LabelAwareExpansion().rerank(self.RANKING, context)
        return ranking.ids[0].tolist()

    def test_the_other_face_overtakes_the_stranger(self) -> None:
        assert self.RANKING.ids[0].tolist() == [0, 1, 2, 3, 4]
        assert self.found(Votes([7], [0.9]), [0.9] * 5) == [2, 0, 1, 3, 4]

    @pytest.mark.parametrize(
        ("query", "index"),
        [
            (Votes([7], [0.5]), [1.0] * 5),  # the query's vote is not likely
            (Votes([7], [0.7]), [0.7] * 5),  # each is, but not both together
            (Votes([-1], [1.0]), [1.0] * 5),  # nobody voted
            (Votes([5], [1.0]), [1.0] * 5),  # for what nothing shows
        ],
    )
    def test_nothing_likely_joins(self, query: Votes, index: list[float]) -> None:
        assert self.found(query, index) == [0, 1, 2, 3, 4]


def test_no_vote_is_nobodys_landmark() -> None:
    index = descriptors(np.random.default_rng(0), 4)
    ranking = search_neighbors(index[:2], index, 3)
    search = Recorder(index)
    context = Context(
        queries=index[:2],
        index=index,
        search=search,
        query_beliefs=Votes([-1, -1], [1, 1]),
        index_beliefs=Votes([-1] * 4, [1] * 4),
    )
    assert LabelAwareExpansion().rerank(ranking, context) is ranking
    assert search.asked == []


def test_no_query_and_no_index() -> None:
    index = descriptors(np.random.default_rng(0), 4)
    nothing = Votes(np.zeros(0), np.zeros(0))
    for queries, images in ((index[:0], index), (index, index[:0])):
        context = Context(
            queries=queries,
            index=images,
            search=Recorder(images),
            query_beliefs=Votes([1] * len(queries), [1] * len(queries)),
            index_beliefs=Votes([1] * len(images), [1] * len(images)) if len(images) else nothing,
        )
        ranking = search_neighbors(queries, images, 3)
        found = LabelAwareExpansion().rerank(ranking, context)
        np.testing.assert_array_equal(found.ids, ranking.ids)


@pytest.mark.parametrize("likely", [-0.1, 1.1, float("nan")])
def test_a_probability_is_between_0_and_1(likely: float) -> None:
    with pytest.raises(InputError, match=r"likely is .*between 0 and 1"):
        LabelAwareExpansion(likely)
