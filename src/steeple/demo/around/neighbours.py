"""Ordinary houses, from one pool for the whole city: what stands beside a landmark says little."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from steeple.demo.around.ground import Layer, circle, strip
from steeple.demo.paint import facades, fronts, masonry
from steeple.demo.paint.board import Board
from steeple.demo.paint.style import draw_style
from steeple.demo.places.landmarks import Landmark
from steeple.demo.render.mesh import Mesh, join, panel, stack
from steeple.demo.render.solids import box, frustum, gable_roof
from steeple.demo.render.texture import mix, rgb, shade

POOL = 20  # kinds of houses in the city
_SKYLINES = 4


@dataclass(frozen=True, eq=False)
class House:
    """A house with its front at y = 0 and its middle at x = 0; metres."""

    mesh: Mesh
    width: float


@lru_cache(maxsize=POOL)
def house(seed: int, number: int) -> House:
    """House `number` (below POOL) of the city `seed`."""
    rng = np.random.default_rng([seed, 31, number])
    style = draw_style(rng, plain=True)
    width, height = float(rng.uniform(9, 16)), float(rng.uniform(9, 17))
    deep = 11.0
    front = fronts.house_front(rng, style, width, height).texture()
    side_board = facades.blank(rng, style, deep, height, 20)
    facades.storeys(side_board, rng, style, 1.2, height - 0.6)
    side_board.weather(rng)
    roof = masonry.roof_board(rng, style.roof).texture(tiled=True)
    faces = box((0, deep / 2), (width, deep, height), (front, side_board.texture()))
    kind = rng.integers(3)
    if kind == 0:
        faces += frustum(
            (0, deep / 2),
            (width + 0.6, deep + 0.6),
            (width * 0.7, deep * 0.5),
            (height, height + 3.4),
            roof,
        )
    elif kind == 1:
        gable = facades.blank(rng, style, width, width * 0.4, 20).texture()
        faces += gable_roof((0, deep / 2), (width, deep, width * 0.4), height, roof, gable)
    else:
        faces += frustum(
            (0, deep / 2),
            (width + 0.8, deep + 0.8),
            (width * 0.8, 0.2),
            (height, height + 4.0),
            roof,
        )
    x = float(rng.uniform(-0.3, 0.3)) * width
    brick = facades.blank(rng, style, 1.0, 4.0, 16).texture()
    faces += box((x, deep * 0.6), (1.0, 1.0, 5.0), (brick, brick), floor=height)
    return House(stack(faces), width)


def terrace(
    seed: int, rng: np.random.Generator, start: tuple[float, float], length: float, turn: float
) -> list[Mesh]:
    """Houses shoulder to shoulder, from `start` (x, y in metres) along the direction `turn`.

    Args:
        seed: of the city.
        rng: draws which houses.
        start: left end of the row as one faces it, metres.
        length: metres.
        turn: radians by which the row is turned; at 0 it runs along x and faces negative y.
    """
    along, rows = 0.0, []
    while along < length:
        home = house(seed, int(rng.integers(POOL)))
        middle = along + home.width / 2
        place = (start[0] + math.cos(turn) * middle, start[1] + math.sin(turn) * middle, 0.0)
        tint = (rng.uniform(0.85, 1.1) * rng.uniform(0.95, 1.05, 3)).tolist()
        rows.append(home.mesh.moved(place, turn, tint))
        along += home.width
    return rows


@lru_cache(maxsize=_SKYLINES)
def skyline(seed: int, number: int) -> Mesh:
    """A far row of hills, roofs and chimneys, 260 metres wide, seen along y at y = 0."""
    rng = np.random.default_rng([seed, 32, number])
    board = Board(260.0, 46.0, 4, (0, 0, 0), 0)
    hill = mix(rgb(0x6F8A6A), rgb(0x8A9BA5), float(rng.uniform(0.3, 0.9)))
    board.pixels[:, :, :3] = hill
    for x in np.arange(-20.0, 280.0, 18.0):
        board.ellipse(
            float(x),
            48.0,
            34,
            float(rng.uniform(14, 40)),
            shade(hill, rng.uniform(0.9, 1.1)),
            alpha=255,
        )
    for x in np.arange(0.0, 260.0, 7.0):
        wall = rgb(int(rng.choice((0xC8B49A, 0xB58A72, 0xD8D0C0, 0xA9A7A2, 0x9C7B68))))
        tall, wide = float(rng.uniform(8, 22)), float(rng.uniform(6, 10))
        board.rect(float(x), 46 - tall, wide, tall, wall, alpha=255)
        roof = shade(wall, 0.6)
        board.polygon([(x, 46 - tall), (x + wide / 2, 42 - tall), (x + wide, 46 - tall)], roof, 255)
        for y in np.arange(47 - tall, 44.0, 3.0):
            board.rect(float(x) + 1, float(y), wide - 2, 1.0, shade(wall, 0.7), alpha=255)
    texture = board.texture(cutout=True)
    return stack([panel((-130, 0, 45), (260, 0, 0), (0, 0, -46), texture)])


def surroundings(
    seed: int, rng: np.random.Generator, landmark: Landmark
) -> tuple[Mesh, list[Layer]]:
    """The houses around a landmark and the ground it stands on.

    Houses stand to the left, to the right and behind, so that they do not come between a
    photographer within 50 degrees of the front and the landmark.
    """
    half, back = landmark.width / 2, landmark.depth
    water = landmark.kind in {"bridge", "lighthouse"}
    park = landmark.kind in {"windmill", "pagoda"} or (not water and rng.random() < 0.4)
    rows: list[Mesh] = []
    for place in range(-2, 3):
        angle = place * 0.8
        rows.append(
            skyline(seed, int(rng.integers(_SKYLINES))).moved(
                (300 * math.sin(angle), 300 * math.cos(angle), 0.0), -angle
            )
        )
    if not water and not (park and rng.random() < 0.6):
        # A slim tower gets a square too, or its neighbours would hide it from the side.
        side = max(half, 12.0) + float(rng.uniform(7, 16))
        behind = max(back, 12.0) + float(rng.uniform(8, 22))
        rows += terrace(seed, rng, (-side - 40, behind), 2 * side + 80, 0.0)
        rows += terrace(seed, rng, (-side, 2.0), behind - 8, math.pi / 2)
        rows += terrace(seed, rng, (side, behind), behind - 8, -math.pi / 2)
    kind = str(rng.choice(("slabs", "cobbles", "fan", "checks", "gravel")))
    if water:
        base = "water"
        layers = [Layer(base)]
        if landmark.kind == "lighthouse":
            layers.append(Layer("sand", circle(0, 4, half + 12)))
            layers.append(Layer("grass", circle(0, 6, half + 5)))
        layers.append(Layer("gravel", strip(-200, -140, 200, -landmark.width * 0.35 - 14)))
        return join(rows), layers
    layers = [Layer("grass" if park else kind)]
    if park:
        layers.append(Layer("gravel", strip(-3.5, -120, 3.5, 0)))
        layers.append(Layer(kind, circle(0, back / 2, half + 9)))
    else:
        road = -float(rng.uniform(14, 30))
        layers.append(Layer("asphalt", strip(-300, road - 8, 300, road)))
        if rng.random() < 0.5:
            for side in (-1, 1):
                layers.append(
                    Layer("grass", strip(side * half * 0.9 - 4, -12, side * half * 0.9 + 4, -4))
                )
    return join(rows), layers
