"""Label-aware diffusion: beliefs change edges as stated, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steeple.errors import InputError
from steeple.retrieval import Ranking, Votes, search_neighbors
from steeple.retrieval.offline.graph import IndexGraph
from steeple.retrieval.reranking import Context
from steeple.retrieval.reranking.diffusion import Diffusion
from steeple.retrieval.reranking.label_diffusion import LabelAwareDiffusion

Floats = npt.NDArray[np.float32]


def unit(seed: int, n: int, d: int = 5) -> Floats:
    out = np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)
    return np.asarray(out / np.linalg.norm(out, axis=1, keepdims=True), dtype=np.float32)


def beliefs(labels: Any, chances: Any) -> Votes:
    return Votes(np.asarray(labels), np.broadcast_to(chances, np.shape(labels)))


def known(queries: Floats, index: Floats, asked: Votes, shown: Votes) -> Context:
    graph = IndexGraph(index, lambda queries, k: search_neighbors(queries, index, k))
    return Context(
        queries=queries, index=index, graph=graph, query_beliefs=asked, index_beliefs=shown
    )


def starts(
    alike: list[float],
    listed: list[int],
    asked: tuple[int, float],
    shown: Votes,
    *,
    kq: int,
    g: float,
    likely: float,
) -> list[float]:
    """The weight that diffusion starts with from each index image, one query, one rule at a time.

    Args:
        alike: similarity of the query to every index image.
        listed: the list.
        asked: what the query is believed to show.
        shown: what every index image is.
    """
    near = [image for image in listed[:kq] if image != -1]
    agreeing = []  # with how likely both are right
    for image in range(len(alike)):
        if asked[0] != -1 and int(shown.labels[image]) == asked[0]:
            both = float(np.float32(asked[1]) * np.float32(shown.scores[image]))
            if both > np.float32(likely):
                agreeing.append((image, both))
    far = sorted((pair for pair in agreeing if pair[0] not in near), key=lambda pair: -pair[1])
    believed = dict([pair for pair in agreeing if pair[0] in near] + far[:kq])
    weights = []
    for image, similarity in enumerate(alike):
        weight = 0.0
        if image in near and similarity > 0:
            weight = similarity**3 * factor(*asked, shown, image, g)
        weights.append(max(weight, believed.get(image, 0.0)))
    return weights


def factor(label: int, chance: float, shown: Votes, image: int, g: float) -> float:
    """By how much an edge to an image counts more, or less."""
    if label == -1 or shown.labels[image] == -1:
        return 1.0
    both = chance * float(shown.scores[image])
    return 1 + g * both if label == shown.labels[image] else 1 - both


def inverse(index: Floats, shown: Votes, g: float) -> npt.NDArray[np.float64]:
    """Row j: the diffusion from j, by the whole inverse; kd and truncate are the whole index."""
    n = len(index)
    affinity = np.maximum((index @ index.T).astype(np.float64), 0) ** 3
    for i in range(n):
        affinity[i, i] = 0
        for j in range(n):
            affinity[i, j] *= factor(int(shown.labels[i]), float(shown.scores[i]), shown, j, g)
    root = np.diag((affinity.sum(axis=1) + 1e-12) ** -0.5)
    return np.linalg.inv(np.eye(n) - 0.5 * root @ affinity @ root)


def test_who_joins() -> None:
    asked = Votes([7, -1, 5], [0.8, 0.9, 1.0])
    shown = Votes([7, 7, 7, 7, 7, -1, 5, 7, 7], [0.9, 0.5, 0.9, 1.0, 0.7, 1.0, 0.4, 0.65, 0.9])
    near = Ranking([[3, 5, 2]] * 3, [[0.5, 0.2, 0.0]] * 3)
    joined = LabelAwareDiffusion(kq=3)._joined(near, asked, shown)
    # 3 and 2 are near; 1 and 7 are less sure; equals by position; three at most.
    assert joined.ids.tolist() == [[0, 8, 4], [-1] * 3, [-1] * 3]
    np.testing.assert_allclose(joined.scores, [[0.72, 0.72, 0.56], [0] * 3, [0] * 3], rtol=1e-6)
    joined = LabelAwareDiffusion(kq=9, likely=0.3)._joined(near, asked, shown)
    assert joined.ids[0].tolist() == [0, 8, 4, 7, 1, -1, -1, -1, -1]
    assert joined.ids[2].tolist() == [6] + [-1] * 8


def weights(
    reranker: LabelAwareDiffusion,
    listed: Ranking,
    index: Floats,
    query: Floats,
    asked: tuple[int, float],
    shown: Votes,
) -> Floats:
    """What diffusion starts with from each image; with alpha = 0 it stays there."""
    assert reranker.alpha == 0
    context = known(query[None], index, Votes([asked[0]], [asked[1]]), shown)
    found = reranker.rerank(listed, context)
    out = np.zeros(len(index), dtype=np.float32)
    real = found.ids[0] != -1
    out[found.ids[0, real]] = found.scores[0, real]
    return out


def test_being_near_costs_nothing() -> None:
    """Sure of the landmark, an image counts by that until it counts more by similarity."""
    shown = Votes([7, 7, -1], [0.9, 0.9, 0.0])
    query = np.float32([1, 0, 0, 0])
    for similarity, expected in [(-0.5, 0.81), (0.0, 0.81), (0.3, 0.81), (0.9, 0.9**3 * 1.81)]:
        index = np.float32([[similarity, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
        index[0, 1] = np.sqrt(1 - similarity**2)
        plain = search_neighbors(query[None], index, 3)
        for kq in (1, 2, 10):
            reranker = LabelAwareDiffusion(alpha=0, kq=kq)
            found = weights(reranker, plain, index, query, (7, 0.9), shown)
            np.testing.assert_allclose(found, [expected, 0.81, 0], rtol=1e-6)


@given(
    seed=st.integers(0, 10**6),
    kq=st.integers(1, 6),
    likely=st.sampled_from([0.0, 0.25, 0.5]),
    strength=st.sampled_from([0.0, 1.0, 3.0]),
    similarities=st.tuples(st.floats(-1, 1), st.floats(-1, 1)),
)
def test_more_similar_never_weighs_less(
    seed: int, kq: int, likely: float, strength: float, similarities: tuple[float, float]
) -> None:
    """Whatever the rest of the index is, of an image that agrees with the query."""
    random = np.random.default_rng(seed)
    index, query = unit(seed, 8), np.float32([1, 0, 0, 0, 0])
    labels, chances = random.integers(6, 8, 8), random.random(8)
    labels[0], asked = 7, (7, float(random.random()))
    reranker = LabelAwareDiffusion(alpha=0, kq=kq, likely=likely, strength=strength)
    found = []
    for similarity in sorted(similarities):
        index[0] = [similarity, np.sqrt(1 - similarity**2), 0, 0, 0]
        plain = search_neighbors(query[None], index, 8)
        found.append(weights(reranker, plain, index, query, asked, Votes(labels, chances))[0])
    assert found[1] >= found[0] - 1e-6


@given(seed=st.integers(0, 10**6), kq=st.integers(1, 12), strength=st.sampled_from([0.0, 1.0, 2.5]))
def test_the_start(seed: int, kq: int, strength: float) -> None:
    """Behind another re-ranker: lists in any order, with pads, their scores no similarities."""
    random = np.random.default_rng(seed)
    index, query = unit(seed, 9), unit(seed + 1, 1)[0]
    asked = (int(random.integers(-1, 2)), float(random.random()))
    shown = Votes(random.integers(-1, 2, 9), random.random(9))
    ids = random.permutation(9)
    listed = Ranking([np.where(random.random(9) < 0.2, -1, ids)], [random.normal(size=9)])
    reranker = LabelAwareDiffusion(alpha=0, kq=kq, likely=0.2, strength=strength)
    found = weights(reranker, listed, index, query, asked, shown)
    alike = [float(sum(image * query)) for image in index.astype(float)]
    expected = starts(alike, listed.ids[0].tolist(), asked, shown, kq=kq, g=strength, likely=0.2)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_as_likely_as_asked_is_not_more() -> None:
    """It has to exceed `likely`, near and far."""
    index = np.float32([[0.25, 0.968246, 0], [0, 0, 1], [-1, 0, 0]])
    query = np.float32([1, 0, 0])
    shown = Votes([7, 7, 7], [0.5, 0.5, 0.5])
    plain = search_neighbors(query[None], index, 3)
    for likely, expected in [(0.5, [0.25**3 * 1.5, 0, 0]), (0.499, [0.5, 0.5, 0])]:
        reranker = LabelAwareDiffusion(alpha=0, kq=1, likely=likely)
        found = weights(reranker, plain, index, query, (7, 1.0), shown)
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_what_joins_brings_along_what_looks_like_it() -> None:
    # Two views that share nothing; the query shows the first, and knows its landmark.
    view = np.zeros((6, 6), dtype=np.float32)
    view[:3, 0], view[3:, 3] = 1, 1
    view[np.arange(6), [1, 2, 4, 1, 2, 5]] += np.float32(0.3)
    index = view / np.linalg.norm(view, axis=1, keepdims=True)
    shown = Votes([7, -1, -1, 7, -1, -1], [0.9] * 6)
    plain = search_neighbors(index[:1], index, 6)
    believed = known(index[:1], index, beliefs([7], 0.9), shown)
    found = LabelAwareDiffusion(kq=2, kd=3).rerank(plain, believed)
    assert (found.scores > 0).all()  # 4 and 5, of which nothing is known, came with 3
    unsure = known(index[:1], index, beliefs([7], 0.5), shown)
    found = LabelAwareDiffusion(kq=2, kd=3).rerank(plain, unsure)
    assert found.scores[0, found.ids[0] > 2].tolist() == [0, 0, 0]


@pytest.mark.parametrize("strength", [0.0, 1.0, 2.5])
def test_the_formula(strength: float) -> None:
    random = np.random.default_rng(int(10 * strength))
    for seed in range(8):
        index, queries = unit(seed, 14), unit(seed + 100, 3)
        shown = Votes(random.integers(-1, 3, 14), random.random(14))
        asked = Votes(random.integers(-1, 3, 3), random.random(3))
        plain = search_neighbors(queries, index, 14)
        # With alpha = 0.5 twenty steps are enough, so that the inverse is what they find.
        reranker = LabelAwareDiffusion(kq=6, kd=20, alpha=0.5, strength=strength, likely=0.2)
        found = reranker.rerank(plain, known(queries, index, asked, shown))
        for q in range(3):
            alike = [float(sum(image * queries[q])) for image in index.astype(float)]
            query = (int(asked.labels[q]), float(asked.scores[q]))
            near = plain.ids[q].tolist()
            weight = starts(alike, near, query, shown, kq=6, g=strength, likely=0.2)
            total = np.array(weight) @ inverse(index, shown, strength)
            np.testing.assert_allclose(found.scores[q], total[found.ids[q]], atol=1e-5)


def test_without_beliefs_it_is_diffusion() -> None:
    index, queries = unit(1, 40), unit(2, 5)
    plain = search_neighbors(queries, index, 20)
    nobody = known(queries, index, beliefs([-1] * 5, 0.9), beliefs([-1] * 40, 0.9))
    found = LabelAwareDiffusion(kd=8).rerank(plain, nobody)
    expected = Diffusion(kd=8, alpha=0.8).rerank(plain, nobody)
    np.testing.assert_array_equal(found.ids, expected.ids)
    np.testing.assert_array_equal(found.scores, expected.scores)


def street() -> Floats:
    """Two landmarks, five photos each, in one row of images each like the next."""
    arc = np.deg2rad(np.arange(0, 100, 10))
    return np.stack([np.cos(arc), np.sin(arc)], axis=1).astype(np.float32)


def test_a_chain_ends_where_the_landmark_ends() -> None:
    index = street()
    plain = search_neighbors(index[:1], index, 10)
    asked, shown = beliefs([7], 1.0), beliefs([7] * 5 + [8] * 5, 1.0)
    context = known(index[:1], index, asked, shown)
    found = LabelAwareDiffusion(kq=2, kd=3).rerank(plain, context)
    assert set(found.ids[0, :5].tolist()) == {0, 1, 2, 3, 4}
    assert found.scores[0, 5:].tolist() == [0] * 5
    assert found.ids[0, 5:].tolist() == [5, 6, 7, 8, 9]
    assert (Diffusion(kq=2, kd=3).rerank(plain, context).scores > 0).all()


def test_guesses_change_little() -> None:
    index = street()
    plain = search_neighbors(index[:1], index, 10)
    unsure = known(index[:1], index, beliefs([7], 0.1), beliefs([7] * 5 + [8] * 5, 0.1))
    found = LabelAwareDiffusion(kq=2, kd=3).rerank(plain, unsure)
    expected = Diffusion(kq=2, kd=3, alpha=0.8).rerank(plain, unsure)
    order = [np.argsort(ranking.ids[0]) for ranking in (found, expected)]
    ratio = found.scores[0, order[0]] / expected.scores[0, order[1]]
    assert np.abs(ratio - 1).max() < 0.1


def test_other_beliefs_are_computed_anew_and_the_same_are_not() -> None:
    index, queries = unit(1, 30), unit(2, 2)
    plain = search_neighbors(queries, index, 10)
    shown = beliefs([1, 2, 3] * 10, 0.9)
    context = known(queries, index, beliefs([1, 2], 0.9), shown)
    heard: list[str] = []
    assert context.graph is not None
    context.graph.told = lambda what, done, total: heard.append(what)
    first = LabelAwareDiffusion(kd=8).rerank(plain, context)
    LabelAwareDiffusion(kd=8).rerank(plain, context)
    assert heard == ["neighbourhoods", "diffusion"]
    for changed in (beliefs([1, 3, 2] * 10, 0.9), beliefs([1, 2, 3] * 10, 0.8)):
        other = replace(context, index_beliefs=changed)
        found = LabelAwareDiffusion(kd=8).rerank(plain, other)
        assert (found.scores != first.scores).any()
    assert heard == ["neighbourhoods", "diffusion", "diffusion", "diffusion"]
    assert LabelAwareDiffusion(kd=8).rerank(plain, context).ids.tolist() == first.ids.tolist()


@pytest.mark.parametrize("changed", [{"strength": 2.0}, {"kd": 4}, {"alpha": 0.5}, {"gamma": 2.0}])
def test_numbers_share_nothing(changed: dict[str, Any]) -> None:
    index, queries = unit(1, 30), unit(2, 2)
    plain = search_neighbors(queries, index, 10)
    beliefs_ = beliefs([1, 2], 0.9), beliefs([1, 2, 3] * 10, 0.9)
    kept, fresh = (known(queries, index, *beliefs_) for _ in range(2))
    LabelAwareDiffusion(kd=8).rerank(plain, kept)
    found = LabelAwareDiffusion(**{"kd": 8, **changed}).rerank(plain, kept)
    expected = LabelAwareDiffusion(**{"kd": 8, **changed}).rerank(plain, fresh)
    np.testing.assert_array_equal(found.ids, expected.ids)
    np.testing.assert_array_equal(found.scores, expected.scores)


def test_more_neighbours_than_there_are_take_no_room() -> None:
    index, queries = unit(1, 20), unit(2, 3)
    plain = search_neighbors(queries, index, 10)
    context = known(queries, index, beliefs([1, 2, 3], 0.9), beliefs([1, 2] * 10, 0.9))
    found = LabelAwareDiffusion(kq=2**31 - 1).rerank(plain, context)
    every = LabelAwareDiffusion(kq=20).rerank(plain, context)
    np.testing.assert_array_equal(found.ids, every.ids)
    np.testing.assert_array_equal(found.scores, every.scores)


def test_empty_index_and_what_does_not_fit() -> None:
    nothing, one = np.zeros((0, 5), dtype=np.float32), unit(1, 1)
    plain = search_neighbors(one, nothing, 3)
    context = known(one, nothing, beliefs([4], 0.9), beliefs(np.zeros(0, int), 0.9))
    assert LabelAwareDiffusion().rerank(plain, context).ids.tolist() == [[-1, -1, -1]]
    index = unit(2, 6)
    plain = search_neighbors(one, index, 3)
    many = known(one, index, beliefs([4, 4], 0.9), beliefs([4] * 6, 0.9))
    with pytest.raises(InputError, match="1 rankings need as many query beliefs, not 2"):
        LabelAwareDiffusion().rerank(plain, many)
    few = known(one, index, beliefs([4], 0.9), beliefs([4] * 5, 0.9))
    with pytest.raises(InputError, match="6 index images need as many index beliefs, not 5"):
        LabelAwareDiffusion().rerank(plain, few)
    with pytest.raises(InputError, match="query beliefs"):
        LabelAwareDiffusion().rerank(Ranking([[0]], [[1]]), Context())
    for wrong in (-0.5, float("nan"), float("inf"), 1e300):
        with pytest.raises(InputError, match="strength is"):
            LabelAwareDiffusion(strength=wrong)
    with pytest.raises(InputError, match="a probability is between"):
        LabelAwareDiffusion(likely=1.5)
    with pytest.raises(InputError, match="alpha is 1"):
        LabelAwareDiffusion(alpha=1)
