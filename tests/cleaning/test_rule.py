"""The thresholds, and which landmarks are left."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steeple.cleaning import Reason, Rule
from steeple.cleaning.rule import decide
from steeple.errors import InputError
from steeple.geometry.verification import Verification


def test_the_published_thresholds():
    rule = Rule.of("published")
    assert (rule.neighbours, rule.same_label, rule.inliers) == (1000, 100, 30)
    assert (rule.pairs, rule.images, rule.surprise) == (3, 2, 0)


def pair(inliers, surprise):
    return Verification(inliers, None, np.zeros((inliers, 2), dtype=np.int32), surprise)


def test_what_counts():
    assert Rule().counts(pair(30, 0.0))
    assert not Rule().counts(pair(29, 999.0))
    assert Rule.of("upright").counts(pair(5, 25.0))
    assert not Rule.of("upright").counts(pair(99, 24.9))


@pytest.mark.parametrize("name", ["neighbours", "same_label", "inliers", "pairs", "images"])
def test_thresholds_below_one_are_refused(name):
    with pytest.raises(InputError, match=name):
        Rule(**{name: 0})


def test_nan_is_refused():
    with pytest.raises(InputError, match="surprise"):
        Rule(surprise=float("nan"))


@given(
    st.lists(st.tuples(st.integers(0, 4), st.sampled_from([0, 1, 2])), max_size=30),
    st.integers(1, 4),
)
def test_landmarks_need_so_many_images(pairs, least):
    labels = np.array([label for label, _ in pairs], dtype=np.int64)
    reasons = np.array([reason for _, reason in pairs], dtype=np.uint8)
    decision = decide(reasons, labels, least)
    for place, (label, reason) in enumerate(pairs):
        good = sum(1 for other, why in pairs if other == label and why == 0)
        wanted = reason if reason or good >= least else Reason.SMALL
        assert decision.reasons[place] == wanted
    assert sum(decision.count(reason) for reason in Reason) == len(pairs)
    assert decision.kept.tolist() == (decision.reasons == 0).tolist()
