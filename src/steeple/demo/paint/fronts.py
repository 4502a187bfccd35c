"""Whole fronts, from plinth to cornice: palaces, churches, towers, ordinary houses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from steeple.demo.paint.board import Board
from steeple.demo.paint.facades import arcade, blank, shops, storeys, uprights
from steeple.demo.paint.openings import opening, portal, rose, stained_glass, window
from steeple.demo.paint.ornament import carving, cornice, inscription, medallion, mosaic
from steeple.demo.paint.style import Style
from steeple.demo.render.texture import mix, shade


def grand_front(
    rng: np.random.Generator, style: Style, width: float, height: float, words: str
) -> Board:
    """The main front of a landmark: portal or arcade, storeys, inscription, cornice."""
    board = blank(rng, style, width, height, 42.0)
    foot = min(height * 0.4, rng.uniform(4.5, 7.0))
    top = 1.6 + 0.8
    if height - foot - top > 3.0:
        storeys(board, rng, style, top, height - foot)
    board.bevel(0, height - foot, width, 0.35, style.trim)
    if rng.random() < 0.5:
        arcade(board, rng, style, height - foot + 0.5, max(3, round(width / 4.5)) | 1)
    else:
        small = replace(style, hood="none", order="none")
        storeys(board, rng, small, height - foot + 0.4, height - 0.9)
        wide = min(width * 0.3, foot)
        board.rect(width / 2 - wide * 0.7, height - foot + 0.4, wide * 1.4, foot, style.wall)
        portal(board, rng, style, (width / 2, wide, foot * 0.92))
        for side in (-1, 1):
            medallion(
                board, rng, style, (width / 2 + side * wide * 0.95, height - foot * 0.75, 0.5)
            )
    inscription(board, words, height - foot - 1.0, 1.0, style)
    if rng.random() < 0.5:
        _mosaic_band(board, rng, style, 1.7)
    _relief_band(board, rng, style, height - foot - 0.05)
    cornice(board, rng, style, 0.0, 1.3)
    board.weather(rng)
    return board


def _mosaic_band(board: Board, rng: np.random.Generator, style: Style, y: float) -> None:
    palette = [style.accent, style.trim, style.second, style.roof, style.door]
    piece = mosaic(rng, 64, 256, palette)
    for x in np.arange(0.0, board.width, 4.8):
        board.paste(piece, float(x), y, 4.8, 1.2)


def _relief_band(board: Board, rng: np.random.Generator, style: Style, y: float) -> None:
    """Carved panels between two storeys, each another scene."""
    tone = mix(style.trim, style.wall, 0.35)
    count = max(3, round(board.width / 3.2))
    step = board.width / count
    for place in range(count):
        scene = carving(rng, 40, 80, tone)
        board.paste(scene, (place + 0.12) * step, y, step * 0.76, 0.85)


def church_front(
    rng: np.random.Generator, style: Style, width: float, height: float, words: str
) -> Board:
    """A church front: portal, rose window, gallery of niches."""
    board = blank(rng, style, width, height, 42.0)
    door = min(height * 0.38, width * 0.62)
    radius = min(width * 0.24, height * 0.15)
    rose_y = height - door - radius * 1.9 - 1.0
    for x in (width * 0.17, width * 0.83):
        tall = height * 0.3
        window(board, rng, style, (x - width * 0.05, rose_y - tall * 0.3, width * 0.1, tall))
    rose(board, rng, style, (width / 2, rose_y, radius))
    niches = max(4, round(width / 1.5))
    level = rose_y - radius * 1.25 - 2.2
    if level > 0.3:
        _niches(board, rng, style, level, niches)
    portal(board, rng, style, (width / 2, door * 0.72, door))
    for x in (width * 0.14, width * 0.86):
        portal(board, rng, style, (x, door * 0.34, door * 0.66))
    inscription(board, words, height - door - 0.95, 0.8, style)
    cornice(board, rng, style, 0.0, 0.9)
    uprights(board, style, width, 1.2, height)
    board.weather(rng)
    return board


def _niches(board: Board, rng: np.random.Generator, style: Style, y: float, count: int) -> None:
    """A row of niches with kings in them, each with his own carving."""
    step = board.width / count
    for place in range(count):
        x = place * step
        board.polygon(opening("round", x + step * 0.15, y, step * 0.7, 1.9), shade(style.wall, 0.4))
        figure = carving(rng, 40, 20, shade(style.trim, 0.95))
        board.paste(figure, x + step * 0.32, y + 0.6, step * 0.36, 1.25)
        board.ellipse(x + step / 2, y + 0.5, step * 0.13, 0.17, style.trim)
    board.bevel(0, y + 1.9, board.width, 0.25, style.trim)


def tower_shaft(rng: np.random.Generator, style: Style, width: float, height: float) -> Board:
    """One side of a tower: a few windows above each other, a belfry opening near the top."""
    board = blank(rng, style, width, height, 36.0)
    slim = replace(style, bay=width, hood="none", order="quoin" if width > 3.5 else "none")
    belfry = min(height * 0.3, width * 1.5)
    if height - belfry > 4.0:
        storeys(board, rng, slim, belfry + 0.8, height - 0.5)
    board.rect(0, 0.8, width, belfry, shade(style.wall, 1.05))
    count = 2 if width > 4.5 else 1
    for place in range(count):
        wide = width / count * 0.58
        x = (place + 0.5) * width / count - wide / 2
        board.polygon(opening(style.head, x - 0.2, 1.2, wide + 0.4, belfry - 0.4), style.trim)
        board.polygon(opening(style.head, x, 1.4, wide, belfry - 0.7), (42, 44, 48), 90)
        for y in np.arange(1.4 + wide * 0.6, belfry + 0.5, 0.4):
            board.rect(x + 0.05, float(y), wide - 0.1, 0.16, shade(style.wall, 0.62))
    board.bevel(0, belfry + 0.7, width, 0.35, style.trim)
    cornice(board, rng, style, 0.0, 0.8)
    board.weather(rng)
    return board


def nave_side(rng: np.random.Generator, style: Style, width: float, height: float) -> Board:
    """The flank of a church: tall coloured windows between buttresses."""
    board = blank(rng, style, width, height, 32.0)
    bays = max(2, round(width / 4.0))
    step = width / bays
    for bay in range(bays):
        x, wide, tall = (bay + 0.3) * step, step * 0.4, height * 0.55
        outline = opening(style.head, x - 0.2, height * 0.2, wide + 0.4, tall)
        board.polygon(outline, style.trim)
        pane = stained_glass(rng, 96, 36, 50)
        shape = Board(1.0, 96 / 36, 36, (0, 0, 0), 0)
        shape.polygon(opening(style.head, 0.0, 0.0, 1.0, 96 / 36), (255, 255, 255), 255)
        pane[:, :, :3] = pane[:, :, :3] // 2 + 20
        pane[:, :, 3] = shape.pixels[:, :, 3]
        board.paste(pane, x, height * 0.22, wide, tall - 0.2)
        board.bevel((bay + 1) * step - 0.35, height * 0.12, 0.7, height * 0.88, style.trim)
    cornice(board, rng, style, 0.0, 0.8)
    board.weather(rng)
    return board


def house_front(rng: np.random.Generator, style: Style, width: float, height: float) -> Board:
    """An ordinary house, often with a shop in it."""
    board = blank(rng, style, width, height, 30.0)
    foot = 3.6
    storeys(
        board,
        rng,
        replace(style, order="none" if style.order == "column" else style.order),
        1.0,
        height - foot - 0.2,
    )
    if rng.random() < 0.65:
        shops(board, rng, style, height - foot)
    else:
        storeys(board, rng, replace(style, hood="none"), height - foot, height - 0.6)
        portal(board, rng, style, (width * rng.choice((0.25, 0.5, 0.75)), 1.8, 3.0))
    cornice(board, rng, style, 0.0, 0.7)
    board.weather(rng)
    return board
