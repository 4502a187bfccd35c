"""The gated two steps against a literal form, and what they promise."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steeple.errors import InputError
from steeple.retrieval import Ranking, Votes
from steeple.retrieval.reranking import Context, GatedTwoStage, TwoStage
from steeple.retrieval.reranking.gated import likely

N = 14


def literal(
    ids: list[int],
    scores: list[float],
    query: tuple[int, float],
    evidence: float,
    index: list[tuple[int, float]],
    least: float = 0.5,
) -> list[int]:
    """One query: believed positives and closer images first, then insertions, then the rest."""
    width = len(ids)
    listed = [(image, score) for image, score in zip(ids, scores, strict=True) if image != -1]
    landmark, probability = query
    if not probability > least or landmark == -1:
        return ids

    def shows_it(image: int) -> bool:
        return index[image][0] == landmark and index[image][1] > least

    first = [image for image, score in listed if shows_it(image) or score > evidence]
    rest = [image for image, _ in listed if image not in first]
    there = {image for image, _ in listed}
    more = [image for image in range(len(index)) if image not in there and shows_it(image)]
    more.sort(key=lambda image: -index[image][1])
    out = [*first, *more, *rest][:width]
    return out + [-1] * (width - len(out))


def random_case(seed: int) -> tuple[Ranking, Context]:
    random = np.random.default_rng(seed)
    queries, width = int(random.integers(1, 4)), int(random.integers(1, 9))
    ids = np.stack([random.permutation(N)[:width] for _ in range(queries)])
    scores = -np.sort(-random.integers(0, 9, (queries, width)) / 8, axis=1).astype(np.float32)
    pads = np.arange(width) >= random.integers(0, width + 1, queries)[:, None]
    ranking = Ranking(np.where(pads, -1, ids), np.where(pads, -np.inf, scores))
    probabilities = random.integers(0, 9, N + queries) / 8
    labels = random.integers(-1, 3, N + queries)
    labels[probabilities == 0] = -1
    beliefs = Votes(labels, probabilities)
    evidence = np.where(beliefs.labels[N:] == -1, -np.inf, random.integers(0, 9, queries) / 8)
    context = Context(
        query_beliefs=beliefs[N:],
        index_beliefs=beliefs[:N],
        evidence=evidence.astype(np.float32),
    )
    return ranking, context


def pairs(votes: Votes) -> list[tuple[int, float]]:
    return list(zip(votes.labels.tolist(), votes.scores.tolist(), strict=True))


@pytest.mark.parametrize("least", [0.5, 0.25, 0.875])
def test_thousands_of_cases(least: float) -> None:
    for seed in range(1500):
        ranking, context = random_case(seed)
        found = GatedTwoStage(least).rerank(ranking, context)
        assert found.ids.shape == ranking.ids.shape
        for row, query in enumerate(pairs(context.need("query_beliefs"))):
            expected = literal(
                ranking.ids[row].tolist(),
                ranking.scores[row].tolist(),
                query,
                float(context.need("evidence")[row]),
                pairs(context.need("index_beliefs")),
                least,
            )
            assert found.ids[row].tolist() == expected, seed


def same(found: Ranking, ranking: Ranking) -> bool:
    return bool(
        np.array_equal(found.ids, ranking.ids) and np.array_equal(found.scores, ranking.scores)
    )


@given(st.integers(0, 10_000))
def test_where_nothing_is_likely_nothing_moves(seed: int) -> None:
    ranking, context = random_case(seed)
    query, index = context.need("query_beliefs"), context.need("index_beliefs")
    doubtful = Votes(query.labels, np.minimum(query.scores, 0.5))
    doubted = Context(query_beliefs=doubtful, index_beliefs=index, evidence=context.evidence)
    assert same(GatedTwoStage().rerank(ranking, doubted), ranking)


@given(st.integers(0, 10_000))
def test_with_unlikely_images_only_closer_ones_come_first(seed: int) -> None:
    ranking, context = random_case(seed)
    unlikely = Votes(context.need("index_beliefs").labels, np.full(N, 0.5))
    doubted = Context(
        query_beliefs=context.query_beliefs, index_beliefs=unlikely, evidence=context.evidence
    )
    # Scores descend, so the closer ones are in front already.
    assert same(GatedTwoStage().rerank(ranking, doubted), ranking)


@given(st.integers(0, 10_000))
def test_nothing_overtakes_a_closer_image(seed: int) -> None:
    ranking, context = random_case(seed)
    found = GatedTwoStage().rerank(ranking, context)
    for row, evidence in enumerate(context.need("evidence")):
        closer = [
            image
            for image, score in zip(ranking.ids[row].tolist(), ranking.scores[row], strict=True)
            if image != -1 and score > evidence
        ]
        assert found.ids[row, : len(closer)].tolist() == closer


@given(st.integers(0, 10_000))
def test_without_the_two_conditions_it_is_the_published_form(seed: int) -> None:
    ranking, context = random_case(seed)
    query, index = context.need("query_beliefs"), context.need("index_beliefs")
    nobody_closer = Context(
        query_beliefs=query,
        index_beliefs=index,
        evidence=np.full(len(ranking), np.inf, dtype=np.float32),
    )
    votes = Context(query_votes=query, index_votes=index)
    # What has probability 0 in these cases has no label either.
    assert same(
        GatedTwoStage(likely=0).rerank(ranking, nobody_closer),
        TwoStage(threshold=-10).rerank(ranking, votes),
    )


def test_it_is_strictly_above() -> None:
    beliefs = likely(Votes(np.array([4, 5, 6]), np.array([0.5, 0.75, 0.25])), 0.5)
    assert beliefs.labels.tolist() == [-1, 5, -1]
    assert beliefs.scores.tolist() == [0.5, 0.75, 0.25]


@pytest.mark.parametrize("missing", ["query_beliefs", "index_beliefs", "evidence"])
def test_what_it_needs(missing: str) -> None:
    ranking, context = random_case(0)
    parts: dict[str, Any] = {
        name: getattr(context, name) for name in ("query_beliefs", "index_beliefs", "evidence")
    }
    with pytest.raises(InputError, match=missing.replace("_", " ")):
        GatedTwoStage().rerank(ranking, Context(**{**parts, missing: None}))


@pytest.mark.parametrize("wrong", [-0.1, 1.1, float("nan")])
def test_a_probability_is_between_0_and_1(wrong: float) -> None:
    with pytest.raises(InputError, match=r"likely is .*between 0 and 1"):
        GatedTwoStage(wrong)


def test_no_query() -> None:
    ranking, context = random_case(1)
    nothing = Context(
        query_beliefs=context.need("query_beliefs")[:0],
        index_beliefs=context.index_beliefs,
        evidence=np.zeros(0, dtype=np.float32),
    )
    assert GatedTwoStage().rerank(ranking[:0], nothing).ids.shape == (0, ranking.ids.shape[1])


def test_closer_is_measured_in_similarity_whatever_ranked_before() -> None:
    """After another re-ranker the scores of a list are not similarities."""
    index = np.eye(4, dtype=np.float32)
    queries = np.array([[0.9, 0.1, 0.3, 0.2]], dtype=np.float32)
    context = Context(
        queries=queries,
        index=index,
        query_beliefs=Votes(np.array([7]), np.array([0.9])),
        index_beliefs=Votes(np.array([-1, -1, 7, -1]), np.array([0.0, 0, 0.9, 0])),
        evidence=np.array([0.5], dtype=np.float32),
    )
    other = Ranking(np.array([[0, 1, 2, 3]]), np.array([[9.0, 8, 7, 6]]))
    assert GatedTwoStage().rerank(other, context).ids.tolist() == [[0, 2, 1, 3]]


@given(st.integers(0, 10_000))
def test_each_query_is_measured_by_itself(seed: int) -> None:
    """Whatever is believed of the queries before and behind it."""
    ranking, context = random_case(seed)
    random = np.random.default_rng(seed)
    vectors = (random.integers(-4, 5, (N + len(ranking), 3)) / 4).astype(np.float32)
    measured = replace(context, queries=vectors[N:], index=vectors[:N])
    together = GatedTwoStage().rerank(ranking, measured)
    for row in range(len(ranking)):
        part = slice(row, row + 1)
        alone = replace(
            measured,
            queries=vectors[N:][part],
            query_beliefs=context.need("query_beliefs")[part],
            evidence=context.need("evidence")[part],
        )
        assert same(GatedTwoStage().rerank(ranking[part], alone), together[part])


def test_given_landmarks_come_in_by_their_vote_scores() -> None:
    beliefs = Votes(np.full(4, 7), np.ones(4))
    context = Context(
        query_beliefs=Votes(np.array([7]), np.array([0.9])),
        index_beliefs=beliefs,
        index_votes=Votes(np.full(4, 7), np.array([0.1, 0.4, 0.2, 0.3])),
        evidence=np.array([0.5], dtype=np.float32),
    )
    one = Ranking(np.array([[0, -1, -1, -1]]), np.array([[0.2, -np.inf, -np.inf, -np.inf]]))
    assert GatedTwoStage().rerank(one, context).ids.tolist() == [[0, 1, 3, 2]]
