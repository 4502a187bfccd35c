"""The paper's recognition against a literal form of it, and the rule for distractors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steeple.retrieval.recognition import demote, named_often, published_recognition
from steeple.retrieval.types import PAD, UNVOTED, Ranking, Votes


def literal(ids, scores, inliers, labels, k):
    """Method 7, one image at a time: (1 - squared distance) + min(70, inliers) / 70."""
    sums: dict[int, float] = {}
    for image, score, count in list(zip(ids, scores, inliers, strict=True))[:k]:
        if image != PAD:
            squared = 2 - 2 * float(score)
            vote = 1 - squared + min(70, int(count)) / 70
            sums[labels[image]] = sums.get(labels[image], 0.0) + vote
    if not sums:
        return UNVOTED, 0.0
    best = max(sums, key=sums.get)  # max takes the first of equals
    return best, sums[best]


@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_equals_the_literal_form(seed, k):
    random = np.random.default_rng(seed)
    training, width, images = int(random.integers(1, 12)), int(random.integers(1, 7)), 4
    labels = random.integers(0, 4, training)
    scores = -np.sort(-random.uniform(-1, 1, (images, width)), axis=1).astype(np.float32)
    ids = np.stack([random.permutation(max(training, width))[:width] for _ in range(images)])
    ids = np.where(ids < training, ids, PAD)
    scores = np.where(ids == PAD, -np.inf, scores).astype(np.float32)
    inliers = random.integers(0, 150, (images, width)).astype(np.int32)
    votes = published_recognition(Ranking(ids, scores), inliers, labels, k)
    for row in range(images):
        label, score = literal(ids[row], scores[row], inliers[row], labels, k)
        assert votes.scores[row] == pytest.approx(score, abs=1e-5)
        assert votes.labels[row] == label


def test_seventy_inliers_are_worth_a_perfect_similarity():
    ranking = Ranking(np.array([[0, 1]]), np.array([[0.875, 0.375]], dtype=np.float32))
    labels = np.array([5, 6])
    lone = published_recognition(ranking, np.zeros((1, 2), dtype=np.int32), labels)
    assert lone.labels[0] == 5
    assert lone.scores[0] == pytest.approx(0.75)
    verified = published_recognition(ranking, np.array([[0, 700]], dtype=np.int32), labels)
    assert verified.labels.tolist() == [5]  # -0.25 + 1 is a tie, which goes to the nearer
    more = Ranking(ranking.ids, np.array([[0.875, 0.45]], dtype=np.float32))
    assert published_recognition(more, np.array([[0, 70]], np.int32), labels).labels[0] == 6


def test_what_is_named_again_and_again_is_a_distractor():
    labels = np.array([1] * 31 + [2] * 30 + [UNVOTED] * 40)
    often = named_often(labels)
    assert often[:31].all()
    assert not often[31:].any()
    assert named_often(labels, 29)[31:61].all()
    assert named_often(np.array([], dtype=np.int64)).shape == (0,)


@given(st.lists(st.tuples(st.floats(-3, 3, width=32), st.booleans()), max_size=20))
def test_demoted_predictions_come_last_in_their_old_order(entries):
    scores = np.array([score for score, _ in entries], dtype=np.float32)
    which = np.array([flag for _, flag in entries], dtype=bool)
    out = demote(Votes(np.arange(len(entries)), scores), which)
    assert (out.scores[~which] == scores[~which]).all()
    if which.any() and not which.all():
        assert out.scores[which].max() < out.scores[~which].min()
    ascending = np.argsort(scores[which], kind="stable")
    assert (np.diff(out.scores[which][ascending]) >= 0).all()
