"""Early decisions are the decisions; each pair is verified once."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from steeple.cleaning.checking import Lists, check
from steeple.cleaning.rule import Rule
from steeple.geometry.features import Features
from steeple.geometry.verification import Verification

RULE = Rule(inliers=1, surprise=10.0, pairs=3)


class Numbered:
    """Features that say which image they are of."""

    def __init__(self, named):
        self.named = named

    def __getitem__(self, place):
        return Features(
            np.full((1, 3), self.named[place], dtype=np.float32),
            np.zeros((1, 4), dtype=np.float32),
        )


class Table:
    """A verifier that looks the answer up and notes down who was asked."""

    def __init__(self, surprises):
        self.surprises = surprises
        self.asked = []

    def __call__(self, a, b):
        pair = int(a.keypoints[0, 0]), int(b.keypoints[0, 0])
        self.asked.append(pair)
        surprise = float(self.surprises[pair])
        return Verification(int(surprise), None, np.zeros((0, 2), dtype=np.int32), surprise)


@st.composite
def problems(draw):
    """Lists of some images among up to 12, and what each pair would give."""
    count = draw(st.integers(2, 12))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    surprises = np.triu(random.choice([0.0, 5.0, 12.0, 40.0], (count, count)), 1)
    images = np.sort(random.choice(count, random.integers(1, count + 1), replace=False))
    width = int(random.integers(1, count + 1))
    others = np.full((len(images), width), -1)
    for row, image in enumerate(images):
        some = random.permutation(np.delete(np.arange(count), image))[: random.integers(width + 1)]
        others[row, : len(some)] = some
    named = np.union1d(images, others[others >= 0])
    return Lists(images, others, named, Numbered(named)), surprises


@given(problems())
def test_all_pairs_are_what_a_loop_counts(problem):
    lists, surprises = problem
    verifier = Table(surprises)
    found = check(lists, RULE, verifier, everything=True)
    for row, image in enumerate(lists.images):
        others = [other for other in lists.others[row] if other >= 0]
        values = [surprises[min(image, other), max(image, other)] for other in others]
        assert found.listed[row] == found.tried[row] == len(others)
        assert found.counted[row] == sum(value >= 10 for value in values)
        assert found.surprise[row] == max(values, default=0)
        if others:
            partner = found.partner[row]
            assert surprises[min(image, partner), max(image, partner)] == max(values)
        else:
            assert found.partner[row] == -1
    assert len(verifier.asked) == len(set(verifier.asked)) == found.asked.sum()
    assert all(a < b for a, b in verifier.asked)


@given(problems(), st.integers(1, 5))
def test_early_decisions_are_the_same(problem, pairs):
    lists, surprises = problem
    rule = Rule(inliers=1, surprise=10.0, pairs=pairs)
    everything = check(lists, rule, Table(surprises), everything=True)
    verifier = Table(surprises)
    early = check(lists, rule, verifier)
    assert ((early.counted >= pairs) == (everything.counted >= pairs)).all()
    assert early.asked.sum() == len(verifier.asked) <= everything.asked.sum()
    assert (early.tried <= early.listed).all()


def test_who_cannot_reach_enough_is_not_tried():
    named = np.arange(3)
    lists = Lists(np.array([0]), np.array([[1, 2]]), named, Numbered(named))
    verifier = Table(np.full((3, 3), 99.0))
    assert check(lists, RULE, verifier).tried.tolist() == [0]
    assert verifier.asked == []
