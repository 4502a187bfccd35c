"""The ground: paving in perspective, in slices of distance, and the shadows on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from steeple.demo.paint.masonry import paving_board
from steeple.demo.render.camera import Camera
from steeple.demo.render.mesh import Face, Mesh, stack
from steeple.demo.render.scene import NEAR, Canvas, Light, clip
from steeple.demo.render.texture import Texture, make_texture

Floats = NDArray[np.float64]

_COPIES = 4  # paving is laid this often side by side: leaving the texture to wrap around is slow
_REPEAT = 8.0 * _COPIES  # metres after which a texture of paving repeats
_FAR = 700.0
# Each slice takes the level of its own distance, so that near stones are sharp and far ones calm.
_SLICES = (-30.0, 4.0, 8.0, 14.0, 24.0, 42.0, 80.0, 160.0, _FAR)


@dataclass(frozen=True, eq=False)
class Layer:
    """A patch of ground.

    Attributes:
        kind: of `masonry.paving_board`.
        corners: (n, 2) float64 x and y in metres of a convex patch; None is everywhere.
    """

    kind: str
    corners: Floats | None = None


@lru_cache(maxsize=9)
def _paving(seed: int, kind: str) -> Texture:
    rng = np.random.default_rng([seed, 21, sum(kind.encode())])
    pixels = paving_board(rng, kind).pixels
    return make_texture(np.tile(pixels, (_COPIES, _COPIES, 1)), tiled=True)


def draw_ground(
    canvas: Canvas, layers: Sequence[Layer], light: Light, seed: int
) -> NDArray[np.uint8]:
    """Draw the ground wherever nothing stands; the first layer is the lowest.

    Returns:
        (h, w) uint8 mask, 255 where there is ground.
    """
    camera = canvas.camera
    forward = camera.rotation[2][:2] / np.linalg.norm(camera.rotation[2][:2])
    side = np.array([-forward[1], forward[0]])
    here = camera.position[:2]
    faces = []
    for layer in reversed(layers):
        texture = _paving(seed, layer.kind)
        for near, far in pairwise(_SLICES):
            reach = abs(far) * 2.5 + 60
            strip = np.array(
                [
                    here + forward * along + side * across
                    for along, across in (
                        (near, -reach),
                        (near, reach),
                        (far, reach),
                        (far, -reach),
                    )
                ]
            )
            if layer.corners is not None:
                strip = _between(layer.corners, here, forward, near, far)
            if len(strip) >= 3:
                faces.append(_patch(strip, texture))
    free = canvas.nearness == 0
    if faces:
        canvas.draw(stack(faces), light, under=True)
    return np.asarray((free & (canvas.nearness > 0)) * 255, np.uint8)


def _patch(corners: Floats, texture: Texture) -> Face:
    outline = corners / [_REPEAT, -_REPEAT]
    # Whole repeats are taken off: far from the origin the warp would lose its precision.
    start = np.floor(outline.min(axis=0))
    origin = np.array([start[0] * _REPEAT, -start[1] * _REPEAT, 0.0])
    return Face(
        origin,
        np.array([_REPEAT, 0.0, 0.0]),
        np.array([0.0, -_REPEAT, 0.0]),
        texture,
        outline - start,
    )


def _between(corners: Floats, here: Floats, forward: Floats, near: float, far: float) -> Floats:
    """The part of a convex patch whose distance along `forward` lies between two bounds."""
    for sign, bound in ((1.0, near), (-1.0, far)):
        distance = sign * ((corners - here) @ forward - bound)
        kept = []
        for place, at in enumerate(distance):
            following = (place + 1) % len(corners)
            to = distance[following]
            if at >= 0:
                kept.append(corners[place])
            if (at >= 0) != (to >= 0):
                share = at / (at - to)
                kept.append(corners[place] + (corners[following] - corners[place]) * share)
        corners = np.array(kept).reshape(-1, 2)
        if len(corners) < 3:
            break
    return corners


def cast_shadows(
    canvas: Canvas, ground: NDArray[np.uint8], meshes: Sequence[Mesh], sun: Floats, strength: float
) -> None:
    """Darken the ground where faces keep the sun away.

    Args:
        canvas: with the ground on it.
        ground: (h, w) uint8, not 0 where there is ground.
        meshes: what casts shadows.
        sun: (3,) float64 unit vector towards the sun.
        strength: how much darker, 0..1; nothing happens at 0.
    """
    if strength <= 0.0:
        return
    camera = canvas.camera
    mask = np.zeros((camera.height, camera.width), np.uint8)
    for mesh in meshes:
        lit = np.flatnonzero(mesh.normals @ sun > 0.02)
        flat = mesh.corners - sun * (mesh.corners[:, 2:3] / sun[2])
        pixels, depth = camera.project(flat)
        for face in lit:
            start, end = mesh.starts[face], mesh.starts[face + 1]
            _fill_shadow(mask, camera, flat[start:end], pixels[start:end], depth[start:end])
    mask &= ground
    keep = np.diag([1 - strength * 0.86, 1 - strength * 0.95, 1 - strength, 1.0])
    cv2.copyTo(cv2.transform(canvas.pixels, keep), mask, canvas.pixels)


def _fill_shadow(
    mask: NDArray[np.uint8], camera: Camera, corners: Floats, pixels: Floats, depth: Floats
) -> None:
    if depth.max() <= NEAR:
        return
    if depth.min() < NEAR:
        pixels, _ = camera.project(clip(corners, camera))
    limits = np.clip(pixels, -30000, 30000).astype(np.int32)
    cv2.fillPoly(mask, [limits], 255)


def circle(x: float, y: float, radius: float) -> Floats:
    """(16, 2) float64 corners of a round patch, metres."""
    angles = np.linspace(0, 2 * np.pi, 17)[:-1]
    return np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], axis=1)


def strip(x0: float, y0: float, x1: float, y1: float) -> Floats:
    """(4, 2) float64 corners of a patch along the axes, metres."""
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
