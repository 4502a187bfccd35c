"""Gates, columns, clock towers, bridges, windmills, lighthouses."""

from __future__ import annotations

import math

import numpy as np

from steeple.demo.paint import facades, fronts
from steeple.demo.paint.board import Board
from steeple.demo.paint.openings import opening
from steeple.demo.paint.ornament import cornice, frieze, inscription, medallion, pillar
from steeple.demo.places.parts import LAMP, Works
from steeple.demo.places.towers import tower
from steeple.demo.render.mesh import panel
from steeple.demo.render.solids import arch_wall, box, turned
from steeple.demo.render.texture import shade

Extent = tuple[float, float, float]


def gate(works: Works) -> Extent:
    """A triumphal arch, with a team of horses or heroes above it."""
    rng, style = works.rng, works.style
    width, height, deep = rng.uniform(15, 20), rng.uniform(12, 16), rng.uniform(4, 6)
    board = facades.blank(rng, style, width, height, 44)
    hole = (width / 2, width * 0.3, height * 0.62)
    for x in (0.06, 0.29, 0.65, 0.88):
        pillar(board, style, (width * x, height * 0.28, width * 0.055, height * 0.68), round_=True)
    for x in (0.2, 0.8):
        medallion(board, rng, style, (width * x, height * 0.4, width * 0.055))
        side = works.relief(width * 0.12, height * 0.22)
        board.paste(
            _opaque(side.pixels), width * (x - 0.06), height * 0.55, width * 0.12, height * 0.24
        )
    ring = opening("round", width * 0.33, height * 0.355, width * 0.34, height * 0.7)
    board.polygon(ring, style.trim)
    board.line(ring, shade(style.accent, 0.8), 0.3, closed=True)
    frieze(board, rng, style, height * 0.2, height * 0.055)
    inscription(board, works.words, height * 0.09, height * 0.09, style)
    cornice(board, rng, style, 0.0, height * 0.06)
    board.weather(rng)
    face = board.texture()
    works.faces += arch_wall(
        (-width / 2, 0, 0),
        width,
        height,
        hole,
        face,
        back=deep,
        soffit=works.relief(deep, 8.0),
        lamp=LAMP,
    )
    down = (0, 0, -height)
    for x, right, y in ((width / 2, deep, 0.0), (-width / 2, -deep, deep)):
        works.faces.append(
            panel(
                (x, y, height),
                (0, right, 0),
                down,
                works.wall,
                window=(0, 0, deep / 6, height / 6),
                lamp=LAMP,
            )
        )
    works.plinth((0, deep / 2), (width * 1.04, deep * 1.1, 0.7), height)
    works.plinth((0, deep / 2), (width * 0.5, deep * 0.7, 1.6), height + 0.7)
    for x in np.linspace(-1, 1, int(rng.integers(1, 4))) if rng.random() < 0.7 else (0.0,):
        works.figure(float(x) * width * 0.16, deep / 2, height + 2.3, 4.6)
    works.details.append((0, 0, height * 0.85, height * 0.4))
    works.details.append((-width * 0.3, 0, height * 0.5, height * 0.5))
    return width, deep, height + 6.5


def _opaque(pixels: np.ndarray) -> np.ndarray:
    solid = pixels.copy()
    solid[:, :, 3] = 255
    return solid


def column(works: Works) -> Extent:
    """A carved column on steps, with a saint on top and company at the foot."""
    rng, style = works.rng, works.style
    radius, height = rng.uniform(1.1, 1.9), rng.uniform(14, 22)
    base, block = rng.uniform(7, 10), rng.uniform(4.0, 5.0)
    for step in range(4):
        works.plinth((0, base / 2), (base - step * 1.0, base - step * 1.0, 0.4), step * 0.4)
    side = radius * 3.4
    board = facades.blank(rng, style, side, block, 48)
    board.paste(
        _opaque(works.relief(side * 0.8, block * 0.5).pixels),
        side * 0.1,
        block * 0.35,
        side * 0.8,
        block * 0.5,
    )
    inscription(board, works.words, block * 0.14, block * 0.16, style)
    board.weather(rng)
    face = board.texture()
    works.faces += box((0, base / 2), (side, side, block), (face, face), floor=1.6, lamp=LAMP)
    works.plinth((0, base / 2), (side * 1.15, side * 1.15, 0.5), 1.6 + block)
    foot = 2.1 + block
    shaft = Board(2 * math.pi * radius, height, 30, style.trim)
    turns = int(rng.integers(4, 9))
    for turn in range(turns):
        frieze(shaft, rng, style, height * turn / turns, height / turns * rng.uniform(0.2, 0.5))
        for x in np.arange(0.4, shaft.width, shaft.width / 4):
            medallion(shaft, rng, style, (float(x) + 0.4, height * (turn + 0.7) / turns, 0.45))
    shaft.weather(rng)
    works.faces += turned(
        (0, base / 2),
        [(radius, foot), (radius * 0.85, foot + height)],
        shaft.texture(tiled=True),
        sides=12,
        lamp=LAMP,
    )
    works.faces += turned(
        (0, base / 2),
        [
            (radius * 0.85, foot + height),
            (radius * 1.5, foot + height + 1),
            (radius * 1.5, foot + height + 1.4),
        ],
        works.wall,
        sides=10,
        lamp=LAMP,
    )
    works.plinth((0, base / 2), (radius * 2.6, radius * 2.6, 0.4), foot + height + 1.4)
    works.figure(0, base / 2, foot + height + 1.8, rng.uniform(3.6, 5.0))
    for x in (-1, 1):
        works.figure(x * base * 0.36, base * 0.15, 1.2, 2.6)
    works.details.append((0, base / 2 - side / 2, 1.6 + block / 2, block * 1.4))
    works.details.append((0, base / 2, foot + height + 3, 6.0))
    return base, base, foot + height + 6


def clocktower(works: Works) -> Extent:
    """One tower, one clock on each side, seen from everywhere."""
    rng = works.rng
    side, height = rng.uniform(6, 8.5), rng.uniform(22, 34)
    base = fronts.grand_front(rng, works.style, side * 1.8, 7.0, works.words).texture()
    works.faces += box(
        (0, side * 0.9), (side * 1.8, side * 1.8, 7.0), (base, base), top=works.stone, lamp=LAMP
    )
    tower(works, 0, side * 0.9, side, height, face="clock")
    for x in (-1, 1):
        works.figure(x * side * 0.75, 0.7, 7.0, 3.0)
    return side * 1.8, side * 1.8, height + side * 1.8


MONUMENTS = {"clocktower": clocktower, "column": column, "gate": gate}
