"""Public halls: museums, stations, theatres."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from steeple.demo.paint import facades, fronts
from steeple.demo.paint.board import Board
from steeple.demo.paint.openings import clock, window
from steeple.demo.paint.ornament import cornice, medallion, mosaic
from steeple.demo.places.parts import LAMP, Works
from steeple.demo.places.towers import dome, tower
from steeple.demo.places.townscape import flank
from steeple.demo.render.mesh import Face, panel
from steeple.demo.render.solids import box, frustum, gable_roof, turned
from steeple.demo.render.texture import Texture, mix, shade

Extent = tuple[float, float, float]


def museum(works: Works) -> Extent:
    """A hall of the arts: either a temple front or a wall that is one great mosaic."""
    rng, style = works.rng, works.style
    width, height, deep = rng.uniform(22, 32), rng.uniform(9, 13), rng.uniform(14, 18)
    if rng.random() < 0.5:
        front = fronts.grand_front(rng, style, width, height, works.words).texture()
        works.faces += box(
            (0, deep / 2), (width, deep, height), (front, flank(works, deep, height)), lamp=LAMP
        )
        works.porch(0, 0, width * 0.62, height * 0.8, 4.5)
        works.faces += frustum(
            (0, deep / 2),
            (width, deep),
            (width * 0.7, 0.3),
            (height, height + 3.5),
            works.roof,
            lamp=LAMP * 0.6,
        )
        works.stairs(0, -4.5, width * 0.6, 6)
        return width, deep, height + 5
    palette = [style.accent, style.door, style.roof, style.second, style.trim, style.glass]
    board = Board(width, height, 34, style.wall)
    for place, x in enumerate(np.linspace(0, width, 4)[:-1]):
        board.paste(mosaic(rng, 340, 400, palette), float(x), 0.0, width / 3, height * 0.78)
        medallion(
            board, rng, style, (float(x) + width / 6, height * (0.3 + 0.1 * (place % 2)), 1.4)
        )
    facades.arcade(board, rng, style, height * 0.74, max(5, round(width / 4)) | 1)
    board.text(works.words.upper(), width / 2, height * 0.7, 0.7, (240, 244, 246))
    board.weather(rng, 0.6)
    wall = board.texture()
    works.faces += box((0, deep / 2), (width, deep, height), (wall, wall), lamp=LAMP)
    saws = 3
    for saw in range(saws):
        x = (saw - 1) * width / saws
        works.faces += gable_roof(
            (x, deep / 2),
            (width / saws, deep, 3.2),
            height,
            works.roof,
            works.relief(width / saws, 3.2),
            eaves=0.1,
            lamp=LAMP,
        )
    works.figure(-width * 0.32, -3.5, 0, 3.6)
    works.details.append((width * 0.2, 0, height * 0.6, height * 0.7))
    return width, deep, height + 3.2


def station(works: Works) -> Extent:
    """A fan of glass over the tracks, a clock, two pavilions."""
    rng, style = works.rng, works.style
    width, height, deep = rng.uniform(20, 26), rng.uniform(13, 16), rng.uniform(22, 30)
    board = facades.blank(rng, style, width, height, 40)
    radius = width * 0.4
    for reach, tone in ((1.14, style.trim), (1.08, style.accent), (1.02, style.trim)):
        board.ellipse(
            width / 2, height * 0.74, radius * reach, radius * reach, tone, arc=(180, 360)
        )
    board.ellipse(
        width / 2, height * 0.74, radius, radius, shade(style.glass, 1.1), alpha=220, arc=(180, 360)
    )
    for angle in np.linspace(math.pi, 2 * math.pi, int(rng.integers(9, 17))):
        tip = (width / 2 + radius * math.cos(angle), height * 0.74 + radius * math.sin(angle))
        board.line([(width / 2, height * 0.74), tip], style.frame, 0.22)
    for ring in (0.35, 0.55, 0.78):
        board.ellipse(
            width / 2,
            height * 0.74,
            radius * ring,
            radius * ring,
            style.frame,
            thickness=0.16,
            arc=(180, 360),
        )
    facades.arcade(board, rng, style, height * 0.74, 5)
    clock(board, rng, style, (width / 2, height * 0.15, 1.3))
    board.text(works.words.upper(), width / 2, height * 0.705, 0.6, shade(style.accent, 0.6))
    cornice(board, rng, style, 0.0, 0.8)
    board.weather(rng)
    front = board.texture()
    works.details.append((0, 0, height * 0.75, 7.0))
    works.faces += box(
        (0, deep / 2), (width, deep, height), (front, flank(works, deep, height)), lamp=LAMP
    )
    shed = [
        (width / 2 * math.cos(a), height + 4.5 * math.sin(a)) for a in np.linspace(0, math.pi, 9)
    ]
    glass = Board(4.0, 4.0, 24, mix(style.glass, (225, 215, 200), 0.35), 60)
    for x in np.arange(0.0, 4.0, 1.0):
        glass.rect(float(x), 0, 0.12, 4.0, style.frame)
        glass.rect(0, float(x), 4.0, 0.12, style.frame)
    works.faces += _barrel(shed, deep, glass.texture(tiled=True))
    for side in (-1, 1):
        tower(works, side * (width / 2 + 2.6), 2.6, 5.2, height * rng.uniform(1.0, 1.5))
    return width + 10, deep, height * 1.6


def _barrel(shed: list[tuple[float, float]], deep: float, glass: Texture) -> list[Face]:
    return [
        panel(
            (x1, 0.4, z1),
            (0, deep, 0),
            (x0 - x1, 0, z0 - z1),
            glass,
            window=(0, 0, deep / 4, math.hypot(x1 - x0, z1 - z0) / 4),
        )
        for (x0, z0), (x1, z1) in pairwise(shed)
    ]


def theatre(works: Works) -> Extent:
    """A rounded front of arcades, a low dome, masks and muses."""
    rng, style = works.rng, works.style
    radius, height = rng.uniform(9, 12), rng.uniform(9, 12)
    arches = 20
    step = 2 * math.pi * radius / arches
    board = facades.blank(rng, style, step * 5, height, 34)
    facades.arcade(board, rng, style, height * 0.55, 5)
    for bay in range(5):
        window(board, rng, style, ((bay + 0.28) * step, height * 0.2, step * 0.44, height * 0.28))
        medallion(board, rng, style, (bay * step + 0.01, height * 0.3, 0.4))
    board.text(works.words.upper(), board.width / 2, height * 0.53, 0.6, shade(style.accent, 0.6))
    cornice(board, rng, style, 0.0, 1.1)
    board.weather(rng)
    works.faces += turned(
        (0, radius),
        [(radius, 0), (radius, height)],
        board.texture(tiled=True),
        sides=20,
        around=4,
        phase=0.5,
        lamp=LAMP,
    )
    works.plinth((0, radius + 8), (radius * 2.4, 14, height * 1.25))
    dome(works, 0, radius, radius * 0.99, height, sides=16)
    for angle in np.linspace(-1.0, 1.0, 5):
        works.figure(
            math.sin(angle) * radius * 0.98, radius - math.cos(angle) * radius * 0.98, height, 2.8
        )
    works.details.append((0, 0, height * 0.7, height * 0.8))
    return radius * 2.4, radius * 2 + 12, height + radius


HALLS = {"museum": museum, "station": station, "theatre": theatre}
