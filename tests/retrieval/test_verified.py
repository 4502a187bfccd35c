"""Verified votes against their definition, and what the judge learns."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steeple.retrieval import Ranking
from steeple.retrieval import verified as module
from steeple.retrieval.calibration import Calibration
from steeple.retrieval.contrast import Background, measure_background
from steeple.retrieval.pairs import PairModel
from steeple.retrieval.verified import Judge, fit_judge, likeliest, verified_votes
from steeple.retrieval.voting import count_votes

Floats = npt.NDArray[np.float32]
T = 9


def random_case(seed: int) -> tuple[Ranking, Floats, Background, PairModel]:
    """Neighbours whose odds are exact and often tie; some pairs not verified, some pads."""
    random = np.random.default_rng(seed)
    n, width = int(random.integers(1, 5)), int(random.integers(1, T + 1))
    ids = np.stack([random.permutation(T)[:width] for _ in range(n)])
    scores = -np.sort(-random.integers(0, 9, (n, width)) / 8, axis=1).astype(np.float32)
    pads = np.arange(width) >= random.integers(0, width + 1, n)[:, None]
    surprises = 20.0 * random.integers(0, 4, (n, width))
    surprises[(random.random((n, width)) < 0.2) | pads] = np.nan
    medians, spreads = random.integers(1, 5, n) / 8, random.choice([1, 2, 4], n) / 16
    ranking = Ranking(np.where(pads, -1, ids), np.where(pads, -np.inf, scores))
    background = Background(medians.astype(np.float32), spreads.astype(np.float32))
    return ranking, surprises.astype(np.float32), background, PairModel(0.5, 0.125, -2.0)


def literal_odds(
    literal: Any,
    ranking: Ranking,
    surprises: Floats,
    background: Background,
    model: PairModel,
    row: int,
) -> list[tuple[int, float]]:
    """Of one image: (training image, log-odds), most likely first."""
    out = []
    for image, score, nats in zip(
        ranking.ids[row].tolist(),
        ranking.scores[row].tolist(),
        surprises[row].tolist(),
        strict=True,
    ):
        if image == -1:
            continue
        contrast = (score - float(background.medians[row])) / float(background.spreads[row])
        weights = (model.per_root, model.per_nat, model.intercept)
        out.append((image, literal.pair_odds(contrast, nats, weights)))
    return sorted(out, key=lambda pair: -pair[1])  # stable


@settings(deadline=None)
@given(st.integers(0, 100_000))
def test_the_likeliest_come_first(literal: Any, seed: int) -> None:
    case = random_case(seed)
    found = likeliest(*case)
    width = case[0].ids.shape[1]
    assert found.ids.shape == (len(case[0]), width)
    assert found.scores.dtype == np.float32
    for row in range(len(found)):
        expected = literal_odds(literal, *case, row)
        pads = width - len(expected)
        assert found.ids[row].tolist() == [image for image, _ in expected] + [-1] * pads
        odds = [value for _, value in expected] + [-np.inf] * pads
        np.testing.assert_allclose(found.scores[row], odds, atol=1e-5)


@settings(deadline=None)
@given(st.integers(0, 100_000), st.integers(1, 4))
def test_verified_votes_are_their_definition(literal: Any, seed: int, k: int) -> None:
    case = random_case(seed)
    labels = np.random.default_rng(seed).integers(0, 3, T)
    found = verified_votes(likeliest(*case), labels, k)
    for row in range(len(found)):
        totals: dict[int, float] = {}
        for image, odds in literal_odds(literal, *case, row)[:k]:
            weight = math.log1p(math.exp(odds))
            totals[int(labels[image])] = totals.get(int(labels[image]), 0.0) + weight
        if not totals:
            assert (found.labels[row], found.scores[row]) == (-1, 0)
            continue
        # The first met of equals, but a rounding apart is equal, too.
        most = max(totals.values())
        assert totals[int(found.labels[row])] == pytest.approx(most, rel=1e-5)
        assert found.scores[row] == pytest.approx(most / k, rel=1e-5)


@settings(deadline=None)
@given(st.integers(0, 100_000), st.sampled_from([np.nan, 0.0, 48.0]), st.integers(1, 4))
def test_where_all_surprises_are_equal_the_nearest_vote(seed: int, nats: float, k: int) -> None:
    ranking, surprises, background, model = random_case(seed)
    equal = np.full_like(surprises, nats)
    found = likeliest(ranking, equal, background, model)
    assert found.ids.tolist() == ranking.ids.tolist()
    # And if all of them say the same, they win, whatever the others say.
    labels = np.full(T, 4)
    plain = count_votes(ranking, labels, k)
    assert verified_votes(found, labels, k).labels.tolist() == plain.labels.tolist()


@settings(deadline=None)
@given(st.integers(0, 100_000), st.data())
def test_more_surprise_never_moves_a_candidate_down(seed: int, data: Any) -> None:
    ranking, surprises, background, model = random_case(seed)
    row = data.draw(st.integers(0, len(ranking) - 1))
    column = data.draw(st.integers(0, ranking.ids.shape[1] - 1))
    image = ranking.ids[row, column]
    if image == -1:
        return
    before = likeliest(ranking, surprises, background, model).ids[row].tolist().index(image)
    surprises[row, column] = np.nan_to_num(surprises[row, column]) + 8
    after = likeliest(ranking, surprises, background, model).ids[row].tolist().index(image)
    assert after <= before


@pytest.mark.parametrize("odds", [-1e30, -500.0, -30.0])
def test_an_unlikely_vote_is_a_vote(odds: float) -> None:
    """Strength 0 would say that nobody voted."""
    found = verified_votes(Ranking(np.array([[2]]), np.array([[odds]])), np.arange(5), 3)
    assert found.labels.tolist() == [2]
    assert found.scores[0] > 0
    assert 0 < Judge().votes.probability(found.scores)[0] < 1e-6


def test_three_coin_tosses_that_agree_are_one() -> None:
    candidates = Ranking(np.array([[0, 1, 2]]), np.zeros((1, 3)))
    found = verified_votes(candidates, np.zeros(3, dtype=np.int64), 3)
    assert Judge().votes.probability(found.scores)[0] == pytest.approx(0.5)


def test_geometry_outvotes_similarity() -> None:
    """The right one is the fifth nearest, and the only one that fits."""
    ranking = Ranking(np.array([[0, 1, 2, 3, 4]]), np.array([[0.5, 0.49, 0.48, 0.47, 0.46]]))
    background = Background(np.float32([0.3]), np.float32([0.1]))
    surprises = np.float32([[0, 2, 0, 1, 200]])
    found = likeliest(ranking, surprises, background, PairModel())
    votes = verified_votes(found, np.array([7, 7, 7, 7, 8]), 3)
    assert found.ids[0, 0] == 4
    assert votes.labels.tolist() == [8]


@pytest.mark.parametrize(("n", "width", "training"), [(0, 4, 3), (2, 0, 3), (2, 4, 0)])
def test_of_nothing(n: int, width: int, training: int) -> None:
    ranking = Ranking(np.full((n, width), -1), np.full((n, width), -np.inf))
    background = Background(*(np.zeros(n, dtype=np.float32) for _ in range(2)))
    found = likeliest(ranking, np.full((n, width), np.nan, np.float32), background, PairModel())
    assert found.ids.shape == (n, width)
    votes = verified_votes(found, np.zeros(training, dtype=np.int64), 3)
    assert votes.labels.tolist() == [-1] * n
    assert votes.scores.tolist() == [0] * n


class Places:
    """A training set of landmarks, and a geometry that knows them."""

    def __init__(self, landmarks: int, each: int, spread: float, seed: int = 0) -> None:
        random = np.random.default_rng(seed)
        self.labels = np.arange(landmarks * each) % landmarks
        vectors = random.standard_normal((landmarks, 24))[self.labels]
        vectors = vectors + spread * random.standard_normal(vectors.shape)
        self.vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
        size = (len(self.labels),) * 2
        same = self.labels[:, None] == self.labels
        self.nats = np.where(same, random.normal(60, 25, size), random.exponential(3, size))
        self.nats = np.maximum(self.nats, 0).astype(np.float32)
        self.asked: list[Any] = []

    def fit(self, sample: Any = None, labels: Any = None) -> Judge:
        labels = self.labels if labels is None else labels
        sample = np.arange(len(labels)) if sample is None else sample

        def verify(candidates: Any) -> Any:
            self.asked.append(candidates)
            found = self.nats[sample[:, None], candidates]
            return np.where(candidates == -1, np.float32(np.nan), found)

        mine = self.vectors[sample]
        background = measure_background(mine, self.vectors)
        blocks = [(np.arange(len(labels)), self.vectors[: len(labels)])]
        return fit_judge(mine, background, labels, sample, blocks, verify=verify, k=3)


class TestJudge:
    def test_geometry_is_believed_where_it_is_right(self) -> None:
        places = Places(30, 5, 2.0)
        judge = places.fit()
        assert judge.votes.sampled == 150
        assert judge.pairs.sampled > 1000
        assert judge.pairs.per_nat > 0.05
        strong = np.float32([judge.pairs.odds(np.float32([2]), np.float32([80]))[0]])
        strength = np.logaddexp(0, strong)  # of three voters, all of them fitting
        assert judge.votes.probability(strength)[0] > 0.9
        weak = np.logaddexp(0, judge.pairs.odds(np.float32([2]), np.float32([1])))
        assert judge.votes.probability(weak / 3)[0] < 0.1

    def test_what_it_says_is_honest(self) -> None:
        """Of votes of probability p, about p are right; half are of landmarks nobody knows."""
        places = Places(60, 4, 2.5)
        judge = places.fit(np.arange(0, 240, 2))
        fresh = np.arange(1, 240, 2)
        similarity = places.vectors[fresh] @ places.vectors.T
        background = measure_background(places.vectors[fresh], places.vectors)
        beliefs, right = [], []
        for known in (True, False):
            same = places.labels[fresh][:, None] == places.labels
            barred = np.eye(240, dtype=bool)[fresh] if known else same
            scores = np.where(barred, -np.inf, similarity)
            order = np.argsort(-scores, axis=1)[:, : module.CANDIDATES]
            near = Ranking(order, np.take_along_axis(scores, order, axis=1))
            nats = places.nats[fresh[:, None], order]
            votes = verified_votes(likeliest(near, nats, background, judge.pairs), places.labels, 3)
            beliefs.append(judge.votes.probability(votes.scores))
            right.append(votes.labels == places.labels[fresh])
        belief, correct = np.concatenate(beliefs), np.concatenate(right)
        assert belief.mean() == pytest.approx(correct.mean(), abs=0.05)
        assert ((belief > 0.5) == correct).mean() > 0.9

    def test_each_pair_is_asked_for_as_a_training_position(self) -> None:
        places = Places(5, 4, 1.0)
        sample = np.array([3, 7, 8])
        places.fit(sample)
        assert len(places.asked) == 2
        for candidates in places.asked:
            assert candidates.shape == (3, module.CANDIDATES)
            assert candidates.max() < 20
        known, unknown = places.asked
        for row, own in enumerate(sample.tolist()):
            assert own not in known[row]
            others = unknown[row][unknown[row] != -1]
            assert (places.labels[others] != places.labels[own]).all()
            assert len(others) == 16

    @pytest.mark.parametrize("size", [0, 1])
    def test_too_few_labels(self, size: int) -> None:
        places = Places(2, 3, 1.0)
        assert places.fit(np.arange(size), places.labels[:size]) == Judge()
        assert not places.asked

    def test_a_single_landmark(self) -> None:
        """No pair of different landmarks, and nobody to be a stranger."""
        places = Places(1, 6, 1.0)
        assert places.fit() == Judge()

    def test_one_photo_per_landmark(self) -> None:
        """No pair of the same landmark."""
        assert Places(8, 1, 1.0).fit() == Judge()

    def test_the_start(self) -> None:
        assert Judge() == Judge(PairModel(), Calibration.even_at(math.log(2)))
