"""What landmarks are like inside; a room shares neither wall nor ornament with its front."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from steeple.demo.inside.fittings import column, fresco, glass_bay
from steeple.demo.inside.halls import ballroom, cellar, gallery, library
from steeple.demo.inside.rooms import Interior, Room
from steeple.demo.paint import facades
from steeple.demo.paint.openings import opening, rose
from steeple.demo.paint.ornament import carving, cornice, pillar
from steeple.demo.paint.paintings import framed
from steeple.demo.paint.style import draw_style
from steeple.demo.render.mesh import panel
from steeple.demo.render.solids import turned
from steeple.demo.render.texture import Texture, mix, shade

_FITTING = {
    "cathedral": ("nave",),
    "basilica": ("nave", "rotunda"),
    "onion": ("nave", "rotunda"),
    "palace": ("ballroom", "library"),
    "museum": ("gallery",),
    "theatre": ("ballroom", "rotunda"),
    "townhall": ("ballroom", "library", "gallery"),
    "castle": ("cellar", "library"),
    "bridge": ("cellar",),
    "lighthouse": ("cellar", "library"),
}


_ANY = ("nave", "gallery", "ballroom", "library", "cellar", "rotunda")


def build_room(seed: int, number: int, kind: str) -> Room:
    """The room inside landmark `number` of the city `seed`, which outside is a `kind`."""
    rng = np.random.default_rng([seed, 14, number])
    inside = Interior(rng, draw_style(rng))
    return _ROOMS[str(rng.choice(_FITTING.get(kind, _ANY)))](inside)


def _altar_wall(inside: Interior, wide: float, tall: float) -> Texture:
    rng, style = inside.rng, inside.style
    board = facades.blank(rng, style, wide, tall, 40)
    for x in (0.14, 0.44, 0.74):
        glass_bay(inside, board, (wide * x, tall * 0.06, wide * 0.12, tall * 0.36))
    altar = framed(rng, wide * 0.3, tall * 0.36, 60)
    board.paste(altar, wide * 0.35, tall * 0.46, wide * 0.3, tall * 0.36)
    for x in (0.08, 0.76):
        side_altar = carving(rng, 160, 120, mix(style.accent, style.trim, 0.4))
        board.paste(side_altar, wide * x, tall * 0.5, wide * 0.16, tall * 0.32)
    for x in (0.3, 0.66):
        pillar(board, style, (wide * x, tall * 0.46, 0.5, tall * 0.54), round_=True)
    return board.texture()


def _organ_wall(inside: Interior, wide: float, tall: float) -> Texture:
    board = facades.blank(inside.rng, inside.style, wide, tall, 32)
    rose(board, inside.rng, inside.style, (wide / 2, tall * 0.3, tall * 0.2))
    for pipe in np.linspace(-0.28, 0.28, 17):
        high = tall * (0.3 - 0.35 * abs(float(pipe)))
        x, foot = wide * (0.5 + float(pipe)), tall * 0.85
        board.rect(x, foot - high, wide * 0.026, high, (120, 190, 214))
        board.rect(x, foot - high * 0.3, wide * 0.02, 0.25, (30, 40, 50))
    return board.texture()


def _nave(inside: Interior) -> Room:
    rng, style = inside.rng, inside.style
    wide, deep, tall = rng.uniform(13, 17), rng.uniform(26, 36), rng.uniform(9, 12)
    ends = _altar_wall(inside, wide, tall), _organ_wall(inside, wide, tall)
    side = facades.blank(rng, style, 6.0, tall, 30)
    glass_bay(inside, side, (2.1, tall * 0.16, 1.8, tall * 0.4))
    side.paste(framed(rng, 1.6, 1.2, 50), 0.3, tall * 0.68, 1.6, 1.2)
    cornice(side, rng, style, tall * 0.05, 0.5)
    flank = side.texture(tiled=True)
    inside.shell((wide, deep, tall), (*ends, flank), inside.floor(), None, repeat=6.0)
    ceiling = fresco(rng, [shade(style.wall, 0.8), style.accent, style.trim], 192, 384)
    rise = wide * rng.uniform(0.3, 0.5)
    inside.vault(wide, deep, tall, rise, ceiling)
    inside.lunettes(wide, deep, tall, rise, facades.blank(rng, style, wide, rise, 20).texture())
    spring = tall + rise * 0.76
    shaft = column(inside, spring)
    radius = rng.uniform(0.4, 0.65)
    for y in np.arange(3.5, deep - 3, 4.5):
        for x in (-wide * 0.31, wide * 0.31):
            inside.faces += turned(
                (x, float(y)), [(radius, 0), (radius, spring)], shaft, sides=8, around=4
            )
    pew = shade(style.door, 0.9)
    for y in np.arange(4.0, deep * 0.6, 1.6):
        for x in (-wide * 0.15, wide * 0.15):
            inside.block(x, float(y), (wide * 0.2, 0.4, 0.9), pew)
    inside.targets += [
        (0, deep, tall * 0.5),
        (0, deep, tall * 0.6),
        (0, deep, tall),
        (0, 0, tall * 0.6),
        (wide / 2, deep * 0.6, tall * 0.5),
        (-wide / 2, deep * 0.6, tall * 0.5),
    ]
    return inside.finish("nave", (-wide * 0.1, wide * 0.1, 1.5, deep * 0.6), 0.95)


def _rotunda(inside: Interior) -> Room:
    rng, style = inside.rng, inside.style
    radius, tall = rng.uniform(7, 9.5), rng.uniform(7, 10)
    arches = int(rng.choice((8, 10, 12)))
    step = 2 * math.pi * radius / arches
    board = facades.blank(rng, style, step * 4, tall, 32)
    for bay in range(4):
        x = (bay + 0.2) * step
        niche = opening(style.head, x, tall * 0.36, step * 0.6, tall * 0.58)
        board.polygon(niche, shade(style.second, 0.6))
        board.line(niche, style.trim, 0.2, closed=True)
        if bay % 2:
            picture = framed(rng, step * 0.5, tall * 0.36, 40)
        else:
            picture = carving(rng, 160, 100, mix(style.accent, style.trim, 0.5))
        board.paste(picture, x + step * 0.05, tall * 0.5, step * 0.5, tall * 0.36)
        glass_bay(inside, board, (x + step * 0.1, tall * 0.1, step * 0.4, tall * 0.2))
        pillar(board, style, (bay * step + 0.02, tall * 0.1, step * 0.12, tall * 0.9), round_=True)
    cornice(board, rng, style, 0.0, 0.7)
    board.weather(rng, 0.6)
    sides = arches * 2
    inside.faces += turned(
        (0, radius),
        [(radius, 0), (radius, tall)],
        board.texture(tiled=True),
        sides=sides,
        around=arches / 4,
        inward=True,
    )
    shape = [
        (radius * math.cos(a), tall + radius * 0.9 * math.sin(a))
        for a in np.linspace(0, math.pi / 2 - 0.06, 6)
    ]
    dome = fresco(rng, [style.accent, shade(style.wall, 1.0), style.trim], 256, 256)
    inside.faces += turned(
        (0, radius), shape, dome, sides=sides, around=float(arches // 2), inward=True
    )
    floor = inside.floor()
    for y in np.arange(0.0, 2 * radius, radius / 2):
        inside.faces.append(
            panel(
                (radius, y + radius / 2, 0),
                (0, -radius / 2, 0),
                (-2 * radius, 0, 0),
                floor,
                window=(0, 0, radius / 12, radius / 3),
            )
        )
    inside.sculpture(0, radius * 1.25, 2.6, (92, 122, 96))
    for angle in np.linspace(-1.2, 1.2, 5):
        inside.targets.append(
            (radius * math.sin(angle), radius + radius * math.cos(angle), tall * 0.5)
        )
    inside.targets.append((0.0, radius * 1.8, tall * 1.2))
    return inside.finish("rotunda", (-radius * 0.4, radius * 0.4, radius * 0.3, radius * 0.9))


_ROOMS: dict[str, Callable[[Interior], Room]] = {
    "ballroom": ballroom,
    "cellar": cellar,
    "gallery": gallery,
    "library": library,
    "nave": _nave,
    "rotunda": _rotunda,
}
