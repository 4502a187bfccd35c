"""Cutouts of what stands about in a city: statues, passers-by, trees, lamps, cars."""

from __future__ import annotations

import numpy as np

from steeple.demo.paint.board import Board
from steeple.demo.paint.openings import clock
from steeple.demo.paint.style import Style
from steeple.demo.render import noise
from steeple.demo.render.texture import Colour, Texture, rgb, shade

_CLOTHES = (
    0x8C2F39,
    0x2F4858,
    0x33658A,
    0xF6AE2D,
    0x6B705C,
    0x3D405B,
    0xE07A5F,
    0x81B29A,
    0x2B2D42,
    0xD9D9D9,
    0x5B3A29,
    0x9B5DE5,
)


_SKIN = (0xF1C9A5, 0xC68E63, 0x8D5A3B, 0xE0AC84)


_PAINT = (0xB3272C, 0xE8E6E1, 0x2D3E50, 0x3C6E47, 0xC9A227, 0x6E7B8B, 0x1E1E22, 0x4F8FBF)


def _blank(width: float, height: float, density: float) -> Board:
    return Board(width, height, density, (0, 0, 0))


def _cut(board: Board, around: Colour) -> Texture:
    """The board as a cutout; what is not there takes a fitting colour, lest edges turn black."""
    missing = board.pixels[:, :, 3] < 128
    board.pixels[missing, :3] = around
    return board.texture(cutout=True)


def passer_by(rng: np.random.Generator) -> Texture:
    """A pedestrian, 1 wide by 2 high, 1.8 metres tall if drawn at that size."""
    board = _blank(1.0, 2.0, 48)
    coat = rgb(int(rng.choice(_CLOTHES)))
    legs = shade(rgb(int(rng.choice(_CLOTHES))), 0.7)
    skin = rgb(int(rng.choice(_SKIN)))
    stride = float(rng.uniform(0.05, 0.2))
    for side in (-1, 1):
        board.line(
            [(0.5, 1.15), (0.5 + side * stride * 0.6, 1.55), (0.5 + side * stride, 1.95)],
            shade(legs, 0.9 + 0.1 * side),
            0.14,
            255,
        )
        board.line(
            [(0.5 + side * 0.16, 0.62), (0.5 + side * 0.25, 1.0), (0.5 + side * 0.2, 1.2)],
            shade(coat, 0.85),
            0.11,
            255,
        )
        board.ellipse(0.5 + side * 0.2, 1.22, 0.05, 0.06, skin, alpha=255)
    hem = 1.45 if rng.random() < 0.4 else 1.18
    board.polygon([(0.32, 0.52), (0.68, 0.52), (0.72, hem), (0.28, hem)], coat, 255)
    board.polygon([(0.32, 0.52), (0.42, 0.52), (0.38, hem), (0.28, hem)], shade(coat, 1.25), 255)
    board.ellipse(0.5, 0.36, 0.12, 0.15, skin, alpha=255)
    hair = shade((30, 40, 60), rng.uniform(0.5, 2.5))
    board.ellipse(0.5, 0.3, 0.13, 0.12, hair, alpha=255, arc=(180, 360))
    if rng.random() < 0.15:
        board.ellipse(
            0.5, 0.2, 0.46, 0.26, rgb(int(rng.choice(_CLOTHES))), alpha=255, arc=(180, 360)
        )
    if rng.random() < 0.3:
        board.rect(0.68, 1.1, 0.18, 0.24, rgb(int(rng.choice(_CLOTHES))), alpha=255)
    return _cut(board, coat)


def tree(rng: np.random.Generator) -> Texture:
    """A tree, 6 wide by 8 high: clumps of leaves lit from above, or the tiers of a fir."""
    board = _blank(6.0, 8.0, 28)
    bark = shade((48, 62, 78), rng.uniform(0.7, 1.2))
    leaf = rgb(
        int(rng.choice((0x5E7F3A, 0x4C6B35, 0x7A8F3C, 0x3F6B4A, 0xA7802E, 0x8FA05A, 0xB0662C)))
    )
    board.polygon([(2.8, 8.0), (3.25, 8.0), (3.1, 3.0), (2.95, 3.0)], bark, 255)
    for _ in range(7):
        tip = (float(rng.uniform(1.0, 5.0)), float(rng.uniform(1.0, 4.0)))
        board.line([(3.0, float(rng.uniform(3.5, 5.5))), tip], bark, 0.12, 255)
    kind = rng.integers(5)
    if kind == 4:
        for level in range(9):
            y, reach = 0.6 + level * 0.68, 0.35 + level * 0.24
            board.polygon(
                [(3 - reach, y + 0.9), (3, y - 0.4), (3 + reach, y + 0.9)],
                shade(leaf, 0.55 + 0.04 * (level % 3)),
                255,
            )
    else:
        spread = (2.2, 2.4) if kind != 3 else (1.0, 3.0)
        for clump in range(70):
            angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(0, 1) ** 0.5
            x = 3 + np.cos(angle) * reach * spread[0]
            y = 3.2 + np.sin(angle) * reach * spread[1]
            light = 0.62 + 0.5 * (1 - y / 6) + 0.002 * clump
            size = rng.uniform(0.3, 0.7)
            board.ellipse(float(x), float(y), size, size * 0.8, shade(leaf, light), alpha=255)
    height, width = board.pixels.shape[:2]
    leaves = noise.patch("grain", rng, height, width)
    board.multiply(1.0 + 0.14 * leaves)
    frayed = (noise.patch("leaf", rng, height, width) > 0.9) & (
        np.arange(height)[:, None] < height * 0.7
    )
    board.pixels[frayed, 3] = 0
    return _cut(board, shade(leaf, 0.7))


def lamp(rng: np.random.Generator) -> Texture:
    """A street lamp, 1.5 wide by 5 high."""
    board = _blank(1.5, 5.0, 40)
    iron: Colour = (44, 50, 44)
    board.rect(0.7, 0.9, 0.1, 4.1, iron, alpha=255)
    board.rect(0.62, 4.3, 0.26, 0.7, iron, alpha=255)
    heads = (0.75,) if rng.random() < 0.6 else (0.3, 1.2)
    for x in heads:
        board.line([(0.75, 1.2), (x, 0.95)], iron, 0.07, 255)
        board.polygon(
            [(x - 0.2, 0.35), (x + 0.2, 0.35), (x + 0.12, 0.9), (x - 0.12, 0.9)],
            (190, 236, 250),
            255,
        )
        board.polygon([(x - 0.24, 0.36), (x, 0.12), (x + 0.24, 0.36)], iron, 255)
    return _cut(board, iron)


def car(rng: np.random.Generator) -> Texture:
    """A parked car from the side, 4.4 wide by 1.6 high."""
    board = _blank(4.4, 1.6, 40)
    paint = rgb(int(rng.choice(_PAINT)))
    nose, roof = float(rng.uniform(0.9, 1.4)), float(rng.uniform(0.08, 0.3))
    cabin = [(nose, 0.75), (nose + 0.6, roof), (3.2, roof), (3.9, 0.75)]
    board.polygon(cabin, shade(paint, 0.9), 255)
    board.polygon(
        [(nose + 0.22, 0.72), (nose + 0.68, roof + 0.1), (2.2, roof + 0.1), (2.2, 0.72)],
        (92, 82, 70),
        255,
    )
    board.polygon(
        [(2.32, 0.72), (2.32, roof + 0.1), (3.12, roof + 0.1), (3.6, 0.72)], (92, 82, 70), 255
    )
    board.polygon(
        [(0.1, 1.25), (0.12, 0.85), (nose, 0.7), (4.0, 0.7), (4.3, 0.85), (4.3, 1.25)], paint, 255
    )
    board.rect(0.1, 0.98, 4.2, 0.06, shade(paint, 1.35), alpha=255)
    for x in (0.95, 3.45):
        board.ellipse(x, 1.25, 0.34, 0.34, (28, 28, 30), alpha=255)
        board.ellipse(x, 1.25, 0.18, 0.18, (150, 150, 152), alpha=255)
    board.rect(0.1, 0.85, 0.2, 0.14, (200, 236, 250), alpha=255)
    board.rect(4.15, 0.85, 0.16, 0.16, (40, 40, 190), alpha=255)
    return _cut(board, paint)


def street_clock(rng: np.random.Generator, style: Style) -> Texture:
    """A clock on a post, 1.2 wide by 4 high."""
    board = _blank(1.2, 4.0, 40)
    board.rect(0.53, 1.0, 0.14, 3.0, (50, 60, 44), alpha=255)
    shown = Board(1.2, 1.2, 40, (0, 0, 0))
    clock(shown, rng, style, (0.6, 0.6, 0.45))
    disc = _blank(1.2, 1.2, 40)
    disc.ellipse(0.6, 0.6, 0.55, 0.55, (255, 255, 255), alpha=255)
    shown.pixels[:, :, 3] = disc.pixels[:, :, 3]
    board.paste(shown.pixels, 0.0, 0.0, 1.2, 1.2)
    board.pixels[:48, :, 3] = np.maximum(board.pixels[:48, :, 3], disc.pixels[:48, :, 3])
    return _cut(board, (50, 60, 44))


def flag(rng: np.random.Generator) -> Texture:
    """A flag on its pole, 2 wide by 6 high, of a country of its own."""
    board = _blank(2.0, 6.0, 40)
    board.rect(0.1, 0.0, 0.1, 6.0, (170, 176, 180), alpha=255)
    colours = [
        rgb(int(code))
        for code in rng.choice(
            (0xB3272C, 0x23479B, 0xE8C33A, 0x2C7F4F, 0xF0F0EA, 0x2B2B30), 3, replace=False
        )
    ]
    for strip in range(3):
        for column in range(16):
            x = 0.2 + column * 0.11
            wave = 0.07 * np.sin(column * 0.8)
            tone = shade(colours[strip], 1.0 + 0.18 * float(np.cos(column * 0.8)))
            board.rect(x, 0.15 + strip * 0.4 + wave, 0.12, 0.42, tone, alpha=255)
    return _cut(board, colours[1])
