"""Palaces, town halls, castles, museums, stations, theatres."""

from __future__ import annotations

import math

import numpy as np

from steeple.demo.paint import facades, fronts
from steeple.demo.paint.board import Board
from steeple.demo.paint.openings import window
from steeple.demo.paint.ornament import cornice
from steeple.demo.places.parts import LAMP, Works
from steeple.demo.places.towers import battlements, finial, tower
from steeple.demo.render.solids import box, frustum, turned
from steeple.demo.render.texture import Texture

Extent = tuple[float, float, float]


def flank(works: Works, deep: float, height: float) -> Texture:
    """The side wall of a big house; metres."""
    board = facades.blank(works.rng, works.style, deep, height, 30)
    facades.storeys(board, works.rng, works.style, 1.6, height - 0.5)
    cornice(board, works.rng, works.style, 0.0, 1.1)
    board.weather(works.rng)
    return board.texture()


def _dormers(works: Works, y: float, width: float, floor: float) -> None:
    """Little windows that look out of the roof along a front."""
    board = Board(1.6, 2.0, 40, works.style.trim)
    window(board, works.rng, works.style, (0.4, 0.5, 0.8, 1.3))
    texture = board.texture()
    for x in np.arange(-width / 2 + 2.5, width / 2 - 2, works.style.bay * 1.6):
        works.faces += box(
            (float(x), y + 1.0),
            (1.6, 2.0, 2.0),
            (texture, works.wall),
            floor=floor,
            top=works.roof,
            lamp=LAMP,
        )


def palace(works: Works) -> Extent:
    """A long front with a middle pavilion and corner pavilions under mansard roofs."""
    rng, style = works.rng, works.style
    width, height, deep = rng.uniform(34, 46), rng.uniform(10, 14), rng.uniform(12, 16)
    front = fronts.grand_front(rng, style, width, height, works.words).texture()
    works.faces += box(
        (0, deep / 2), (width, deep, height), (front, flank(works, deep, height)), lamp=LAMP
    )
    rise = rng.uniform(3.0, 5.0)
    works.faces += frustum(
        (0, deep / 2),
        (width, deep),
        (width - 3, deep - 5),
        (height, height + rise),
        works.roof,
        lamp=LAMP * 0.6,
    )
    _dormers(works, 0.4, width, height)
    side = rng.uniform(6, 8)
    block = fronts.grand_front(rng, style, side, height * 1.12, "MDCCX").texture()
    spots = [(-width / 2 + side / 2, 1.2), (width / 2 - side / 2, 1.2)]
    if rng.random() < 0.7:
        spots.append((0.0, 1.2))
    for x, y in spots:
        works.faces += box((x, y + 1.0), (side, side, height * 1.12), (block, block), lamp=LAMP)
        works.faces += frustum(
            (x, y + 1.0),
            (side + 0.6, side + 0.6),
            (side * 0.45, side * 0.45),
            (height * 1.12, height * 1.12 + side * 0.8),
            works.roof,
            lamp=LAMP,
        )
        finial(works, x, y + 1.0, height * 1.12 + side * 0.8)
        works.details.append((x, y - side / 2, height * 0.6, height * 0.7))
    for x in np.linspace(-width * 0.3, width * 0.3, 4):
        works.figure(float(x), 0.5, height, 2.6)
    return width, deep, height + side


def townhall(works: Works) -> Extent:
    """Stepped or painted gables and a tower with a clock above the ridge."""
    rng, style = works.rng, works.style
    width, height, deep = rng.uniform(18, 26), rng.uniform(11, 15), rng.uniform(12, 16)
    front = fronts.grand_front(rng, style, width, height, works.words).texture()
    works.faces += box(
        (0, deep / 2), (width, deep, height), (front, flank(works, deep, height)), lamp=LAMP
    )
    works.faces += frustum(
        (0, deep / 2),
        (width + 0.8, deep + 0.8),
        (width * 0.6, 0.4),
        (height, height + 5.5),
        works.roof,
        lamp=LAMP * 0.6,
    )
    x = float(rng.choice((-0.28, 0.0, 0.28))) * width
    side = rng.uniform(5.0, 6.5)
    tower(works, x, side / 2 - 0.8, side, height * rng.uniform(1.6, 2.2), face="clock")
    _dormers(works, 0.4, width, height)
    works.stairs(-x / 2, 0, 5.0, 4)
    return width, deep, height * 2 + side


def castle(works: Works) -> Extent:
    """Round towers under cones, a wall with battlements, a keep."""
    rng, style = works.rng, works.style
    width, height, deep = rng.uniform(24, 32), rng.uniform(7, 9), rng.uniform(18, 24)
    wall = fronts.grand_front(rng, style, width, height, works.words).texture()
    works.faces += box(
        (0, deep / 2), (width, deep, height), (wall, works.wall), top=works.stone, lamp=LAMP
    )
    battlements(works, 0, deep / 2, width, deep, floor=height)
    keep = fronts.tower_shaft(rng, style, 9.0, height * 2).texture()
    works.faces += box(
        (rng.uniform(-4, 4), deep * 0.6), (9, 9, height * 2), (keep, keep), lamp=LAMP
    )
    battlements(works, 0, deep * 0.6, 9.6, 9.6, floor=height * 2)
    tallest = 0.0
    for place, x in enumerate((-width / 2, width / 2, -width * 0.2, width * 0.2)):
        radius, tall = rng.uniform(2.2, 3.4), height * rng.uniform(1.25, 2.0)
        y = 0.5 if place < 2 else deep * 0.85
        board = fronts.tower_shaft(rng, style, math.pi * radius, tall)
        works.faces += turned(
            (x, y),
            [(radius, 0), (radius, tall - 1.5), (radius * 1.15, tall - 1), (radius * 1.15, tall)],
            board.texture(tiled=True),
            sides=12,
            around=2,
            lamp=LAMP,
        )
        rise = radius * rng.uniform(2.0, 3.2)
        works.faces += turned(
            (x, y),
            [(radius * 1.35, tall), (radius * 0.6, tall + rise * 0.5), (0.05, tall + rise)],
            works.roof,
            sides=12,
            around=2,
            lamp=LAMP * 0.6,
        )
        finial(works, x, y, tall + rise)
        tallest = max(tallest, tall + rise)
    works.details.append((-width / 2, -2, height, height))
    return width + 5, deep, tallest


SECULAR = {"castle": castle, "palace": palace, "townhall": townhall}
