"""A whole outdoor scene, from sky to rain, as one picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from steeple.demo.around.conditions import Conditions
from steeple.demo.around.ground import Layer, cast_shadows, draw_ground
from steeple.demo.around.sky import paint_sky
from steeple.demo.render import lens
from steeple.demo.render.camera import Camera
from steeple.demo.render.mesh import Face, Mesh, Sprite, stack
from steeple.demo.render.scene import Canvas
from steeple.demo.render.texture import Pixels

OVERSAMPLING = 2  # samples per pixel along each side


@dataclass(frozen=True, eq=False)
class Shot:
    """Everything an outdoor photo is made of.

    Attributes:
        seed: of the city.
        camera: at the picture's own size.
        conditions: hour and weather.
        mesh: all walls.
        sprites: all that stands about.
        layers: the ground, from the bottom up.
    """

    seed: int
    camera: Camera
    conditions: Conditions
    mesh: Mesh
    sprites: tuple[Sprite, ...]
    layers: Sequence[Layer]


def outdoors(shot: Shot, rng: np.random.Generator) -> tuple[Pixels, bool]:
    """Render a shot: (h, w, 3) uint8 BGR, and whether there was little light."""
    conditions = shot.conditions
    canvas = Canvas(shot.camera.scaled(OVERSAMPLING))
    paint_sky(canvas, conditions, rng)
    canvas.draw(shot.mesh, conditions.light)
    ground = draw_ground(canvas, shot.layers, conditions.light, shot.seed)
    if conditions.shadow > 0.0:
        shadows = [shot.mesh]
        if shot.sprites:
            sun = conditions.light.sun * 1e6
            shadows.append(stack([_rounded(sprite.facing(sun)) for sprite in shot.sprites]))
        cast_shadows(canvas, ground, shadows, conditions.light.sun, conditions.shadow)
    if shot.sprites:
        faces = [sprite.facing(canvas.camera.position) for sprite in shot.sprites]
        canvas.draw(stack(faces), conditions.light)
    picture = lens.develop(canvas, OVERSAMPLING)
    picture = lens.haze(picture, canvas.nearness, conditions.haze, conditions.haze_colour)
    return lens.precipitation(picture, rng, conditions.weather), conditions.night


def _rounded(face: Face) -> Face:
    """The face cut to an oval: nothing that stands about throws a square shadow."""
    angles = np.linspace(0, 2 * np.pi, 13)[:-1]
    outline = np.stack([0.5 + 0.32 * np.cos(angles), 0.52 + 0.48 * np.sin(angles)], axis=1)
    return Face(face.origin, face.right, face.down, face.texture, outline)
