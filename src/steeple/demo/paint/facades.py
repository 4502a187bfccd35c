"""Whole house fronts: floors, bays, shops, cornices, put together from openings and ornament."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from steeple.demo.paint.board import Area, Board
from steeple.demo.paint.masonry import build_wall
from steeple.demo.paint.openings import opening, window
from steeple.demo.paint.ornament import pillar
from steeple.demo.paint.style import Style
from steeple.demo.render.texture import mix, shade

_SHOPS = (
    "CAFE",
    "BAKERY",
    "BOOKS",
    "HOTEL",
    "FLORIST",
    "PHARMACY",
    "TEA",
    "HATS",
    "TOYS",
    "GELATO",
    "OPTICIAN",
    "WINES",
    "CINEMA",
    "FISH",
    "CHEESE",
    "MAPS",
    "BARBER",
    "PIANOS",
)


def blank(
    rng: np.random.Generator, style: Style, width: float, height: float, density: float = 36.0
) -> Board:
    """A wall without openings; sizes in metres, density in pixels per metre."""
    board = Board(width, height, density, style.wall)
    build_wall(board, rng, style)
    return board


def storeys(
    board: Board, rng: np.random.Generator, style: Style, top: float, bottom: float
) -> None:
    """Fill the board between two heights (metres from its top) with rows of windows."""
    floors = max(1, round((bottom - top) / style.storey))
    bays = max(1, round(board.width / style.bay))
    rise, step = (bottom - top) / floors, board.width / bays
    width = min(step * 0.52, rise * 0.72 / style.slender)
    for floor in range(floors):
        y = top + floor * rise
        tall = min(width * style.slender, rise * 0.66)
        look = style if floor % 2 == 0 else replace(style, hood="none")
        for bay in range(bays):
            middle = (bay + 0.5) * step
            window(board, rng, look, (middle - width / 2, y + rise * 0.24, width, tall))
        if floor:
            board.bevel(0, y - 0.1, board.width, 0.22, style.trim)
    uprights(board, style, step, top, bottom)


def uprights(board: Board, style: Style, step: float, top: float, bottom: float) -> None:
    """Put the style's pilasters, columns or corner stones `step` metres apart."""
    if style.order in {"pilaster", "column"}:
        wide = min(0.7, step * 0.18)
        for x in np.arange(0.0, board.width + 0.01, step):
            left = min(max(float(x) - wide / 2, 0.05), board.width - wide - 0.05)
            pillar(board, style, (left, top, wide, bottom - top), round_=style.order == "column")
    elif style.order == "quoin":
        for row, y in enumerate(np.arange(top, bottom - 0.4, 0.6)):
            wide = 0.9 if row % 2 else 0.55
            board.bevel(0, float(y), wide, 0.56, style.trim)
            board.bevel(board.width - wide, float(y), wide, 0.56, style.trim)


def arcade(board: Board, rng: np.random.Generator, style: Style, top: float, bays: int) -> None:
    """Deep arches along the foot of the board, from `top` metres downwards."""
    step = board.width / bays
    height = board.height - top
    for bay in range(bays):
        x, wide = (bay + 0.16) * step, step * 0.68
        frame = opening(style.head, x - 0.2, top + 0.15, wide + 0.4, height)
        board.polygon(frame, style.trim)
        board.line(frame, shade(style.trim, 0.6), 0.05, closed=True)
        board.polygon(opening(style.head, x, top + 0.35, wide, height), shade(style.wall, 0.24), 60)
        inner = opening(style.head, x + wide * 0.2, top + 0.9, wide * 0.8, height)
        board.polygon(inner, shade(style.wall, rng.uniform(0.34, 0.42)), 110)
        board.rect(
            x + wide * 0.45,
            top + height * 0.45,
            wide * 0.3,
            height * 0.55,
            shade(style.door, 0.5),
            alpha=60,
        )
    board.bevel(0, top - 0.15, board.width, 0.25, style.trim)


def shops(board: Board, rng: np.random.Generator, style: Style, top: float) -> None:
    """Shop windows with awnings and signs along the foot of the board."""
    count = max(1, round(board.width / 5.0))
    step, height = board.width / count, board.height - top
    for shop in range(count):
        x = shop * step
        colour = style.door if shop % 2 == 0 else mix(style.door, style.accent, 0.6)
        board.rect(x + 0.15, top, step - 0.3, height, colour)
        board.rect(
            x + 0.5,
            top + height * 0.36,
            step * 0.55,
            height * 0.5,
            shade(style.glass, 0.9),
            alpha=220,
        )
        board.rect(
            x + step * 0.72,
            top + height * 0.32,
            step * 0.2,
            height * 0.68,
            shade(style.glass, 0.7),
            alpha=180,
        )
        goods = rng.integers(60, 240, (6, 3))
        for place, tone in enumerate(goods):
            board.rect(
                x + 0.6 + place * step * 0.085,
                top + height * 0.68,
                step * 0.06,
                height * 0.16,
                (int(tone[0]), int(tone[1]), int(tone[2])),
                alpha=120,
            )
        word = str(rng.choice(_SHOPS))
        board.text(word, x + step / 2, top + height * 0.13, height * 0.16, (225, 236, 240))
        if rng.random() < 0.6:
            _awning(board, (x + 0.3, top + height * 0.26, step - 0.6, height * 0.16), style)


def _awning(board: Board, area: Area, style: Style) -> None:
    x, y, width, height = area
    count = max(4, round(width / 0.4))
    for strip in range(count):
        tone = style.accent if strip % 2 else (232, 238, 240)
        left = x + width * strip / count
        board.rect(left, y, width / count, height, tone)
        board.ellipse(left + width / count / 2, y + height, width / count / 2, height * 0.3, tone)
