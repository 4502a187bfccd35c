"""The training set's neighbours with something left out, read aloud one image at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steeple.retrieval import Ranking, Votes
from steeple.retrieval import leaving_out as module
from steeple.retrieval.leaving_out import LeftOut, leave_out, without_self
from steeple.retrieval.neighbors import Block

Floats = npt.NDArray[np.float32]
PAD = (-1, -np.inf)


class TestWithoutSelf:
    @settings(deadline=None)
    @given(
        st.lists(st.permutations(range(5)), min_size=1, max_size=4), st.integers(1, 5), st.data()
    )
    def test_it_is_leaving_one_out(self, rows: list[list[int]], width: int, data: Any) -> None:
        ids = np.array(rows)[:, :width]
        scores = np.tile(np.linspace(1, 0, width, dtype=np.float32), (len(rows), 1))
        own = np.array(
            data.draw(st.lists(st.integers(0, 7), min_size=len(rows), max_size=len(rows)))
        )
        found = without_self(Ranking(ids, scores), own)
        assert found.ids.shape == found.scores.shape == (len(rows), width - 1)
        for row in range(len(rows)):
            kept = [place for place in range(width) if ids[row, place] != own[row]][: width - 1]
            assert found.ids[row].tolist() == ids[row, kept].tolist()
            assert found.scores[row].tolist() == scores[row, kept].tolist()

    def test_pads_stay(self) -> None:
        ranking = Ranking(np.array([[4, 7, -1], [7, -1, -1]]), np.array([[1, 0, -np.inf]] * 2))
        assert without_self(ranking, np.array([7, 9])).ids.tolist() == [[4, -1], [7, -1]]

    def test_of_nothing(self) -> None:
        empty = Ranking(np.zeros((0, 3)), np.zeros((0, 3)))
        assert without_self(empty, np.zeros(0, dtype=np.int64)).ids.shape == (0, 2)


def dyadic(random: np.random.Generator, n: int) -> Floats:
    """Short numbers, whose inner products are exact and often equal."""
    return (random.integers(-4, 5, (n, 3)) / 4).astype(np.float32)


def pieces(vectors: Floats, at: int) -> list[Block]:
    numbers = np.arange(len(vectors))
    return [(numbers[:at], vectors[:at]), (numbers[at:], vectors[at:])]


def literal(vectors: Floats, labels: Any, own: int, k: int, *, known: bool) -> list[Any]:
    """The k nearest training images that may be looked at, (position, score)."""
    near = []
    for other in range(len(vectors)):
        if other == own or (not known and labels[other] == labels[own]):
            continue
        pairs = zip(vectors[own].tolist(), vectors[other].tolist(), strict=True)
        near.append((other, sum(x * y for x, y in pairs)))
    near.sort(key=lambda pair: -pair[1])  # stable: equals in the order of the training set
    return (near + [PAD] * k)[:k]


@settings(deadline=None)
@given(st.integers(0, 10_000))
def test_thousands_of_training_sets(seed: int) -> None:
    random = np.random.default_rng(seed)
    n, k = int(random.integers(1, 12)), int(random.integers(1, 8))
    vectors, labels = dyadic(random, n), random.integers(0, 4, n)
    sample = np.sort(random.choice(n, int(random.integers(1, n + 1)), replace=False))
    blocks = pieces(vectors, int(random.integers(0, n + 1)))
    known, unknown = leave_out(vectors[sample], labels, sample, blocks, k)
    for left, is_known in ((known, True), (unknown, False)):
        assert left.neighbours.ids.shape == (len(sample), k)
        assert left.truth.tolist() == labels[sample].tolist()
        for row, own in enumerate(sample.tolist()):
            expected = literal(vectors, labels, own, k, known=is_known)
            assert left.neighbours.ids[row].tolist() == [image for image, _ in expected]
            assert left.neighbours.scores[row].tolist() == [score for _, score in expected]
    counts = np.bincount(labels, minlength=4)
    # The only photo of a landmark, left out, is no photo of a landmark that others know.
    assert known.usable.tolist() == (counts[labels[sample]] > 1).tolist()
    assert unknown.usable.all()


def test_a_landmark_wider_than_the_search_says_nothing_of_outsiders(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_WIDEST", 3)
    random = np.random.default_rng(0)
    vectors = random.standard_normal((16, 3)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[:12] = [1, 0, 0]  # twelve of one landmark, all alike
    labels = np.array([0] * 12 + [1, 2, 3, 4])
    sample = np.array([0, 5, 13])
    known, unknown = leave_out(vectors[sample], labels, sample, [(np.arange(16), vectors)], 2)
    assert known.usable.tolist() == [True, True, False]
    assert unknown.usable.tolist() == [False, False, True]


def test_what_can_be_used_as_evidence() -> None:
    neighbours = Ranking(np.zeros((4, 1)), np.zeros((4, 1)))
    usable = np.array([True, False, True, True])
    left = LeftOut(neighbours, np.array([5, 5, 6, 7]), usable)
    votes = Votes(np.array([5, 5, 5, -1]), np.array([0.5, 0.5, 0.5, 0]))
    found = left.evidence(votes, np.array([2, 2, 3, 0], dtype=np.float32))
    assert found.strengths.tolist() == [2, 3]
    assert found.right.tolist() == [True, False]
