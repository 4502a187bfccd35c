"""Carving: cornices, friezes, columns, medallions, gables, mosaics, inscriptions."""

from __future__ import annotations

import math

import cv2
import numpy as np

from steeple.demo.paint.board import Area, Board, Disc
from steeple.demo.paint.style import Style
from steeple.demo.render.texture import Colour, Pixels, mix, shade


def carving(rng: np.random.Generator, height: int, width: int, colour: Colour) -> Pixels:
    """A (height, width, 4) uint8 BGRA relief of scrolls and rosettes, mirrored along its middle."""
    half = (width + 1) // 2
    relief = np.zeros((height, half), np.uint8)
    reach = min(height, half)
    for _ in range(int(rng.integers(5, 10))):
        centre = (int(rng.integers(0, half)), int(rng.integers(0, height)))
        radius = int(rng.uniform(0.1, 0.38) * reach) + 1
        start, sweep = rng.uniform(0, 360), rng.uniform(150, 330)
        level = int(rng.integers(90, 256))
        weight = max(1, int(reach * rng.uniform(0.04, 0.12)))
        for turn in range(3):
            size = max(1, int(radius * (1.0 - 0.3 * turn)))
            axes = (size, max(1, int(size * rng.uniform(0.6, 1.0))))
            cv2.ellipse(relief, centre, axes, start, 0, sweep, level, weight, cv2.LINE_AA)
        cv2.circle(relief, centre, max(1, radius // 4), level, -1, cv2.LINE_AA)
    whole = np.concatenate([relief, relief[:, ::-1]], axis=1)[:, :width]
    return emboss(whole, colour)


def emboss(relief: Pixels, colour: Colour, depth: float = 1.0) -> Pixels:
    """A height map seen as stone of one colour.

    Args:
        relief: (h, w) uint8, high is bright.
        colour: BGR of the stone.
        depth: how strongly slopes are shaded.

    Returns:
        (h, w, 4) uint8 BGRA, the fourth channel full.
    """
    smooth = cv2.GaussianBlur(relief.astype(np.float32), (0, 0), max(0.8, relief.shape[0] / 90))
    slope = cv2.Sobel(smooth, cv2.CV_32F, 1, 0) + cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    light = 0.78 + depth * np.tanh(slope / 220.0) * 0.55 + smooth / 255.0 * 0.22
    out = np.clip(light[:, :, None] * np.asarray(colour, np.float32), 0, 255).astype(np.uint8)
    return np.dstack([out, np.full(relief.shape, 255, np.uint8)])


def medallion(board: Board, rng: np.random.Generator, style: Style, disc: Disc) -> None:
    """A round relief in a ring."""
    x, y, radius = disc
    side = max(12, int(2 * radius * board.density))
    relief = carving(rng, side, side, mix(style.trim, style.accent, 0.3))
    cover = np.zeros((side, side), np.uint8)
    cv2.circle(cover, (side // 2, side // 2), side // 2 - 1, 255, -1, cv2.LINE_AA)
    relief[:, :, 3] = cover
    board.ellipse(x, y, radius * 1.25, radius * 1.25, style.trim)
    board.paste(relief, x - radius, y - radius, 2 * radius, 2 * radius)
    board.ellipse(
        x, y, radius * 1.1, radius * 1.1, shade(style.accent, 0.8), thickness=radius * 0.2
    )


def cornice(board: Board, rng: np.random.Generator, style: Style, y: float, height: float) -> None:
    """A projecting band with its shadow and, below it, the style's frieze."""
    trim = style.trim
    board.rect(0, y + height, board.width, height * 0.55, shade(style.wall, 0.62))
    for row, share in enumerate((0.3, 0.25, 0.45)):
        top = y + height * (0.0, 0.3, 0.55)[row]
        board.bevel(0, top, board.width, height * share, shade(trim, 1.05 - 0.08 * row))
    frieze(board, rng, style, y + height * 0.55, height * 0.45)
    step = height * 0.45
    for x in np.arange(0.0, board.width, step * 1.6):
        board.bevel(float(x), y + height, step, height * 0.3, trim)


def frieze(board: Board, rng: np.random.Generator, style: Style, y: float, height: float) -> None:
    """A band of the style's repeated ornament across the whole board."""
    ground = mix(style.trim, style.accent, 0.15)
    board.rect(0, y, board.width, height, ground)
    tone = shade(style.accent, 0.85)
    if style.frieze == 4:
        pixels = max(12, int(height * board.density))
        piece = carving(rng, pixels, pixels * 3, style.trim)
        for x in np.arange(0.0, board.width, height * 3):
            board.paste(piece, float(x), y, height * 3, height)
        return
    for x in np.arange(0.0, board.width + height, height):
        left, middle = float(x), float(x) + height / 2
        if style.frieze == 0:
            board.polygon([(left, y + height), (middle, y), (left + height, y + height)], tone)
        elif style.frieze == 1:
            board.ellipse(middle, y + height / 2, height * 0.36, height * 0.42, tone)
            board.ellipse(middle, y + height / 2, height * 0.18, height * 0.2, style.trim)
        elif style.frieze == 2:
            board.line(
                [
                    (left, y + height * 0.8),
                    (left, y + height * 0.2),
                    (left + height * 0.75, y + height * 0.2),
                    (left + height * 0.75, y + height * 0.6),
                    (left + height * 0.4, y + height * 0.6),
                ],
                tone,
                height * 0.12,
            )
        else:
            board.polygon(
                [
                    (middle, y),
                    (left + height, y + height / 2),
                    (middle, y + height),
                    (left, y + height / 2),
                ],
                tone,
            )


def pillar(board: Board, style: Style, area: Area, *, round_: bool) -> None:
    """A column or pilaster with its foot and capital; x is its left side."""
    x, y, width, height = area
    foot = width * 0.35
    shaft_top, shaft_bottom = y + foot * 1.4, y + height - foot
    tones = 9
    for tone in range(tones):
        angle = math.pi * (tone + 0.5) / tones
        light = 0.55 + 0.5 * math.sin(angle * 0.9 + 0.35) if round_ else 0.96 - 0.1 * (tone % 3)
        board.rect(
            x + width * tone / tones,
            shaft_top,
            width / tones + 0.02,
            shaft_bottom - shaft_top,
            shade(style.trim, light),
        )
    board.rect(
        x + width, shaft_top, width * 0.22, shaft_bottom - shaft_top, shade(style.wall, 0.66)
    )
    board.bevel(x - foot * 0.3, shaft_bottom, width + foot * 0.6, foot, style.trim)
    board.bevel(x - foot * 0.4, y, width + foot * 0.8, foot * 0.6, style.trim)
    board.bevel(
        x - foot * 0.2,
        y + foot * 0.6,
        width + foot * 0.4,
        foot * 0.8,
        mix(style.trim, style.accent, 0.5),
    )
    for side in (0.0, 1.0):
        board.ellipse(
            x + width * side, y + foot * 0.95, foot * 0.4, foot * 0.4, shade(style.trim, 0.8)
        )


def pediment(rng: np.random.Generator, style: Style, width: float, height: float) -> Board:
    """A triangular gable's field, to be cut along the triangle: relief, medallion and rim."""
    board = Board(width, height, 36, shade(style.wall, 0.9))
    side = max(24, int(height * 24))
    board.paste(
        carving(rng, side, side * 3, mix(style.wall, style.trim, 0.5)),
        width / 2 - height * 1.5,
        height * 0.05,
        height * 3,
        height,
    )
    medallion(board, rng, style, (width / 2, height * 0.62, height * 0.2))
    for inset, tone in ((0.0, 1.05), (0.32, 0.6)):
        lift = inset * height / width * 2
        board.line(
            [(0, height - lift), (width / 2, lift), (width, height - lift)],
            shade(style.trim, tone),
            0.55 - inset,
        )
    board.bevel(0, height - 0.45, width, 0.45, style.trim)
    return board


def mosaic(rng: np.random.Generator, height: int, width: int, palette: list[Colour]) -> Pixels:
    """A (height, width, 4) uint8 BGRA mirrored pattern of broken tiles, one landmark's own."""
    cells = 90
    half = (width + 1) // 2
    seeds = np.full((height, half), 255, np.uint8)
    at = rng.integers(0, height, cells), rng.integers(0, half, cells)
    seeds[at] = 0
    _, labels = cv2.distanceTransformWithLabels(
        seeds, cv2.DIST_L1, 3, labelType=cv2.DIST_LABEL_PIXEL
    )
    table = np.array(palette, np.float64)[rng.integers(0, len(palette), cells + 2)]
    table *= rng.uniform(0.75, 1.2, (cells + 2, 1))
    colours = np.clip(table, 0, 255).astype(np.uint8)[labels % (cells + 2)]
    joint = cv2.morphologyEx(labels.astype(np.float32), cv2.MORPH_GRADIENT, np.ones((2, 2))) > 0
    colours[joint] = (176, 190, 200)
    field = np.concatenate([colours, colours[:, ::-1]], axis=1)[:, :width]
    return np.dstack([field, np.full((height, width), 255, np.uint8)])


def inscription(board: Board, words: str, y: float, height: float, style: Style) -> None:
    """A band of carved capitals across the middle of the board."""
    words = words.upper()
    size = min(
        height * 0.6, height * 0.6 * board.width * 0.85 / board.text_width(words, height * 0.6)
    )
    wide = board.text_width(words, size) + size
    board.bevel(board.width / 2 - wide / 2, y, wide, height, shade(style.trim, 0.98))
    board.text(words, board.width / 2 + 0.04, y + height / 2 + 0.04, size, shade(style.trim, 1.3))
    board.text(words, board.width / 2, y + height / 2, size, shade(style.accent, 0.5))
