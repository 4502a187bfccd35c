"""Digits, best values, gains and verdicts."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from steeple.errors import InputError
from steeple.report import Row, Sample, Table
from steeple.report.figures import change, format_number, format_signed, table_cells, verdict

DASH, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"


def column(*values: float | None) -> list[tuple[str, float, bool]]:
    table = Table("T", ("c",), tuple((str(i), (v,)) for i, v in enumerate(values)), "")
    return [(cell.text, cell.share, cell.best) for _, (cell,) in table_cells(table)]


def test_the_best_of_a_column_leads_and_bars_start_at_zero() -> None:
    assert column(40.0, None, 50.0) == [("40.0", 0.8, False), (DASH, 0.0, False), ("50.0", 1, True)]


def test_values_that_read_the_same_share_the_lead() -> None:
    assert [best for *_, best in column(49.81, 49.84, 12.0)] == [True, True, False]


def test_a_column_without_a_contest_has_no_leader() -> None:
    assert not any(best for *_, best in column(3.0, 3.0, None))
    assert not any(best for *_, best in column(3.0))


def test_what_is_not_a_number_was_not_measured() -> None:
    assert column(math.nan, math.inf, 1.0)[:2] == [(DASH, 0.0, False)] * 2


def test_values_below_zero_have_no_bar() -> None:
    assert column(-2.0, -1.0) == [(f"{MINUS}2.00", 0.0, False), (f"{MINUS}1.00", 0.0, True)]


@pytest.mark.parametrize(
    ("value", "text"), [(0.5, "0.500"), (9.0, "9.00"), (61.84, "61.8"), (4132914.0, "4,132,914")]
)
def test_digits_follow_the_size_of_the_column(value: float, text: str) -> None:
    assert column(value)[0][0] == text


def test_signs() -> None:
    assert format_signed(3.04, 1) == "+3.0"
    assert format_signed(-3.04, 1) == f"{MINUS}3.0"
    assert format_signed(-0.04, 1) == "0.0"
    assert format_number(-0.0001, 3) == "0.000"


def test_a_ragged_table_is_refused() -> None:
    with pytest.raises(InputError, match="'k-NN' has 1 values for 2 columns"):
        Table("Retrieval", ("a", "b"), (("k-NN", (1.0,)),), "")


def ranked(*precisions: float | None, truth: str | None = "a", answer: str | None = "a") -> Sample:
    rows = tuple(Row(str(p), (), p) for p in precisions)
    return Sample(Path("q.jpg"), "q", truth, answer, None, rows)


@pytest.mark.parametrize(
    ("precisions", "expected"),
    [
        ((10.0, 99.0, 20.0), "improved"),
        ((20.0, 10.0), "worsened"),
        ((20.0, 20.04), "unchanged"),
        ((20.0, None), "unrated"),
        ((20.0,), "unrated"),
        ((), "unrated"),
    ],
)
def test_the_last_row_against_the_first_decides(
    precisions: tuple[float | None, ...], expected: str
) -> None:
    assert change(ranked(*precisions)) == expected


def test_verdicts() -> None:
    assert verdict(ranked(truth="a", answer="a")) == "right"
    assert verdict(ranked(truth="a", answer="b")) == "wrong"
    assert verdict(ranked(truth=None, answer="b")) == "wrong"
    assert verdict(ranked(truth="a", answer=None)) == "unknown"
    assert verdict(ranked(truth=None, answer=None)) == "right"
