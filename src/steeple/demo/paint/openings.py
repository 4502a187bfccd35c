"""Windows, doors, arcades, rose windows and clocks."""

from __future__ import annotations

import math

import cv2
import numpy as np

from steeple.demo.paint.board import Area, Board, Disc
from steeple.demo.paint.style import Style
from steeple.demo.render.texture import Colour, Pixels, mix, rgb, shade

Points = list[tuple[float, float]]

_LIT = 235  # night glow of a window with the lamp on
_JEWELS = tuple(
    rgb(code)
    for code in (0xB3262A, 0x23479B, 0xE0B23A, 0x2C7F4F, 0x6E2E86, 0x3F9BC4, 0xD9702B, 0xF0E2B4)
)


def opening(head: str, x: float, y: float, width: float, height: float) -> Points:
    """The outline of an opening in the rectangle at (x, y), in metres.

    Args:
        head: how it ends at the top, one of `style.HEADS`.
        x: left.
        y: top.
        width: width.
        height: height.
    """
    foot = [(x + width, y + height), (x, y + height)]
    middle = x + width / 2
    if head == "gable":
        return [(x, y + width * 0.4), (middle, y), (x + width, y + width * 0.4), *foot]
    if head == "flat":
        return [(x, y), (x + width, y), *foot]
    angles = np.linspace(math.pi, 0.0, 17)
    across = width / 2 * np.cos(angles)
    rise = {"round": 0.5, "pointed": 0.9, "segment": 0.18, "keyhole": 0.62}[head] * width
    up = np.sin(angles)
    if head == "pointed":
        up = 1.0 - np.abs(across / (width / 2)) ** 1.7
    if head == "keyhole":
        across = across * np.where(up > 0.3, 1.12, 1.0)
    spring = y + min(rise, height * 0.8)
    top = [
        (float(middle + a), float(spring - b * (spring - y)))
        for a, b in zip(across, up, strict=True)
    ]
    return [*top, *foot]


def window(
    board: Board,
    rng: np.random.Generator,
    style: Style,
    area: Area,
) -> None:
    """Paint one window in its rectangle (metres): surround, shadow, glass, bars, hood, sill."""
    x, y, width, height = area
    edge = max(0.1, width * 0.13)
    if style.shutters:
        _shutters(board, style, (x, y, width, height))
    outer = opening(style.head, x - edge, y - edge, width + 2 * edge, height + edge)
    board.polygon(outer, style.trim)
    board.line(outer, shade(style.trim, 0.6), 0.04, closed=True)
    glazed_opening(board, rng, style, opening(style.head, x, y, width, height))
    _bars(board, style, (x, y, width, height))
    _hood(board, style, x - edge, y - edge, width + 2 * edge)
    board.bevel(x - edge * 1.5, y + height, width + 3 * edge, max(0.12, edge), style.trim)


def glazed_opening(board: Board, rng: np.random.Generator, style: Style, outline: Points) -> None:
    """Paint glass with the shadow of the wall on its upper left and a reflection of the sky."""
    lit = _LIT if rng.random() < 0.42 else int(rng.integers(0, 40))
    glass = shade(style.glass, rng.uniform(0.75, 1.15))
    board.polygon(outline, shade(style.frame, 0.75))
    low = [min(point[axis] for point in outline) for axis in (0, 1)]
    high = [max(point[axis] for point in outline) for axis in (0, 1)]
    centre = ((low[0] + high[0]) / 2, (low[1] + high[1]) / 2)
    inner = [
        (centre[0] + (px - centre[0]) * 0.9, centre[1] + (py - centre[1]) * 0.95)
        for px, py in outline
    ]
    board.polygon(inner, shade(glass, 0.45), lit)
    shifted = [(max(px, low[0] + 0.14), max(py, low[1] + 0.2)) for px, py in inner]
    board.polygon(shifted, glass, lit)
    wide, tall = high[0] - low[0], high[1] - low[1]
    if rng.random() < 0.6:
        slant = low[0] + wide * rng.uniform(0.25, 0.6)
        board.polygon(
            [
                (slant, low[1] + tall * 0.35),
                (slant + wide * 0.2, low[1] + tall * 0.35),
                (slant, high[1] - tall * 0.08),
                (slant - wide * 0.2, high[1] - tall * 0.08),
            ],
            mix(glass, (225, 214, 196), 0.4),
            lit,
        )
    if rng.random() < 0.3:
        cloth = mix((210, 222, 230), style.accent, rng.uniform(0.0, 0.6))
        board.rect(
            low[0] + wide * 0.08, low[1] + tall * 0.25, wide * 0.2, tall * 0.68, cloth, alpha=lit
        )
        board.rect(
            high[0] - wide * 0.28, low[1] + tall * 0.25, wide * 0.2, tall * 0.68, cloth, alpha=lit
        )


def _bars(board: Board, style: Style, area: Area) -> None:
    x, y, width, height = area
    columns, rows = style.panes
    bar = max(0.05, width * 0.05)
    drop = {"flat": 0.0, "segment": 0.1, "round": 0.12}.get(style.head, 0.3) * width
    for column in range(1, columns):
        board.rect(
            x + width * column / columns - bar / 2,
            y + drop / 2,
            bar,
            height - drop / 2,
            style.frame,
        )
    for row in range(1, rows):
        level = y + drop + (height - drop) * row / rows
        board.rect(x, level - bar / 2, width, bar, style.frame)


def _shutters(board: Board, style: Style, area: Area) -> None:
    x, y, width, height = area
    for left in (x - width * 0.58, x + width * 1.08):
        board.rect(left, y, width * 0.5, height, style.door)
        for level in np.arange(y + 0.1, y + height - 0.1, 0.16):
            board.rect(left + 0.06, float(level), width * 0.5 - 0.12, 0.06, shade(style.door, 0.7))
        board.line([(left, y), (left, y + height)], shade(style.door, 1.3), 0.04)


def _hood(board: Board, style: Style, x: float, y: float, width: float) -> None:
    trim, dark = style.trim, shade(style.trim, 0.55)
    rise = width * 0.22
    if style.hood == "bar":
        board.bevel(x - 0.15, y - 0.3, width + 0.3, 0.25, trim)
        board.rect(x, y - 0.05, width, 0.1, dark)
    elif style.hood == "gable":
        board.polygon([(x - 0.2, y), (x + width / 2, y - rise - 0.2), (x + width + 0.2, y)], dark)
        board.polygon(
            [(x - 0.2, y - 0.1), (x + width / 2, y - rise - 0.3), (x + width + 0.2, y - 0.1)], trim
        )
        board.polygon(
            [(x + 0.25, y - 0.16), (x + width / 2, y - rise - 0.02), (x + width - 0.25, y - 0.16)],
            shade(style.accent, 0.9),
        )
    elif style.hood == "arc":
        board.ellipse(x + width / 2, y + 0.05, width / 2 + 0.15, rise + 0.25, dark, arc=(180, 360))
        board.ellipse(x + width / 2, y - 0.03, width / 2 + 0.1, rise + 0.15, trim, arc=(180, 360))
    elif style.hood == "key":
        board.polygon(
            [
                (x + width * 0.4, y - 0.25),
                (x + width * 0.6, y - 0.25),
                (x + width * 0.55, y + 0.35),
                (x + width * 0.45, y + 0.35),
            ],
            style.accent,
        )


def portal(
    board: Board, rng: np.random.Generator, style: Style, place: tuple[float, float, float]
) -> None:
    """Paint a great door centred at `x` on the lower edge, in receding arches."""
    x, width, height = place
    steps = int(rng.integers(3, 6))
    for step in range(steps):
        share = 1.0 - 0.13 * step
        wide, tall = width * share, height * (1.0 - 0.08 * step)
        tone = style.trim if step % 2 == 0 else mix(style.accent, style.trim, 0.35)
        outline = opening(style.head, x - wide / 2, board.height - tall, wide, tall)
        board.polygon(outline, shade(tone, 1.0 - 0.1 * step))
        board.line(outline, shade(tone, 0.5), 0.07, closed=True)
    wide, tall = width * (1.0 - 0.13 * steps), height * (1.0 - 0.08 * steps)
    top = board.height - tall
    board.polygon(opening(style.head, x - wide / 2, top, wide, tall), shade(style.door, 0.6))
    leaf = tall * 0.66
    for side in (-1, 0):
        left = x + side * wide / 2 + 0.04
        board.rect(left, board.height - leaf, wide / 2 - 0.08, leaf, style.door)
        for row in range(4):
            board.bevel(
                left + wide * 0.07,
                board.height - leaf + leaf * (row + 0.15) / 4,
                wide * 0.34,
                leaf * 0.17,
                shade(style.door, 1.25),
            )
    disc = wide * 0.2
    board.ellipse(x, board.height - leaf - disc * 1.1, disc, disc, style.accent)
    board.ellipse(x, board.height - leaf - disc * 1.1, disc * 0.6, disc * 0.6, style.trim)


def rose(board: Board, rng: np.random.Generator, style: Style, disc: Disc) -> None:
    """Paint a round window of stained glass with its tracery."""
    x, y, radius = disc
    petals = int(rng.choice((6, 8, 10, 12, 16)))
    jewels = [_JEWELS[index] for index in rng.permutation(len(_JEWELS))[:4]]
    board.ellipse(x, y, radius * 1.2, radius * 1.2, style.trim)
    board.ellipse(x, y, radius * 1.2, radius * 1.2, shade(style.trim, 0.5), thickness=0.06)
    board.ellipse(x, y, radius, radius, (40, 36, 36), alpha=_LIT // 2)
    for ring, (reach, size) in enumerate(((0.8, 0.19), (0.5, 0.2))):
        for petal in range(petals):
            angle = 2 * math.pi * (petal + 0.5 * ring) / petals
            board.ellipse(
                x + math.cos(angle) * radius * reach,
                y + math.sin(angle) * radius * reach,
                radius * size,
                radius * size * min(1.0, 7.0 / petals * reach),
                jewels[(petal + ring) % (2 + ring)],
                alpha=_LIT,
                tilt=math.degrees(angle),
            )
    for petal in range(petals):
        angle = 2 * math.pi * petal / petals
        tip = (x + math.cos(angle) * radius, y + math.sin(angle) * radius)
        board.line([(x, y), tip], style.trim, radius * 0.05)
    board.ellipse(x, y, radius * 0.24, radius * 0.24, style.trim)
    board.ellipse(x, y, radius * 0.17, radius * 0.17, jewels[3], alpha=_LIT)


def clock(board: Board, rng: np.random.Generator, style: Style, disc: Disc) -> None:
    """Paint a clock; its hands show an hour of their own, as tower clocks do."""
    x, y, radius = disc
    light = bool(rng.random() < 0.6)
    face: Colour = (222, 234, 240) if light else shade(style.accent, 0.45)
    mark: Colour = (40, 34, 30) if light else (90, 200, 235)
    board.ellipse(x, y, radius * 1.22, radius * 1.22, style.trim)
    board.ellipse(x, y, radius * 1.1, radius * 1.1, style.accent)
    board.ellipse(x, y, radius, radius, face, alpha=_LIT)
    for hour in range(12):
        angle = math.pi * hour / 6
        inner, outer = radius * (0.7 if hour % 3 == 0 else 0.8), radius * 0.93
        board.line(
            [
                (x + math.cos(angle) * reach, y + math.sin(angle) * reach)
                for reach in (inner, outer)
            ],
            mark,
            radius * 0.07,
            _LIT // 2,
        )
    for angle, reach in zip(rng.uniform(0, 2 * math.pi, 2), (0.55, 0.85), strict=True):
        tip = (x + math.cos(angle) * radius * reach, y + math.sin(angle) * radius * reach)
        board.line([(x, y), tip], mark, radius * 0.09)
    board.ellipse(x, y, radius * 0.1, radius * 0.1, mark)


def stained_glass(rng: np.random.Generator, height: int, width: int, cells: int) -> Pixels:
    """A (height, width, 4) uint8 BGRA pane of mirrored shards between lines of lead; it shines."""
    half = (width + 1) // 2
    seeds = np.full((height, half), 255, np.uint8)
    seeds[rng.integers(0, height, cells), rng.integers(0, half, cells)] = 0
    _, labels = cv2.distanceTransformWithLabels(
        seeds, cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL
    )
    jewels = np.array(_JEWELS, np.float64)[rng.permutation(len(_JEWELS))[:5]]
    table = jewels[rng.integers(0, len(jewels), cells + 2)] * rng.uniform(0.7, 1.2, (cells + 2, 1))
    colours = np.clip(table, 0, 255).astype(np.uint8)[labels % (cells + 2)]
    lead = cv2.morphologyEx(labels.astype(np.float32), cv2.MORPH_GRADIENT, np.ones((2, 2))) > 0
    colours[lead] = (36, 32, 30)
    pane = np.concatenate([colours, colours[:, ::-1]], axis=1)[:, :width]
    return np.dstack([pane, np.full((height, width), _LIT, np.uint8)])
