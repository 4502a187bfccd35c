"""Towers and what they end in: spires, onions, domes, lanterns, battlements."""

from __future__ import annotations

import math

import numpy as np

from steeple.demo.paint import facades, fronts
from steeple.demo.paint.board import Board
from steeple.demo.paint.openings import clock, opening
from steeple.demo.paint.ornament import cornice, frieze, pillar
from steeple.demo.places.parts import LAMP, Works
from steeple.demo.render.mesh import Sprite, panel
from steeple.demo.render.solids import box, frustum, turned
from steeple.demo.render.texture import mix, shade


def tower(
    works: Works,
    x: float,
    y: float,
    side: float,
    height: float,
    *,
    face: str = "belfry",
    cap: str = "",
) -> None:
    """A square tower; `face` is "belfry" or "clock", `cap` "" draws one; metres."""
    board = fronts.tower_shaft(works.rng, works.style, side, height)
    if face == "clock":
        radius = side * 0.3
        level = min(height * 0.3, side * 1.5) + 1.6 + radius
        board.rect(
            side * 0.08,
            level - radius * 1.4,
            side * 0.84,
            radius * 2.8,
            shade(works.style.wall, 0.95),
        )
        clock(board, works.rng, works.style, (side / 2, level, radius))
        works.details.append((x, y - side / 2, height - level, side * 1.5))
    texture = board.texture()
    works.faces += box((x, y), (side, side, height), (texture, texture), lamp=LAMP)
    works.plinth((x, y), (side + 0.7, side + 0.7, 0.6), height)
    crown(works, x, y, side + 0.5, height + 0.6, cap=cap)


def crown(works: Works, x: float, y: float, side: float, floor: float, *, cap: str = "") -> None:
    """What a tower ends in: a spire, a pyramid, an onion, a dome, a lantern or battlements."""
    kinds = ("spire", "pyramid", "onion", "dome", "lantern", "battlements")
    kind = cap or str(works.rng.choice(kinds))
    if kind in {"spire", "pyramid"}:
        rise = side * (works.rng.uniform(1.8, 3.0) if kind == "spire" else 0.8)
        works.faces += frustum(
            (x, y),
            (side, side),
            (0.06, 0.06),
            (floor, floor + rise),
            works.roof,
            lamp=LAMP * 0.6,
        )
        finial(works, x, y, floor + rise)
    elif kind in {"onion", "dome"}:
        dome(works, x, y, side * 0.5, floor, onion=kind == "onion")
    elif kind == "lantern":
        works.faces += frustum(
            (x, y),
            (side, side),
            (side * 0.5, side * 0.5),
            (floor, floor + side * 0.4),
            works.roof,
            lamp=LAMP * 0.6,
        )
        colonnade(works, x, y, side * 0.26, floor + side * 0.4, height=side * 0.6)
        dome(works, x, y, side * 0.3, floor + side, onion=bool(works.rng.random() < 0.5))
    else:
        battlements(works, x, y, side, side, floor=floor)


def battlements(
    works: Works, x: float, y: float, wide: float, deep: float, *, floor: float
) -> None:
    """Crenellated parapets around a flat roof; metres."""
    board = Board(max(wide, deep), 1.4, 32, (0, 0, 0), 0)
    board.pixels[:, :, :3] = works.style.wall
    board.rect(0, 0.7, board.width, 0.7, works.style.wall, alpha=255)
    for left in np.arange(0.0, board.width, 1.2):
        board.rect(float(left), 0.0, 0.7, 0.8, works.style.trim, alpha=255)
        board.rect(float(left) + 0.28, 0.3, 0.14, 0.4, (40, 40, 44), alpha=255)
    board.rect(0, 1.2, board.width, 0.2, shade(works.style.trim, 0.7), alpha=255)
    texture = board.texture(cutout=True)
    works.faces += box((x, y), (wide, deep, 1.4), (texture, texture), floor=floor, lamp=LAMP)
    # A parapet is seen from inside too, across the roof.
    x0, y1 = x - wide / 2 + 0.2, y + deep / 2 - 0.2
    works.faces.append(panel((x0, y1, floor + 1.4), (wide - 0.4, 0, 0), (0, 0, -1.4), texture))


def finial(works: Works, x: float, y: float, floor: float) -> None:
    """A gilded ball and whatever is on it."""
    board = Board(1.0, 2.0, 48, (0, 0, 0), 0)
    gold = (60, 178, 226)
    board.pixels[:, :, :3] = gold
    board.rect(0.46, 0.2, 0.08, 1.8, gold, alpha=255)
    board.ellipse(0.5, 1.55, 0.16, 0.16, gold, alpha=255)
    kind = works.rng.integers(3)
    if kind == 0:
        board.rect(0.25, 0.5, 0.5, 0.08, gold, alpha=255)
    elif kind == 1:
        board.polygon([(0.05, 0.3), (0.95, 0.5), (0.5, 0.75)], gold, 255)
    else:
        board.ellipse(0.5, 0.35, 0.25, 0.25, gold, alpha=255)
    works.sprites.append(Sprite((x, y, floor), 1.0, 2.0, board.texture(cutout=True), LAMP))


def dome(
    works: Works,
    x: float,
    y: float,
    radius: float,
    floor: float,
    *,
    onion: bool = False,
    sides: int = 14,
) -> None:
    """A dome with ribs and bands of its own; metres."""
    heights = np.linspace(0.0, 1.0, 6 if radius > 3 else 5)
    if onion:
        shape = [1.0, 1.28, 1.2, 0.72, 0.28, 0.03][: len(heights)]
        shape[-1] = 0.03
        tall = radius * 2.3
    else:
        shape = [math.sqrt(max(0.0, 1.0 - level**2)) for level in heights]
        shape[-1] = 0.05
        tall = radius * float(works.rng.uniform(0.9, 1.25))
    profile = [
        (radius * reach, floor + tall * float(level))
        for reach, level in zip(shape, heights, strict=True)
    ]
    around = 2 * math.pi * radius
    board = _dome_board(works, min(around, 24.0) / 2, tall)
    works.faces += turned(
        (x, y), profile, board.texture(tiled=True), sides=sides, around=2.0, lamp=LAMP * 0.8
    )
    finial(works, x, y, floor + tall - 0.1)


def _dome_board(works: Works, width: float, height: float) -> Board:
    style, rng = works.style, works.rng
    base = style.roof if rng.random() < 0.6 else style.accent
    board = Board(width, height, 24, base)
    kind = int(rng.integers(4))
    if kind == 0:
        other = mix(base, style.trim, 0.7)
        for x in np.arange(0.0, width, 1.0):
            board.rect(float(x), 0, 0.5, height, other)
    elif kind == 1:
        other = shade(style.accent, 1.15)
        for row, y in enumerate(np.arange(0.0, height, 0.8)):
            for x in np.arange(0.0, width, 0.8):
                left = float(x) + 0.4 * (row % 2)
                board.polygon(
                    [(left, y), (left + 0.4, y + 0.4), (left, y + 0.8), (left - 0.4, y + 0.4)],
                    other,
                )
    elif kind == 2:
        for x in np.arange(-height, width, 1.4):
            board.line(
                [(float(x), height), (float(x) + height, 0.0)], mix(style.trim, base, 0.2), 0.55
            )
    for x in np.arange(0.0, width, width / 6):
        board.rect(float(x), 0, 0.14, height, shade(base, 1.3))
        board.rect(float(x) + 0.14, 0, 0.1, height, shade(base, 0.6))
    frieze(board, rng, style, height * 0.9, height * 0.1)
    board.weather(rng, 0.8)
    return board


def drum(
    works: Works,
    x: float,
    y: float,
    radius: float,
    floor: float,
    *,
    height: float,
    sides: int = 12,
    arches: int = 12,
) -> None:
    """A round storey with a window on every so many degrees; metres."""
    step = 2 * math.pi * radius / arches
    board = facades.blank(works.rng, works.style, step * 2, height, 32)
    for bay in range(2):
        left = bay * step
        outline = opening(
            works.style.head, left + step * 0.24, height * 0.24, step * 0.52, height * 0.62
        )
        board.polygon(outline, shade(works.style.glass, 0.8), 200)
        board.line(outline, works.style.trim, step * 0.07, closed=True)
        pillar(
            board,
            works.style,
            (left + 0.02, height * 0.14, step * 0.13, height * 0.86),
            round_=True,
        )
    cornice(board, works.rng, works.style, 0.0, height * 0.12)
    board.weather(works.rng)
    works.faces += turned(
        (x, y),
        [(radius, floor), (radius, floor + height)],
        board.texture(tiled=True),
        sides=sides,
        around=arches / 2,
        lamp=LAMP,
    )


def colonnade(
    works: Works, x: float, y: float, radius: float, floor: float, *, height: float
) -> None:
    """A ring of columns with darkness between them; metres."""
    board = Board(2.0, 2.4, 40, (48, 46, 44), 40)
    for left in (0.1, 1.1):
        pillar(board, works.style, (left, 0.1, 0.36, 2.3), round_=True)
    works.faces += turned(
        (x, y),
        [(radius, floor), (radius, floor + height)],
        board.texture(tiled=True),
        sides=8,
        around=4,
        lamp=LAMP,
    )
