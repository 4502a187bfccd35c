"""The rejection curve, against a count by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steeple.errors import InputError
from steeple.evaluation import rejection_curve
from steeple.evaluation.rejection import THRESHOLDS

SOLUTION = {"a": ["1"], "b": ["1", "2"], "c": ["3"], "x": [], "y": []}
ANSWERS = {
    "a": ("1", 0.9),
    "b": ("2", 0.4),
    "c": ("1", 0.6),
    "x": ("3", 0.2),
    "y": None,
    "z": ("1", 1),
}


@pytest.mark.parametrize(
    ("threshold", "right", "wrong", "alarms"),
    [(0.0, 2 / 3, 1 / 3, 0.5), (0.3, 2 / 3, 1 / 3, 0), (0.5, 1 / 3, 1 / 3, 0), (0.9, 0, 0, 0)],
)
def test_counted_by_hand(threshold, right, wrong, alarms):
    (point,) = rejection_curve(ANSWERS, SOLUTION, [threshold])
    assert point.threshold == threshold
    assert (point.right, point.wrong, point.false_alarms) == pytest.approx((right, wrong, alarms))


@given(
    st.dictionaries(
        st.sampled_from("abcxy"), st.tuples(st.sampled_from("123"), st.floats(0, 1)), max_size=5
    )
)
def test_who_asks_for_more_confidence_names_less(answers):
    points = rejection_curve(answers, SOLUTION)
    assert [point.threshold for point in points] == list(THRESHOLDS)
    for name in ("right", "wrong", "false_alarms"):
        values = [getattr(point, name) for point in points]
        assert values == sorted(values, reverse=True)
    for point in points:
        assert 0 <= point.right + point.wrong <= 1
        assert 0 <= point.false_alarms <= 1


def test_shares_of_nothing_are_nothing():
    (point,) = rejection_curve({"a": ("1", 1.0)}, {"a": ["1"]}, [0.5])
    assert (point.right, point.wrong, point.false_alarms) == (1, 0, 0)
    (point,) = rejection_curve({"x": ("1", 1.0)}, {"x": []}, [0.5])
    assert (point.right, point.wrong, point.false_alarms) == (0, 0, 1)
    with pytest.raises(InputError, match="at least one query"):
        rejection_curve({}, {})
