"""One photo of the city: which it is in, the bytes of its JPEG file out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from steeple.demo.around.clutter import scatter, visitors
from steeple.demo.around.conditions import draw_conditions
from steeple.demo.around.ground import Layer
from steeple.demo.around.neighbours import surroundings
from steeple.demo.around.strangers import stranger
from steeple.demo.around.views import exterior_view, picture_size, room_view
from steeple.demo.inside.interiors import build_room
from steeple.demo.inside.rooms import Room
from steeple.demo.places.landmarks import Landmark, build_landmark, kind_of
from steeple.demo.render import lens
from steeple.demo.render.exposure import OVERSAMPLING, Shot, outdoors
from steeple.demo.render.mesh import Mesh, join, stack
from steeple.demo.render.scene import Canvas
from steeple.demo.render.texture import Pixels

NO_LANDMARK = -1


@dataclass(frozen=True)
class Photo:
    """One photo to take.

    Attributes:
        number: of the photo in its city, from 0.
        landmark: number of the landmark it shows, from 0, or NO_LANDMARK.
        interior: whether it is taken inside.
    """

    number: int
    landmark: int
    interior: bool


# Photos of one landmark are taken one after the other, so a few sites are enough.
@lru_cache(maxsize=4)
def _site(seed: int, number: int) -> tuple[Landmark, Mesh, list[Layer]]:
    landmark = build_landmark(seed, number)
    houses, layers = surroundings(seed, np.random.default_rng([seed, 33, number]), landmark)
    return landmark, join([landmark.mesh, houses]), layers


@lru_cache(maxsize=4)
def _room(seed: int, number: int) -> Room:
    return build_room(seed, number, kind_of(seed, number))


def take(seed: int, photo: Photo, size: int) -> bytes:
    """Take a photo; the same arguments give the same bytes.

    Args:
        seed: of the city.
        photo: which photo.
        size: longer side of the picture in pixels.

    Returns:
        A JPEG file.
    """
    rng = np.random.default_rng([seed, 1, photo.number])
    if photo.landmark == NO_LANDMARK:
        picture, dark = stranger(seed, rng, *picture_size(rng, size))
    elif photo.interior:
        picture, dark = _inside(seed, rng, photo.landmark, *picture_size(rng, size)), True
    else:
        picture, dark = _outside(seed, rng, photo.landmark, size)
    return lens.expose(picture, rng, dark=dark)


def _outside(seed: int, rng: np.random.Generator, number: int, size: int) -> tuple[Pixels, bool]:
    landmark, mesh, layers = _site(seed, number)
    width, height = picture_size(rng, size, (landmark.width, landmark.height))
    view = exterior_view(rng, landmark, width, height)
    wet = landmark.kind in {"bridge", "lighthouse"}
    passing = scatter(seed, rng, view.camera, view.far, wet=wet)
    sprites = (*landmark.sprites, *passing)
    return outdoors(Shot(seed, view.camera, draw_conditions(rng), mesh, sprites, layers), rng)


def _inside(seed: int, rng: np.random.Generator, number: int, width: int, height: int) -> Pixels:
    room = _room(seed, number)
    camera = room_view(rng, room.stand, room.targets, width, height)
    canvas = Canvas(camera.scaled(OVERSAMPLING))
    canvas.draw(room.mesh, room.light)
    things = [*room.sprites, *visitors(seed, rng, camera, 8.0)]
    if things:
        canvas.draw(stack([thing.facing(camera.position) for thing in things]), room.light)
    return lens.develop(canvas, OVERSAMPLING)
