"""The style: WCAG 2.2 AA contrast in both schemes, and nothing Jinja would take for its own."""

from __future__ import annotations

import re
from importlib import resources

import pytest

from steeple.report import curves

TEMPLATES = resources.files("steeple.report") / "templates"
STYLE = (TEMPLATES / "report.css").read_text("utf-8")
CURVE = (TEMPLATES / "curve.css").read_text("utf-8")


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb (WCAG 2.2)."""
    linear = []
    for start in (1, 3, 5):
        channel = int(colour[start : start + 2], 16) / 255
        linear.append(channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4)
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def schemes() -> list[dict[str, str]]:
    blocks = re.findall(r":root \{(.*?)\}", STYLE, flags=re.DOTALL)
    return [dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", block)) for block in blocks]


def test_there_are_three_schemes_with_the_same_colours() -> None:
    light, dark, paper = schemes()
    assert set(light) == set(dark) == set(paper)


@pytest.mark.parametrize("scheme", range(3), ids=["light", "dark", "print"])
@pytest.mark.parametrize(
    ("text", "ground"),
    [
        *((text, "paper") for text in ("ink", "quiet", "bronze", "inserted")),
        *((mark, "paper") for mark in ("right", "wrong", "unknown")),  # names of a chart's lines
        *((text, "mount") for text in ("ink", "quiet")),
        ("paper", "ink"),
        *(("on-mark", mark) for mark in ("right", "wrong", "unknown", "inserted")),
    ],
)
def test_text_contrast_is_aa(scheme: int, text: str, ground: str) -> None:
    colours = schemes()[scheme]
    assert contrast(colours[text], colours[ground]) >= 4.5


def test_no_text_is_tiny_on_a_screen() -> None:
    screen = STYLE.split("@media print")[0]
    icons = re.sub(r"\.star \{[^}]*\}", "", screen)
    sizes = [float(size) for size in re.findall(r"font(?:-size)?: [^;]*?(\d+(?:\.\d+)?)px", icons)]
    assert min(sizes) >= 11


def test_nothing_in_the_style_looks_like_a_template() -> None:
    assert not re.search(r"\{[{%#]", STYLE + CURVE)


def test_a_chart_alone_has_the_light_colours_it_needs() -> None:
    source = (TEMPLATES / "curve.svg").read_text("utf-8")
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", source))
    assert colours.items() <= schemes()[0].items()
    needed = set(re.findall(r"var\(--([a-z]+)\)", CURVE)) - {"tone", "sans"}
    assert needed | {"paper", "right", "wrong", *curves._TONES} == set(colours)
