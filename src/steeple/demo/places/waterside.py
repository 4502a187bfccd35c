"""Bridges, windmills, lighthouses."""

from __future__ import annotations

import math

import numpy as np

from steeple.demo.paint import facades, fronts
from steeple.demo.paint.board import Board
from steeple.demo.paint.openings import opening, window
from steeple.demo.paint.ornament import cornice, frieze, medallion
from steeple.demo.places.parts import LAMP, Works
from steeple.demo.places.towers import dome, drum, tower
from steeple.demo.render.mesh import Sprite
from steeple.demo.render.solids import arch_wall, box, turned
from steeple.demo.render.texture import shade

Extent = tuple[float, float, float]


def bridge(works: Works) -> Extent:
    """Arches over the river, heroes on the parapet, a tower at either end."""
    rng, style = works.rng, works.style
    arches = int(rng.integers(3, 6))
    span, height, deep = rng.uniform(8, 11), rng.uniform(6, 8), 6.0
    for arch in range(arches):
        board = facades.blank(rng, style, span, height, 36)
        rim = opening("round", span * 0.13, height * 0.22, span * 0.74, height)
        board.line(rim, style.trim, 0.7, closed=True)
        frieze(board, rng, style, 0.5, 0.6)
        medallion(board, rng, style, (span / 2, height * 0.135 + 0.6, 0.5))
        board.weather(rng)
        x = (arch - arches / 2) * span
        works.faces += arch_wall(
            (x, 0, 0),
            span,
            height,
            (span / 2, span * 0.72, height * 0.8),
            board.texture(),
            back=deep,
            soffit=works.wall,
            lamp=LAMP,
        )
        works.plinth((x, -0.4), (1.6, 1.8, height * 0.55))
        works.figure(x, 0.2, height + 1.0, 3.0)
    whole = arches * span
    works.plinth((0, 0.2), (whole, 0.4, 1.0), height)
    works.plinth((0, deep - 0.2), (whole, 0.4, 1.0), height)
    for side in (-1, 1):
        tower(works, side * (whole / 2 + 2.5), deep / 2, 5.0, height * rng.uniform(1.8, 2.3))
    works.details.append((span * 0.5, 0, height * 0.7, height))
    return whole + 10, deep, height * 2.4 + 4


def windmill(works: Works) -> Extent:
    """A tapering mill with four latticed sails and a gallery."""
    rng, style = works.rng, works.style
    radius, height = rng.uniform(4.0, 5.5), rng.uniform(11, 15)
    board = facades.blank(rng, style, math.pi * radius, height, 34)
    facades.storeys(board, rng, style, 1.5, height - 0.5)
    frieze(board, rng, style, height * 0.45, 0.8)
    board.text(works.words.upper(), board.width * 0.5, height * 0.6, 0.7, shade(style.accent, 0.7))
    cornice(board, rng, style, 0, 0.7)
    board.weather(rng)
    works.faces += turned(
        (0, radius),
        [(radius, 0), (radius * 0.62, height)],
        board.texture(tiled=True),
        sides=12,
        around=2,
        lamp=LAMP,
    )
    dome(works, 0, radius, radius * 0.7, height, sides=12)
    deck, reach = height * 0.36, radius * 1.25
    works.faces += turned(
        (0, radius),
        [(radius * 0.9, deck - 0.8), (reach, deck), (reach, deck + 0.9)],
        works.wall,
        sides=12,
        around=4,
        lamp=LAMP,
    )
    size = height * 1.25
    sails = Board(size, size, 26, (0, 0, 0), 0)
    sails.pixels[:, :, :3] = style.trim
    start = rng.uniform(0, math.pi / 2)
    for sail in range(4):
        _sail(sails, start + sail * math.pi / 2, size, style.frame, style.accent)
    sails.ellipse(size / 2, size / 2, 0.5, 0.5, style.accent, alpha=255)
    works.sprites.append(
        Sprite((0, -0.6, height - size / 2), size, size, sails.texture(cutout=True), LAMP)
    )
    works.details.append((0, 0, height * 0.4, height * 0.6))
    return radius * 2.4, radius * 2, height * 1.55


def _sail(
    board: Board, angle: float, size: float, beam: tuple[int, int, int], cloth: tuple[int, int, int]
) -> None:
    along = np.array([math.cos(angle), math.sin(angle)])
    across = np.array([-along[1], along[0]])
    hub = np.array([size / 2, size / 2])

    def at(reach: float, off: float) -> tuple[float, float]:
        point = hub + along * reach * size / 2 + across * off
        return float(point[0]), float(point[1])

    board.polygon(
        [at(0.2, 0.1), at(0.97, 0.1), at(0.97, 1.7), at(0.2, 1.4)], shade(cloth, 1.1), 255
    )
    for reach in np.arange(0.2, 1.0, 0.07):
        board.line([at(float(reach), 0.0), at(float(reach), 1.7)], beam, 0.09, 255)
    for off in (0.1, 0.6, 1.1, 1.6):
        board.line([at(0.2, off), at(0.97, off)], beam, 0.1, 255)
    board.line([at(0.0, 0.0), at(0.98, 0.0)], shade(beam, 0.7), 0.3, 255)


def lighthouse(works: Works) -> Extent:
    """A banded or chequered tower with a lantern room, and the keeper's house."""
    rng, style = works.rng, works.style
    radius, height = rng.uniform(3.0, 4.2), rng.uniform(18, 26)
    board = Board(math.pi * radius, height, 30, style.trim)
    bands, kind = int(rng.integers(4, 9)), int(rng.integers(3))
    for band in range(bands):
        y, tall = band * height / bands, height / bands
        if kind == 0 and band % 2:
            board.rect(0, y, board.width, tall, style.accent)
        elif kind == 1:
            for check in range(4):
                if (check + band) % 2:
                    board.rect(check * board.width / 4, y, board.width / 4, tall, style.accent)
        elif kind == 2:
            board.polygon(
                [
                    (0, y),
                    (board.width, y + tall),
                    (board.width, y + tall * 1.5),
                    (0, y + tall * 0.5),
                ],
                style.accent,
            )
    for level in np.arange(3.0, height - 4, 5.0):
        window(board, rng, style, (board.width * 0.5 - 0.5, float(level), 1.0, 2.0))
    board.text(works.words.upper(), board.width / 2, height - 4.2, 0.7, shade(style.accent, 0.5))
    cornice(board, rng, style, 0, 0.8)
    board.weather(rng, 1.3)
    works.faces += turned(
        (0, radius),
        [(radius, 0), (radius * 0.68, height)],
        board.texture(tiled=True),
        sides=14,
        around=2,
        lamp=LAMP,
    )
    works.faces += turned(
        (0, radius),
        [(radius * 0.68, height), (radius, height + 0.8), (radius, height + 1.2)],
        works.wall,
        sides=12,
        lamp=LAMP,
    )
    drum(works, 0, radius, radius * 0.6, height + 1.2, height=3.0, sides=10, arches=10)
    dome(works, 0, radius, radius * 0.66, height + 4.2, sides=12)
    wide = rng.uniform(8, 11)
    home = fronts.house_front(rng, style, wide, 6.5).texture()
    x = float(rng.choice((-1, 1))) * (radius + wide / 2 + 1)
    works.faces += box((x, 4.5), (wide, 7, 6.5), (home, works.wall), top=works.roof, lamp=LAMP)
    works.details.append((0, 0, height * 0.8, height * 0.4))
    return wide + radius * 2, radius * 2, height + 7


WATERSIDE = {"bridge": bridge, "lighthouse": lighthouse, "windmill": windmill}
