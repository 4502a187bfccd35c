"""Label-aware diffusion: beliefs change edges as stated, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

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


def literal(
    index: Floats, asked: tuple[int, float], shown: Votes, plain: Any, g: float, likely: float
) -> npt.NDArray[np.float64]:
    """All scores of one query, with the whole inverse; kd and truncate are the whole index."""
    kq = len(plain)
    n = len(index)

    def factor(label: int, chance: float, j: int) -> float:
        if label == -1 or shown.labels[j] == -1:
            return 1.0
        both = chance * float(shown.scores[j])
        return 1 + g * both if label == shown.labels[j] else 1 - both

    affinity = np.maximum((index @ index.T).astype(np.float64), 0) ** 3
    for i in range(n):
        affinity[i, i] = 0
        for j in range(n):
            affinity[i, j] *= factor(int(shown.labels[i]), float(shown.scores[i]), j)
    root = np.diag((affinity.sum(axis=1) + 1e-12) ** -0.5)
    inverse = np.linalg.inv(np.eye(n) - 0.5 * root @ affinity @ root)
    total = np.zeros(n)
    for j, score in plain:
        total += max(float(score), 0.0) ** 3 * factor(*asked, int(j)) * inverse[j]
    # An edge of a certain disagreement weighs nothing, and what weighs nothing may still join;
    # with the chances drawn here none is certain.
    there = [int(j) for j, score in plain if score > 0]
    joins = []
    for j in range(n):
        both = np.float32(asked[1]) * np.float32(shown.scores[j])
        if asked[0] != -1 and asked[0] == shown.labels[j] and j not in there and both > likely:
            joins.append((j, both))
    for j, both in sorted(joins, key=lambda pair: -shown.scores[pair[0]])[:kq]:
        total += both * inverse[j]
    return total


def test_who_joins() -> None:
    asked = Votes([7, -1, 5], [0.8, 0.9, 1.0])
    shown = Votes([7, 7, 7, 7, 7, -1, 5, 7, 7], [0.9, 0.5, 0.9, 1.0, 0.7, 1.0, 0.4, 0.65, 0.9])
    start = Ranking([[3, 5, 2]] * 3, [[0.5, 0.2, 0.0]] * 3)
    joined = LabelAwareDiffusion(kq=3)._joined(start, asked, shown)
    # 3 is there already; 2 only in name; 1 is too uncertain; equals by position; three at most.
    assert joined.ids.tolist() == [[0, 2, 8], [-1] * 3, [-1] * 3]
    np.testing.assert_allclose(joined.scores, [[0.72] * 3, [0] * 3, [0] * 3], rtol=1e-6)
    joined = LabelAwareDiffusion(kq=9, likely=0.3)._joined(start, asked, shown)
    assert joined.ids[0].tolist() == [0, 2, 8, 4, 7, 1, -1, -1, -1]
    assert joined.ids[2].tolist() == [6] + [-1] * 8


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
            top = list(zip(plain.ids[q, :6], plain.scores[q, :6], strict=True))
            query = (int(asked.labels[q]), float(asked.scores[q]))
            total = literal(index, query, shown, top, strength, 0.2)
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
        other = Context(
            graph=context.graph, query_beliefs=context.query_beliefs, index_beliefs=changed
        )
        found = LabelAwareDiffusion(kd=8).rerank(plain, other)
        assert (found.scores != first.scores).any()
    assert heard == ["neighbourhoods", "diffusion", "diffusion", "diffusion"]
    assert LabelAwareDiffusion(kd=8).rerank(plain, context).ids.tolist() == first.ids.tolist()


def test_empty_index_and_what_does_not_fit() -> None:
    nothing, one = np.zeros((0, 5), dtype=np.float32), unit(1, 1)
    plain = search_neighbors(one, nothing, 3)
    context = known(one, nothing, beliefs([4], 0.9), beliefs(np.zeros(0, int), 0.9))
    assert LabelAwareDiffusion().rerank(plain, context).ids.tolist() == [[-1, -1, -1]]
    index = unit(2, 6)
    plain = search_neighbors(one, index, 3)
    many = known(one, index, beliefs([4, 4], 0.9), beliefs([4] * 6, 0.9))
    with pytest.raises(InputError, match="1 rankings need as many beliefs, not 2"):
        LabelAwareDiffusion().rerank(plain, many)
    few = known(one, index, beliefs([4], 0.9), beliefs([4] * 5, 0.9))
    with pytest.raises(InputError, match="6 index images need as many beliefs, not 5"):
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
