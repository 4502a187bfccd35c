"""What rooms are fitted with: columns, coloured windows, painted ceilings."""

from __future__ import annotations

import numpy as np

from steeple.demo.inside.rooms import Interior
from steeple.demo.paint.board import Area, Board
from steeple.demo.paint.openings import opening, stained_glass
from steeple.demo.paint.ornament import frieze, pillar
from steeple.demo.render import noise
from steeple.demo.render.texture import Colour, Texture, make_texture, shade


def column(inside: Interior, height: float) -> Texture:
    """A tiled column with its capital, 1 metre of girth wide and `height` metres high."""
    board = Board(1.0, height, 32, inside.style.trim)
    pillar(board, inside.style, (0.0, 0.0, 0.999, height), round_=True)
    frieze(board, inside.rng, inside.style, height * 0.3, 0.3)
    return board.texture(tiled=True)


def glass_bay(inside: Interior, board: Board, area: Area) -> None:
    """A stained glass window in a wall, shining."""
    x, y, width, height = area
    outline = opening(inside.style.head, x - 0.15, y - 0.15, width + 0.3, height + 0.3)
    board.polygon(outline, inside.style.trim)
    density = board.density
    pane = stained_glass(
        inside.rng, max(16, int(height * density)), max(10, int(width * density)), 70
    )
    shape = Board(width, height, density, (0, 0, 0), 0)
    shape.polygon(opening(inside.style.head, 0, 0, width, height), (255, 255, 255), 255)
    cover = shape.pixels[: pane.shape[0], : pane.shape[1], 3]
    x0, y0 = round(x * density), round(y * density)
    place = board.pixels[y0 : y0 + cover.shape[0], x0 : x0 + cover.shape[1]]
    fit = cover[: place.shape[0], : place.shape[1]] > 127
    place[fit] = pane[: place.shape[0], : place.shape[1]][fit]


def fresco(rng: np.random.Generator, colours: list[Colour], width: int, height: int) -> Texture:
    """A painted ceiling: clouds in two colours, and gilded ribs; tiled, sizes in pixels."""
    field = noise.patch("cloud", rng, height, width)[:, :, None]
    low, high = np.array(colours[0], np.float32), np.array(colours[1], np.float32)
    picture = low + (high - low) * np.clip(field * 0.35 + 0.5, 0, 1)
    board = Board(width / 32, height / 32, 32, colours[0])
    board.pixels[:, :, :3] = picture.astype(np.uint8)[
        : board.pixels.shape[0], : board.pixels.shape[1]
    ]
    kind = int(rng.integers(3))
    for x in np.arange(0.0, board.width, 2.0):
        board.rect(float(x), 0, 0.22, board.height, colours[2])
        board.rect(float(x) + 0.22, 0, 0.1, board.height, shade(colours[2], 0.5))
        for y in np.arange(0.6, board.height, 1.2):
            if kind == 0:
                board.ellipse(float(x) + 1.1, float(y), 0.12, 0.12, (110, 210, 240))
            elif kind == 1:
                board.line([(x + 0.3, y), (x + 1.9, y + 1.2)], colours[2], 0.1)
                board.line([(x + 1.9, y), (x + 0.3, y + 1.2)], colours[2], 0.1)
            else:
                board.rect(float(x) + 0.5, float(y), 1.2, 0.8, shade(colours[1], 0.7))
                board.ellipse(float(x) + 1.1, float(y) + 0.4, 0.25, 0.25, colours[2])
    return make_texture(board.pixels, tiled=True)
