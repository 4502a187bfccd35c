"""Passers-by, trees, lamps and cars: shared by the whole city, scattered anew in each photo."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from steeple.demo.paint import figures
from steeple.demo.paint.style import draw_style
from steeple.demo.render.camera import Camera
from steeple.demo.render.mesh import Sprite
from steeple.demo.render.texture import Texture

# kind: how many there are in the city, width and height in metres
_POOLS = {
    "passer_by": (24, 1.0, 2.0),
    "tree": (12, 6.0, 8.0),
    "lamp": (4, 1.5, 5.0),
    "car": (10, 4.4, 1.6),
    "clock": (2, 1.2, 4.0),
    "flag": (6, 2.0, 6.0),
}


@lru_cache(maxsize=sum(count for count, _, _ in _POOLS.values()))
def _figure(seed: int, kind: str, number: int) -> Texture:
    rng = np.random.default_rng([seed, 41, len(kind), number])
    if kind == "clock":
        return figures.street_clock(rng, draw_style(rng))
    paint = {
        "passer_by": figures.passer_by,
        "tree": figures.tree,
        "lamp": figures.lamp,
        "car": figures.car,
        "flag": figures.flag,
    }
    return paint[kind](rng)


def place(
    seed: int, rng: np.random.Generator, kind: str, x: float, y: float, *, scale: float = 1.0
) -> Sprite:
    """One of the city's `kind`, drawn by `rng`, standing at (x, y); metres."""
    count, width, height = _POOLS[kind]
    texture = _figure(seed, kind, int(rng.integers(count)))
    scale *= float(rng.uniform(0.9, 1.1))
    return Sprite((x, y, 0.0), width * scale, height * scale, texture)


def scatter(
    seed: int,
    rng: np.random.Generator,
    camera: Camera,
    far: float,
    *,
    lively: float = 1.0,
    wet: bool = False,
) -> list[Sprite]:
    """What stands between the camera and a landmark `far` metres away.

    Args:
        seed: of the city.
        rng: draws what and where.
        camera: where the photo is taken from.
        far: metres along the view axis where the landmark begins.
        lively: how much there is, 1 is an ordinary day.
        wet: whether that ground is water, which carries nobody.
    """
    sprites: list[Sprite] = []
    if wet:
        return sprites
    counts = {"passer_by": 6, "tree": 1.0, "lamp": 1.0, "car": 0.8, "clock": 0.15, "flag": 0.25}
    for kind, mean in counts.items():
        for _ in range(int(rng.poisson(mean * lively))):
            closest = 11.0 if kind in {"tree", "car"} else 6.0
            depth = float(rng.uniform(min(closest, far * 0.6), max(far, closest + 1)))
            sprites.append(place(seed, rng, kind, *_spot(rng, camera, depth, kind)))
    if rng.random() < 0.22:
        kind = str(rng.choice(("passer_by", "lamp", "tree", "passer_by")))
        depth = float(rng.uniform(6, 9) if kind == "tree" else rng.uniform(2.2, 5))
        sprites.append(place(seed, rng, kind, *_spot(rng, camera, depth, kind)))
    return sprites


def visitors(seed: int, rng: np.random.Generator, camera: Camera, far: float) -> list[Sprite]:
    """People in a room, none of them nearer than 2.5 metres nor farther than `far` metres."""
    return [
        place(
            seed, rng, "passer_by", *_spot(rng, camera, float(rng.uniform(2.5, far)), "passer_by")
        )
        for _ in range(int(rng.poisson(1.3)))
    ]


def _spot(rng: np.random.Generator, camera: Camera, depth: float, kind: str) -> tuple[float, float]:
    """A place on the ground in view; trees keep away from the middle of the picture."""
    reach = depth * camera.width / camera.focal / 2
    across = float(rng.uniform(-1.05, 1.05))
    if kind in {"tree", "car", "flag"}:
        across = float(np.sign(across)) * (0.35 + 0.75 * abs(across))
    forward = camera.rotation[2][:2] / np.linalg.norm(camera.rotation[2][:2])
    spot = camera.position[:2] + forward * depth
    spot = spot + np.array([forward[1], -forward[0]]) * across * reach
    return float(spot[0]), float(spot[1])
