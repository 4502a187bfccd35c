"""Fusion against its literal form over all index images, and what it promises."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steeple.errors import InputError
from steeple.geometry.batch import Verified
from steeple.retrieval import Ranking, Votes, search_neighbors
from steeple.retrieval.contrast import Background
from steeple.retrieval.pairs import PairModel
from steeple.retrieval.reranking import Context, TwoStage
from steeple.retrieval.reranking.fusion import Fusion

N = 14
SEEDS = st.integers(0, 1_000_000)
PARTS = ["query_beliefs", "index_beliefs", "verify", "pair_model", "background", "queries", "index"]


@dataclass
class Table:
    """Verifies by looking it up, and keeps what it was asked."""

    nats: npt.NDArray[np.float32]
    asked: list[Any] = field(default_factory=list)

    def __call__(self, ids: Any) -> Verified:
        self.asked.append(ids)
        found = np.take_along_axis(self.nats, ids, axis=1)
        surprises = np.where(ids == -1, np.float32(np.nan), found)
        return Verified(np.zeros(ids.shape, dtype=np.int32), surprises)

    def seen(self, ids: Any) -> Verified:
        raise AssertionError("it is to verify, not to remember")


def beliefs(random: np.random.Generator, n: int) -> Votes:
    """Some of nothing, which nothing agrees with however likely it is said to be."""
    return Votes(random.integers(-1, 3, n), random.integers(0, 9, n) / 8)


def random_case(seed: int) -> tuple[Ranking, Context]:
    """Lists, some short or empty; descriptors whose inner products are exact and often tie."""
    random = np.random.default_rng(seed)
    queries, width = int(random.integers(1, 4)), int(random.integers(1, 9))
    ids = np.stack([random.permutation(N)[:width] for _ in range(queries)])
    pads = np.arange(width) >= random.integers(0, width + 1, queries)[:, None]
    vectors = (random.integers(-4, 5, (queries + N, 3)) / 4).astype(np.float32)
    votes = Votes(random.integers(-1, 3, N), random.integers(0, 5, N) / 4)
    context = Context(
        queries=vectors[:queries],
        index=vectors[queries:],
        query_beliefs=beliefs(random, queries),
        index_beliefs=beliefs(random, N),
        index_votes=votes if random.random() < 0.5 else None,
        verify=Table((12.0 * random.integers(0, 6, (queries, N))).astype(np.float32)),
        pair_model=PairModel(*(random.integers(0, 5, 3) / [2, 16, -1])),
        background=Background(
            (random.integers(-2, 3, queries) / 4).astype(np.float32),
            random.choice([0.125, 0.25, 0.5], queries).astype(np.float32),
        ),
    )
    # Any scores, as after another re-ranker: they are not looked at.
    scores = np.where(pads, -np.inf, random.normal(size=ids.shape))
    return Ranking(np.where(pads, -1, ids), scores), context


def pairs(votes: Votes) -> list[tuple[int, float]]:
    return list(zip(votes.labels.tolist(), votes.scores.tolist(), strict=True))


def expected(literal: Any, ranking: Ranking, context: Context, row: int, n: int) -> Any:
    """What the literal form makes of one query, and the score of every index image."""
    background, model = context.need("background"), context.need("pair_model")
    alike = context.need("index") @ context.need("queries")[row]
    contrasts = ((alike - background.medians[row]) / background.spreads[row]).tolist()
    ids = ranking.ids[row].tolist()
    nats = context.need("verify").nats[row]
    weights = (model.per_root, model.per_nat, model.intercept)
    query, index = pairs(context.need("query_beliefs"))[row], pairs(context.need("index_beliefs"))
    votes = context.index_votes
    ties = [0.0] * N if votes is None else votes.scores.tolist()
    verified = [float(nats[i]) for i in ids[:n]]
    out = literal.fuse(ids, verified, query, index, contrasts, weights, ties)
    score = {
        image: literal.fused(
            image,
            float(nats[image]) if image in ids[:n] else 0.0,
            query,
            index,
            contrasts[image],
            weights,
        )
        for image in range(N)
    }
    return out, score


@pytest.mark.parametrize("n", [100, 3, 1])
def test_thousands_of_cases(literal: Any, n: int) -> None:
    for seed in range(600):
        ranking, context = random_case(seed)
        found = Fusion(n).rerank(ranking, context)
        assert found.ids.shape == ranking.ids.shape
        for row in range(len(ranking)):
            listed, score = expected(literal, ranking, context, row, n)
            assert found.scores[row] == pytest.approx([s for _, s in listed], rel=1e-5, abs=1e-5)
            real = [image for image in found.ids[row].tolist() if image != -1]
            # The same images, but where a rounding decides between two.
            assert [score[image] for image in real] == pytest.approx(
                [s for image, s in listed if image != -1], rel=1e-5, abs=1e-5
            )
            assert len(set(real)) == len(real)
            gaps = np.diff([s for _, s in listed if _ != -1])
            if (gaps < -1e-4).all() and len(real) < ranking.ids.shape[1]:
                assert found.ids[row].tolist() == [image for image, _ in listed], seed


@settings(deadline=None)
@given(SEEDS, st.integers(1, 20))
def test_without_beliefs_and_geometry_it_keeps_the_order_of_neighbours(seed: int, k: int) -> None:
    _, context = random_case(seed)
    queries, index = context.need("queries"), context.need("index")
    context.need("verify").nats[:] = 0
    nobody = Votes(np.full(len(queries), -1), np.zeros(len(queries)))
    plain = replace(context, query_beliefs=nobody, pair_model=PairModel())
    ranking = search_neighbors(queries, index, k)
    assert Fusion().rerank(ranking, plain).ids.tolist() == ranking.ids.tolist()


@settings(deadline=None)
@given(SEEDS)
def test_without_beliefs_nothing_comes_in(seed: int) -> None:
    ranking, context = random_case(seed)
    doubtful = replace(
        context, query_beliefs=Votes(np.full(len(ranking), -1), np.zeros(len(ranking)))
    )
    found = Fusion().rerank(ranking, doubtful)
    np.testing.assert_array_equal(np.sort(found.ids, axis=1), np.sort(ranking.ids, axis=1))


@settings(deadline=None)
@given(SEEDS)
def test_what_is_listed_stays_unless_the_list_is_full(seed: int) -> None:
    ranking, context = random_case(seed)
    found = Fusion().rerank(ranking, context)
    for before, after, scores in zip(ranking.ids, found.ids, found.scores, strict=True):
        real = after[after != -1]
        assert len(np.unique(real)) == len(real)
        assert ((real >= 0) & (real < N)).all()
        assert (after[len(real) :] == -1).all()
        assert np.isneginf(scores[len(real) :]).all()
        assert (np.diff(scores[: len(real)]) <= 0).all()
        assert (scores[: len(real)] >= 0).all()
        assert len(real) >= (before != -1).sum()
        if len(real) < len(after):
            assert set(before[before != -1].tolist()) <= set(real.tolist())


@settings(deadline=None)
@given(SEEDS, st.data())
def test_more_surprise_never_moves_an_image_down(seed: int, data: Any) -> None:
    ranking, context = random_case(seed)
    row = data.draw(st.integers(0, len(ranking) - 1))
    listed = ranking.ids[row][ranking.ids[row] != -1].tolist()
    if not listed:
        return
    image = data.draw(st.sampled_from(listed))
    before = Fusion().rerank(ranking, context).ids[row].tolist()
    context.need("verify").nats[row, image] += 8
    after = Fusion().rerank(ranking, context).ids[row].tolist()
    if image in before:
        assert after.index(image) <= before.index(image)
    # And nothing else changes places with anything else.
    both = [other for other in before if other in after and other not in (image, -1)]
    assert both == [other for other in after if other in both]


def test_only_the_first_are_verified_and_inserted_ones_never() -> None:
    ranking, context = random_case(3)
    sure = Votes(np.zeros(N), np.ones(N))
    told = replace(
        context,
        query_beliefs=Votes(np.zeros(len(ranking)), np.full(len(ranking), 0.9)),
        index_beliefs=sure,
    )
    Fusion(2).rerank(ranking, told)
    (asked,) = context.need("verify").asked
    assert asked.tolist() == ranking.ids[:, :2].tolist()


def test_certain_votes_are_the_two_steps() -> None:
    """Where nothing else is known, agreement sorts and inserts as published."""
    random = np.random.default_rng(2)
    index = random.standard_normal((40, 8)).astype(np.float32)
    labels = random.integers(0, 4, 40)
    queries = random.standard_normal((3, 8)).astype(np.float32)
    ranking = search_neighbors(queries, index, 20)
    query, sure = Votes(np.array([0, 1, -1]), np.array([1, 1, 0])), Votes(labels, np.ones(40))
    context = Context(
        queries=queries,
        index=index,
        query_beliefs=query,
        index_beliefs=sure,
        query_votes=query,
        index_votes=sure,
        verify=Table(np.zeros((3, 40), dtype=np.float32)),
        pair_model=PairModel(0.01, 0.1, -4.0),
        background=Background(np.zeros(3, dtype=np.float32), np.ones(3, dtype=np.float32)),
    )
    found = Fusion().rerank(ranking, context)
    published = TwoStage().rerank(ranking, context)
    assert np.isfinite(found.scores).all()
    for row in range(3):
        shows = labels[found.ids[row]] == query.labels[row]
        assert sorted(found.ids[row, shows]) == sorted(
            published.ids[row, labels[published.ids[row]] == query.labels[row]]
        )
        assert (np.diff(shows.astype(int)) <= 0).all()  # all of them first
        rest = [image for image in ranking.ids[row] if labels[image] != query.labels[row]]
        assert found.ids[row, ~shows].tolist() == rest[: (~shows).sum()]


def test_a_perfect_fit_outdoes_a_certain_vote() -> None:
    context = Context(
        queries=np.ones((1, 1), dtype=np.float32),
        index=np.float32([[0], [0], [1]]),
        query_beliefs=Votes(np.array([5]), np.ones(1)),
        index_beliefs=Votes(np.array([5, 5, 6]), np.ones(3)),
        verify=Table(np.float32([[0, 0, 500]])),
        pair_model=PairModel(),
        background=Background(np.float32([0]), np.float32([0.01])),
    )
    found = Fusion().rerank(Ranking(np.array([[0, 1, 2]]), np.zeros((1, 3))), context)
    assert found.ids.tolist() == [[2, 0, 1]]


def test_given_landmarks_come_in_by_their_votes() -> None:
    """Of more images than there is room for, those that the training set agrees with."""
    alike = np.ones((9, 1), dtype=np.float32)
    votes = Votes(np.full(9, 7), np.arange(9) / 9)
    context = Context(
        queries=np.ones((1, 1), dtype=np.float32),
        index=alike,
        query_beliefs=Votes(np.array([7]), np.array([0.9])),
        index_beliefs=Votes(np.full(9, 7), np.ones(9)),
        verify=Table(np.zeros((1, 9), dtype=np.float32)),
        pair_model=PairModel(),
        background=Background(np.zeros(1, dtype=np.float32), np.ones(1, dtype=np.float32)),
    )
    one = Ranking(np.array([[0, -1, -1]]), np.array([[1.0, -np.inf, -np.inf]]))
    assert Fusion().rerank(one, context).ids.tolist() == [[0, 1, 2]]
    told = replace(context, index_votes=votes)
    assert Fusion().rerank(one, told).ids.tolist() == [[0, 8, 7]]


@pytest.mark.parametrize("missing", PARTS)
def test_what_it_needs(missing: str) -> None:
    ranking, context = random_case(0)
    with pytest.raises(InputError) as caught:
        Fusion().rerank(ranking, replace(context, **{missing: None}))
    expected = "local features" if missing == "verify" else missing.replace("_", " ")
    assert expected in str(caught.value)


@pytest.mark.parametrize("n", [0, -5])
def test_at_least_one_is_verified(n: int) -> None:
    with pytest.raises(InputError, match=f"n is {n}; it must be at least 1"):
        Fusion(n)


def test_one_background_is_not_for_all() -> None:
    ranking, context = next(case for case in map(random_case, range(99)) if len(case[0]) > 1)
    one = Background(np.zeros(1, dtype=np.float32), np.ones(1, dtype=np.float32))
    with pytest.raises(InputError, match=f"{len(ranking)} rankings need as many backgrounds"):
        Fusion().rerank(ranking, replace(context, background=one))


def test_no_query() -> None:
    ranking, context = random_case(1)
    nothing = replace(
        context,
        queries=context.need("queries")[:0],
        query_beliefs=context.need("query_beliefs")[:0],
        verify=Table(np.zeros((0, N), dtype=np.float32)),
        background=Background(*(np.zeros(0, dtype=np.float32) for _ in range(2))),
    )
    assert Fusion().rerank(ranking[:0], nothing).ids.shape == (0, ranking.ids.shape[1])


def test_an_empty_index() -> None:
    _, context = random_case(1)
    queries = len(context.need("queries"))
    empty = replace(
        context,
        index=np.zeros((0, 3), dtype=np.float32),
        index_beliefs=Votes(np.zeros(0), np.zeros(0)),
        index_votes=None,
        verify=lambda ids: Verified(np.zeros(ids.shape, np.int32), np.full(ids.shape, np.nan)),
    )
    ranking = search_neighbors(context.need("queries"), empty.need("index"), 5)
    found = Fusion().rerank(ranking, empty)
    assert found.ids.tolist() == [[-1] * 5] * queries
    assert np.isneginf(found.scores).all()
