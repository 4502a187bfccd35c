"""Cathedrals, basilicas, churches with onion domes, pagodas."""

from __future__ import annotations

import math
from dataclasses import replace

from steeple.demo.paint import facades, fronts
from steeple.demo.paint.board import Board
from steeple.demo.paint.openings import opening
from steeple.demo.paint.ornament import cornice, frieze, pediment, pillar
from steeple.demo.places.parts import LAMP, Works
from steeple.demo.places.towers import crown, dome, drum, finial, tower
from steeple.demo.render.solids import box, frustum, gable_roof, turned
from steeple.demo.render.texture import Texture, shade


def cathedral(works: Works) -> tuple[float, float, float]:
    """Twin or single towers, a rose between them, a nave behind."""
    rng, style = works.rng, works.style
    width, height = rng.uniform(11, 15), rng.uniform(15, 21)
    deep, side = rng.uniform(24, 34), rng.uniform(5, 7)
    front = fronts.church_front(rng, style, width, height, works.words).texture()
    flank = fronts.nave_side(rng, style, deep, height * 0.8).texture()
    twin = rng.random() < 0.65
    works.faces += box(
        (0, 0.6), (width, 1.2, height), (front, works.wall), top=works.stone, lamp=LAMP
    )
    rise = width * rng.uniform(0.5, 0.8)
    works.faces += box((0, deep / 2 + 1), (width, deep, height * 0.8), (front, flank), lamp=LAMP)
    gable = pediment(rng, style, width, rise).texture()
    works.faces += gable_roof(
        (0, deep / 2 + 0.8), (width, deep, rise), height * 0.8, works.roof, gable, lamp=LAMP * 0.7
    )
    aisle = fronts.nave_side(rng, style, deep * 0.9, height * 0.42).texture()
    works.faces += box(
        (0, deep / 2 + 2),
        (width + 9, deep * 0.9, height * 0.42),
        (works.wall, aisle),
        top=works.roof,
        lamp=LAMP,
    )
    tall = height * rng.uniform(1.2, 1.7)
    cap = str(rng.choice(("spire", "spire", "pyramid", "dome", "lantern", "battlements")))
    places = (-1, 1) if twin else (int(rng.choice((-1, 1))),)
    face = "clock" if rng.random() < 0.35 else "belfry"
    for place in places:
        tower(works, place * (width + side) / 2, side / 2 - 0.5, side, tall, cap=cap, face=face)
    if rng.random() < 0.5:
        crown(works, 0, deep * 0.7, side * 0.8, height * 0.8 + rise * 0.8, cap="spire")
    works.details.append((0, 0, height * 0.55, height * 0.4))
    return width + 2 * side, deep, tall + side * (2.3 if cap == "spire" else 1.0)


def basilica(works: Works) -> tuple[float, float, float]:
    """A porch, a block, a drum, a great dome."""
    rng, style = works.rng, works.style
    width, height = rng.uniform(20, 28), rng.uniform(10, 13)
    deep = rng.uniform(18, 26)
    front = fronts.grand_front(rng, style, width, height, works.words).texture()
    flank = facades.blank(rng, style, deep, height, 30)
    facades.storeys(flank, rng, style, 1.8, height - 0.6)
    cornice(flank, rng, style, 0.0, 1.2)
    flank.weather(rng)
    works.faces += box(
        (0, deep / 2), (width, deep, height), (front, flank.texture()), top=works.roof, lamp=LAMP
    )
    radius = rng.uniform(5.5, 8.0)
    tall = rng.uniform(4.5, 7.0)
    works.plinth((0, deep / 2), (radius * 2.3, radius * 2.3, 1.2), height)
    drum(
        works,
        0,
        deep / 2,
        radius,
        height + 1.2,
        height=tall,
        arches=int(rng.choice((8, 10, 12))) * 2,
    )
    dome(works, 0, deep / 2, radius * 1.04, height + 1.2 + tall)
    works.details.append((0, deep / 2 - radius, height + 1.2 + tall * 0.5, tall * 2))
    if rng.random() < 0.7:
        works.porch(0, 0, width * 0.5, height * 0.72, 3.5)
    if rng.random() < 0.6:
        for side in (-1, 1):
            tower(works, side * (width / 2 + 1.5), 2.5, 4.2, height * 1.35, cap="dome")
    else:
        for side in (-1, 1):
            works.figure(side * width * 0.4, 0.8, height, 3.2)
    return width + 6, deep, height + tall + radius * 1.4


def onion(works: Works) -> tuple[float, float, float]:
    """A cluster of round towers, every one with an onion of another colour."""
    rng, base = works.rng, works.style
    width, height = rng.uniform(16, 20), rng.uniform(7, 9)
    front = fronts.grand_front(rng, base, width, height, works.words).texture()
    works.faces += box(
        (0, width / 2), (width, width, height), (front, front), top=works.stone, lamp=LAMP
    )
    spots = [(0.0, width / 2, 3.4, rng.uniform(11, 15))]
    for side in (-1, 1):
        spots.append((side * width * 0.34, width * 0.16, 2.2, rng.uniform(5, 9)))
        spots.append((side * width * 0.34, width * 0.84, 2.2, rng.uniform(6, 11)))
    colours = (base.roof, base.accent, base.door, base.second, base.trim)
    order = rng.permutation(5)
    for (x, y, radius, tall), pick in zip(spots, order, strict=True):
        works.style = replace(base, roof=colours[pick], accent=colours[(pick + 1) % 5])
        drum(works, x, y, radius, height, height=tall, sides=10, arches=6)
        dome(works, x, y, radius * 1.08, height + tall, onion=True, sides=12)
    works.style = base
    works.details.append((0.0, width / 2 - 3, height + 8, 12.0))
    works.stairs(0, 0, 6.0, 5)
    return width, width, height + 13 + 8


def _pagoda_wall(works: Works, wide: float, tall: float, floor: int) -> Texture:
    """Lattice windows between round posts; the lowest floor bears the name."""
    style = works.style
    board = Board(wide, tall, 36, shade(style.door, 1.2) if floor % 2 else style.wall)
    bays = max(3, round(wide / 2.4)) | 1
    step = wide / bays
    for bay in range(bays):
        x = bay * step
        board.polygon(
            opening(style.head, x + step * 0.2, tall * 0.25, step * 0.6, tall * 0.75),
            shade(style.glass, 0.7),
            210,
        )
        for row in range(4):
            board.rect(x + step * 0.2, tall * (0.35 + row * 0.16), step * 0.6, 0.06, style.accent)
        pillar(board, style, (x, 0.3, step * 0.12, tall - 0.3), round_=True)
    frieze(board, works.rng, style, 0.0, tall * 0.17)
    if floor == 0:
        board.text(works.words.upper(), wide / 2, tall * 0.09, tall * 0.1, (235, 240, 244))
    board.weather(works.rng)
    return board.texture()


def pagoda(works: Works) -> tuple[float, float, float]:
    """Storey on storey, each under a curved roof of its own."""
    rng = works.rng
    side, floors = rng.uniform(11, 15), int(rng.integers(3, 7))
    works.plinth((0, side / 2), (side * 1.5, side * 1.5, 1.2))
    works.stairs(0, side / 2 - side * 0.75, 4.0, 6)
    z, wide = 1.2, side
    tall = rng.uniform(3.2, 4.2)
    for floor in range(floors):
        wall = _pagoda_wall(works, wide, tall, floor)
        works.faces += box((0, side / 2), (wide, wide, tall), (wall, wall), floor=z, lamp=LAMP)
        z += tall
        brim, inner = wide * 1.34, wide * 0.8
        works.faces += frustum(
            (0, side / 2),
            (brim, brim),
            (wide * 1.04, wide * 1.04),
            (z - 0.5, z + 0.5),
            works.roof,
            lamp=LAMP,
        )
        works.faces += frustum(
            (0, side / 2),
            (wide * 1.04, wide * 1.04),
            (inner, inner),
            (z + 0.5, z + 1.6),
            works.roof,
            lamp=LAMP,
        )
        # The eaves' underside: the same slope seen from below.
        works.plinth((0, side / 2), (brim, brim, 0.18), z - 0.6)
        z += 1.5
        wide *= 0.8
    works.faces += turned(
        (0, side / 2),
        [(0.5, z - 0.2), (0.35, z + 2), (0.05, z + 5)],
        works.wall,
        sides=8,
        lamp=LAMP,
    )
    finial(works, 0, side / 2, z + 4.6)
    for place in (-1, 1):
        works.figure(place * side * 0.45, -side * 0.4, 0, 2.8)
    works.details.append((0, 0, 3.0, tall * 1.8))
    return side * 1.4, side * 1.4, z + math.sqrt(side)


SANCTUARIES = {
    "basilica": basilica,
    "cathedral": cathedral,
    "onion": onion,
    "pagoda": pagoda,
}
