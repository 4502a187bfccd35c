"""Where everything of a line chart goes: ticks, paths, labels. Numbers in, numbers and text out."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from steeple.report.figures import digits_for, format_number
from steeple.report.model import Curve, Guide, Line

__all__ = [
    "NARROW",
    "WIDE",
    "Drawing",
    "Size",
    "curve_cells",
    "describe",
    "exact_digits",
    "lay_out",
    "spread",
    "ticks",
]

_CHARACTER = 8.0
"""How wide a character of a wide font is on average, at 13 units."""

_LINE = 16
"""From one line of text to the next, in units."""

_BASELINE = 4.5
"""How far a text's baseline lies below its middle, in units."""

_APART = 6  # units between two names
_INTERVALS = 5
_GAP = 14  # units between a text and what it stands beside
_TONES = ("bronze", "inserted", "ink", "unknown")
_DASHES = ("none", "9 4", "2 4", "10 3 2 3", "5 3", "1 3")
"""Lines can be told apart without colour, by their dashes as by their names."""


@dataclass(frozen=True)
class Size:
    """How large a chart is drawn, in units of text 13 high.

    Attributes:
        width: Of the whole drawing.
        plot: The height of the plot; it grows where the names of the lines need more.
        name: Characters a name gets before it is broken.
    """

    width: int
    plot: int
    name: int


WIDE = Size(width=560, plot=270, name=16)
"""For a column of a page; about one unit to a pixel."""

NARROW = Size(width=340, plot=230, name=12)
"""For a phone held upright."""


@dataclass(frozen=True)
class Tick:
    """A value on an axis: where it lies, and its text."""

    at: float
    text: str


@dataclass(frozen=True)
class Text:
    """Lines of text: the left end, middle or right end, and each line with its baseline."""

    x: float
    lines: tuple[tuple[float, str], ...]
    anchor: str = "start"


@dataclass(frozen=True)
class Trace:
    """A drawn line.

    Attributes:
        path: The ``d`` of an SVG path.
        tone: The name of its colour.
        dash: Its ``stroke-dasharray``.
        end: Where it ends.
        leader: The ``d`` of the hair line from there to its name.
        name: Its name, right of the plot.
    """

    path: str
    tone: str
    dash: str
    end: tuple[float, float]
    leader: str
    name: Text


@dataclass(frozen=True)
class Drawing:
    """A chart in units from the upper left corner; ``left`` to ``bottom`` are those of the plot."""

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    x_label: Text
    y_label: Text
    traces: tuple[Trace, ...]
    guide: Text | None
    guide_at: float | None


@dataclass(frozen=True)
class _Scale:
    """From values to units, linearly."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)


def lay_out(curve: Curve, size: Size) -> Drawing:
    """Places a chart's parts.

    The vertical axis begins at zero, unless values lie below it. Names stand right of the ends of
    their lines, moved apart where they would overlap.

    Args:
        curve: What to draw.
        size: How large.
    """
    xs = [x for line in curve.lines for x, _ in line.points]
    ys = [y for line in curve.lines for _, y in line.points]
    xs += [curve.guide.x] if curve.guide else []
    y_values = ticks(min(0.0, *ys), max(0.0, *ys), _INTERVALS)
    y_texts = _texts(y_values)

    names = [_wrap(line.name, size.name, most=4) for line in curve.lines]
    left = _GAP / 2 + max(map(len, y_texts)) * _CHARACTER
    right = size.width - 2 * _GAP - max(len(text) for name in names for text in name) * _CHARACTER
    x_values = _fitting_ticks(min(xs), max(xs), right - left)
    across = _Scale(x_values[0], x_values[-1], round(left, 1), round(right, 1))

    y_label = _wrap(curve.y_label, _characters(size.width))
    guide = _wrap(curve.guide.text, _characters(size.width - left)) if curve.guide else ()
    top = (len(y_label) + len(guide)) * _LINE + _GAP / 2
    bottom = top + max(size.plot, sum(map(_height, names)))
    up = _Scale(y_values[0], y_values[-1], bottom, top)
    x_label = _wrap(curve.x_label, _characters(size.width - left))

    return Drawing(
        width=size.width,
        height=bottom + (1.8 + len(x_label)) * _LINE,
        left=across.start,
        right=across.end,
        top=top,
        bottom=bottom,
        x_ticks=tuple(map(Tick, map(across, x_values), _texts(x_values))),
        y_ticks=tuple(map(Tick, map(up, y_values), y_texts)),
        x_label=_text(across.start, bottom + 2.2 * _LINE, x_label),
        y_label=_text(0.0, _LINE / 2, y_label),
        traces=tuple(_traces(curve.lines, names, across, up)),
        guide=_guide(curve.guide, guide, across, (len(y_label) + 0.5) * _LINE),
        guide_at=across(curve.guide.x) if curve.guide else None,
    )


def ticks(low: float, high: float, most: int) -> tuple[float, ...]:
    """Chooses round values, equally far apart, from at most ``low`` to at least ``high``.

    Args:
        low: The smallest value to be shown.
        high: The largest; where it is no larger, one step is shown above it.
        most: How many steps at most, 2 or more.
    """
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-3):
        high = low + (abs(low) if abs(low) > 1e-9 else 1.0)
    exponent = math.floor(math.log10((high - low) / most))
    for factor in (1, 2, 2.5, 5, 10, 20, 25):
        step = factor * 10.0**exponent
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        if last - first <= most:
            break
    return tuple(round(place * step, max(0, 1 - exponent)) for place in range(first, last + 1))


def spread(
    wanted: Sequence[float], heights: Sequence[float], low: float, high: float
) -> list[float]:
    """Moves middles apart until nothing overlaps, each as little as its neighbours allow.

    Args:
        wanted: Where the middles would be.
        heights: How much room each takes.
        low: Where room begins.
        high: Where it ends, at least the sum of the heights further on.

    Returns:
        The middles, in the order given; what was above stays above.
    """
    order = sorted(range(len(wanted)), key=lambda place: (wanted[place], place))
    middles = list(wanted)
    edge = low
    for place in order:
        middles[place] = max(middles[place], edge + heights[place] / 2)
        edge = middles[place] + heights[place] / 2
    edge = high
    for place in reversed(order):
        middles[place] = min(middles[place], edge - heights[place] / 2)
        edge = middles[place] - heights[place] / 2
    return middles


def exact_digits(values: Sequence[float]) -> int:
    """Returns the decimals it takes to write values in full, at most 9."""
    size = max(map(abs, values), default=0.0)
    return next(
        (d for d in range(9) if all(abs(round(v, d) - v) <= 1e-9 * size for v in values)), 9
    )


def curve_cells(curve: Curve) -> list[tuple[str, list[str]]]:
    """Returns the figures behind a chart: per x, its text and that of each line's value."""
    values = [dict(line.points) for line in curve.lines]
    xs = sorted({x for of in values for x in of})
    digits = digits_for([y for of in values for y in of.values()])
    return [
        (text, [format_number(of.get(x), digits) for of in values])
        for x, text in zip(xs, _texts(xs), strict=True)
    ]


def describe(curve: Curve) -> str:
    """Says what a chart shows to those who cannot see it: where its lines begin and end."""
    digits = digits_for([y for line in curve.lines for _, y in line.points])
    x_digits = exact_digits([x for line in curve.lines for x, _ in line.points])
    parts = [f"{curve.y_label}, by {curve.x_label}."]
    for line in curve.lines:
        (x, y), (last_x, last_y) = line.points[0], line.points[-1]
        begin = f"{line.name}: {format_number(y, digits)} at {format_number(x, x_digits)}"
        end = f"{format_number(last_y, digits)} at {format_number(last_x, x_digits)}"
        parts.append(f"{begin}, {end}." if len(line.points) > 1 else f"{begin}.")
    if curve.guide:
        x_digits = exact_digits([curve.guide.x])
        parts.append(f"A line at {format_number(curve.guide.x, x_digits)}: {curve.guide.text}.")
    return " ".join(parts)


def _texts(values: Sequence[float]) -> list[str]:
    digits = exact_digits(values)
    return [format_number(value, digits) for value in values]


def _fitting_ticks(low: float, high: float, room: float) -> tuple[float, ...]:
    """As many ticks as have room beside each other, in units."""
    for most in range(_INTERVALS, 2, -1):
        values = ticks(low, high, most)
        if (len(values) - 1) * (max(map(len, _texts(values))) * _CHARACTER + 8) <= room:
            return values
    return ticks(low, high, 2)


def _height(name: Sequence[str]) -> float:
    return float(len(name) * _LINE + _APART)


def _characters(units: float) -> int:
    return max(1, int(units / _CHARACTER))


def _wrap(text: str, width: int, most: int | None = None) -> tuple[str, ...]:
    """Break a text into lines; what exceeds the last is cut off."""
    lines = textwrap.wrap(text, width, max_lines=most, placeholder="\N{HORIZONTAL ELLIPSIS}")
    return tuple(lines) or ("",)


def _text(x: float, middle: float, lines: Sequence[str], anchor: str = "start") -> Text:
    """Lines of text, the first around a height."""
    y = middle + _BASELINE
    return Text(
        round(x, 1), tuple((round(y + n * _LINE, 1), t) for n, t in enumerate(lines)), anchor
    )


def _traces(
    lines: Sequence[Line], names: Sequence[Sequence[str]], across: _Scale, up: _Scale
) -> Iterator[Trace]:
    ends = [up(line.points[-1][1]) for line in lines]
    heights = [_height(name) for name in names]
    middles = spread(ends, heights, up.end, up.start)
    tones = iter(_TONES * len(lines))
    for place, line in enumerate(lines):
        points = [(across(x), up(y)) for x, y in line.points]
        x, y = points[-1]
        middle, text = round(middles[place], 1), across.end + _GAP
        yield Trace(
            path="M" + "L".join(f"{x} {y}" for x, y in points),
            tone=line.mark or next(tones),
            dash=_DASHES[place % len(_DASHES)],
            end=(x, y),
            leader=f"M{x} {y}L{across.end} {middle}H{text - _GAP / 3:.1f}",
            name=_text(text, middle - (len(names[place]) - 1) * _LINE / 2, names[place]),
        )


def _guide(guide: Guide | None, lines: Sequence[str], across: _Scale, middle: float) -> Text | None:
    """The text of the guide above its line, within the plot's width where it can be."""
    if guide is None:
        return None
    x, half = across(guide.x), max(map(len, lines)) * _CHARACTER / 2
    anchor = "start" if x - half < across.start else "end" if x + half > across.end else "middle"
    return _text(x, middle, lines, anchor)
