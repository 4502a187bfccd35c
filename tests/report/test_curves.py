"""Ticks, places and words of a chart."""

from __future__ import annotations

import dataclasses
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steeple.errors import InputError
from steeple.report.curves import (
    NARROW,
    WIDE,
    Drawing,
    Size,
    Text,
    curve_cells,
    describe,
    exact_digits,
    lay_out,
    spread,
    ticks,
)
from steeple.report.model import Curve, Guide, Line

MINUS = "\N{MINUS SIGN}"
RIGHT = Line("named rightly", ((0.0, 80.0), (0.5, 60.0), (1.0, 20.0)), "right")
WRONG = Line("named wrongly", ((0.0, 20.0), (0.5, 5.0), (1.0, 0.0)), "wrong")
ALARMS = Line("named though no landmark is shown", ((0.0, 100.0), (0.5, 7.0)))
CURVE = Curve(
    "T", "confidence", "percent", (RIGHT, WRONG, ALARMS), "", Guide(0.5, "search names above 0.5")
)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 100, (0, 20, 40, 60, 80, 100)),
        (0, 0.95, (0, 0.2, 0.4, 0.6, 0.8, 1.0)),
        (0, 9.7, (0, 2, 4, 6, 8, 10)),
        (-3, 11, (-5, 0, 5, 10, 15)),
        (0.12, 0.3, (0.1, 0.15, 0.2, 0.25, 0.3)),
        (0, 0, (0, 0.2, 0.4, 0.6, 0.8, 1.0)),
        (5e-324, 5e-324, (0, 0.2, 0.4, 0.6, 0.8, 1.0)),
        (2000, 2000, (2000, 2500, 3000, 3500, 4000)),
        (7e6, 9e6, (7e6, 7.5e6, 8e6, 8.5e6, 9e6)),
    ],
)
def test_ticks_are_round(low: float, high: float, expected: tuple[float, ...]) -> None:
    assert ticks(low, high, 5) == pytest.approx(expected, abs=1e-12)


values = st.floats(-1e6, 1e6).map(lambda v: round(v, 4))


@given(values, values, st.integers(2, 8))
def test_ticks_enclose_and_are_few_and_equally_far_apart(a: float, b: float, most: int) -> None:
    low, high = sorted((a, b))
    chosen = ticks(low, high, most)
    steps = [after - before for before, after in pairwise(chosen)]
    assert 1 <= len(steps) <= most
    assert steps == pytest.approx([steps[0]] * len(steps), rel=1e-6)
    slack = 1e-6 * steps[0]
    assert chosen[0] <= low + slack
    assert chosen[-1] >= high - slack
    mantissa = steps[0] / 10.0 ** int(f"{steps[0]:e}".split("e")[1])
    assert min(abs(mantissa - round_one) for round_one in (1, 2, 2.5, 5, 10)) < 1e-6
    if high - low > 1e-6:
        assert len(steps) >= most / 2.5 - 2  # no coarser than the round steps make it


def test_digits_are_those_it_takes() -> None:
    assert exact_digits([0.0, 20.0, 1000.0]) == 0
    assert exact_digits([0.05, 0.1, 0.15000000000000002]) == 2
    assert exact_digits([0.1, 0.125]) == 3
    assert exact_digits([1 / 3]) == 9
    assert exact_digits([]) == 0


def test_spread_moves_only_what_overlaps() -> None:
    assert spread([10.0, 50.0], [20.0, 20.0], 0.0, 100.0) == [10.0, 50.0]
    assert spread([50.0, 50.0], [20.0, 20.0], 0.0, 100.0) == [50.0, 70.0]
    assert spread([99.0, 98.0], [20.0, 20.0], 0.0, 100.0) == [90.0, 70.0]
    assert spread([-5.0], [20.0], 0.0, 100.0) == [10.0]
    assert spread([], [], 0.0, 1.0) == []


@given(st.lists(st.tuples(st.floats(0, 300), st.integers(1, 50)), max_size=6))
def test_spread_overlaps_nothing_and_keeps_the_order(labels: list[tuple[float, int]]) -> None:
    wanted, heights = [w for w, _ in labels], [float(h) for _, h in labels]
    middles = spread(wanted, heights, 0.0, 300.0)
    placed = sorted(zip(middles, heights, wanted, strict=True))
    edge = 0.0
    for middle, height, _ in placed:
        assert middle - height / 2 >= edge - 1e-9
        edge = middle + height / 2
    assert edge <= 300 + 1e-9
    assert [w for *_, w in placed] == sorted(wanted)


def test_points_lie_where_their_values_are() -> None:
    drawing = lay_out(CURVE, WIDE)
    assert [tick.text for tick in drawing.x_ticks] == ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]
    assert [tick.text for tick in drawing.y_ticks] == ["0", "20", "40", "60", "80", "100"]
    assert drawing.x_ticks[0].at == drawing.left
    assert drawing.x_ticks[-1].at == drawing.right
    assert drawing.y_ticks[0].at == drawing.bottom
    assert drawing.y_ticks[-1].at == drawing.top
    across, up = drawing.right - drawing.left, drawing.bottom - drawing.top
    for line, trace in zip(CURVE.lines, drawing.traces, strict=True):
        assert re.fullmatch(r"M[\d.]+ [\d.]+(L[\d.]+ [\d.]+)*", trace.path)
        drawn = [float(number) for number in re.findall(r"[\d.]+", trace.path)]
        expected = [
            place
            for x, y in line.points
            for place in (drawing.left + x * across, drawing.bottom - y / 100 * up)
        ]
        assert drawn == pytest.approx(expected, abs=0.06)
        assert trace.end == tuple(drawn[-2:])
    assert drawing.guide_at == pytest.approx(drawing.left + across / 2, abs=0.06)


def test_lines_differ_in_colour_and_dash() -> None:
    lines = tuple(Line(f"line {n}", ((0.0, n),)) for n in range(3))
    traces = lay_out(dataclasses.replace(CURVE, lines=(RIGHT, *lines, WRONG)), WIDE).traces
    assert [trace.tone for trace in traces] == ["right", "bronze", "inserted", "ink", "wrong"]
    assert len({trace.dash for trace in traces}) == len(traces)


def box(text: Text) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a text in a usual font."""
    width = 7 * max(len(line) for _, line in text.lines)
    left = text.x - width * {"start": 0, "middle": 0.5, "end": 1}[text.anchor]
    return left, text.lines[0][0] - 11, left + width, text.lines[-1][0] + 3


def texts(drawing: Drawing) -> list[Text]:
    names = [trace.name for trace in drawing.traces]
    return [drawing.x_label, drawing.y_label, *names, *([drawing.guide] if drawing.guide else [])]


words = st.text("abcde ", min_size=1, max_size=60)


@given(
    st.lists(st.tuples(words, st.lists(values, min_size=1, max_size=5)), min_size=1, max_size=6),
    st.floats(0, 4),
    words,
    st.sampled_from([WIDE, NARROW]),
)
def test_everything_lies_on_the_drawing_and_no_text_on_another(
    lines: list[tuple[str, list[float]]], at: float, label: str, size: Size
) -> None:
    curve = Curve(
        "T",
        "x",
        "y",
        tuple(Line(name, tuple((float(x), y) for x, y in enumerate(ys))) for name, ys in lines),
        "",
        Guide(at, label[:20]),
    )
    drawing = lay_out(curve, size)
    assert drawing.width == size.width
    assert drawing.bottom - drawing.top >= size.plot
    assert drawing.left < drawing.right < drawing.width
    assert drawing.guide_at is not None
    assert drawing.left <= drawing.guide_at <= drawing.right
    for trace in drawing.traces:
        assert drawing.left <= trace.end[0] <= drawing.right
        assert drawing.top <= trace.end[1] <= drawing.bottom
    boxes = [box(text) for text in texts(drawing)]
    for left, top, right, bottom in boxes:
        assert left >= 0
        assert top >= -1
        assert right <= drawing.width
        assert bottom <= drawing.height
    for place, one in enumerate(boxes):
        for other in boxes[:place]:
            apart = one[0] >= other[2] or other[0] >= one[2]
            assert apart or one[1] >= other[3] - 1 or other[1] >= one[3] - 1


def test_the_vertical_axis_begins_at_zero() -> None:
    high = dataclasses.replace(CURVE, lines=(Line("a", ((0.0, 90.0), (1.0, 95.0))),))
    assert lay_out(high, WIDE).y_ticks[0].text == "0"
    low = dataclasses.replace(CURVE, lines=(Line("a", ((0.0, -90.0), (1.0, -95.0))),))
    assert [tick.text for tick in lay_out(low, WIDE).y_ticks][::5] == [f"{MINUS}100", "0"]


def test_a_chart_without_a_guide_has_none() -> None:
    drawing = lay_out(dataclasses.replace(CURVE, guide=None), WIDE)
    assert drawing.guide is None
    assert drawing.guide_at is None


def test_wide_ticks_become_fewer_where_there_is_little_room() -> None:
    points = tuple((n * 1e6, 1.0) for n in range(10))
    curve = dataclasses.replace(CURVE, lines=(Line("photos", points),), guide=None)
    assert len(lay_out(curve, NARROW).x_ticks) < len(lay_out(curve, WIDE).x_ticks)


def test_the_figures_behind_the_lines() -> None:
    assert curve_cells(CURVE) == [
        ("0.0", ["80.0", "20.0", "100.0"]),
        ("0.5", ["60.0", "5.0", "7.0"]),
        ("1.0", ["20.0", "0.0", "\N{EN DASH}"]),
    ]


def test_a_chart_in_words() -> None:
    assert describe(CURVE) == (
        "percent, by confidence. named rightly: 80.0 at 0.0, 20.0 at 1.0. "
        "named wrongly: 20.0 at 0.0, 0.0 at 1.0. "
        "named though no landmark is shown: 100.0 at 0.0, 7.0 at 0.5. "
        "A line at 0.5: search names above 0.5."
    )
    lone = dataclasses.replace(CURVE, lines=(Line("a", ((2.0, 0.25),)),), guide=None)
    assert describe(lone) == "percent, by confidence. a: 0.250 at 2."


@pytest.mark.parametrize(
    ("points", "reason"),
    [
        ((), "needs one point or more"),
        (((0.0, float("nan")),), "finite"),
        (((float("inf"), 0.0),), "finite"),
        (((1.0, 0.0), (0.0, 0.0)), "must ascend"),
        (((1.0, 0.0), (1.0, 0.0)), "must ascend"),
    ],
)
def test_lines_that_cannot_be_drawn_are_refused(
    points: tuple[tuple[float, float], ...], reason: str
) -> None:
    with pytest.raises(InputError, match=f"line 'a'.*{reason}"):
        Line("a", points)


@pytest.mark.parametrize("count", [0, 7])
def test_a_chart_has_one_to_six_lines(count: int) -> None:
    with pytest.raises(InputError, match=f"chart 'T' has {count} lines"):
        dataclasses.replace(CURVE, lines=(RIGHT,) * count)
