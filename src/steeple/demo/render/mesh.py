"""Faces, and many faces stacked into arrays so that a whole scene is projected at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steeple.demo.render.texture import Texture

Floats = NDArray[np.float64]

WHOLE = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])


@dataclass(frozen=True, eq=False)
class Face:
    """A flat piece of wall: a polygon cut out of a textured parallelogram.

    Attributes:
        origin: (3,) float64 metres, where the texture's top left corner lies.
        right: (3,) float64 metres, from there along the texture's top edge.
        down: (3,) float64 metres, from there along its left edge.
        texture: what is stretched over the parallelogram.
        outline: (n, 2) float64, corners as shares of right and down.
        window: the part of the texture that is used, (left, top, right, bottom) as shares of it.
        tint: BGR factors on the texture's colours.
        lamp: 1 for walls that are flooded with light at night, 0 for those that are not.
    """

    origin: Floats
    right: Floats
    down: Floats
    texture: Texture
    outline: Floats
    window: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    lamp: float = 0.0


def panel(
    origin: ArrayLike,
    right: ArrayLike,
    down: ArrayLike,
    texture: Texture,
    *,
    outline: ArrayLike = WHOLE,
    window: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0),
    lamp: float = 0.0,
) -> Face:
    """A face from anything that makes (3,) vectors in metres; see `Face` for the arguments."""
    return Face(
        np.asarray(origin, np.float64),
        np.asarray(right, np.float64),
        np.asarray(down, np.float64),
        texture,
        np.asarray(outline, np.float64),
        window,
        lamp=lamp,
    )


@dataclass(frozen=True, eq=False)
class Mesh:
    """F faces with V corners in all, as arrays.

    Attributes:
        frames: (F, 3, 3) float64, rows origin, right, down in metres.
        corners: (V, 3) float64 metres, face after face.
        starts: (F + 1,) int64, where each face's corners begin; the last is V.
        windows: (F, 4) float64 shares of the texture.
        tints: (F, 3) float64 BGR factors.
        lamps: (F,) float64.
        textures: F textures.
    """

    frames: Floats
    corners: Floats
    starts: NDArray[np.int64]
    windows: Floats
    tints: Floats
    lamps: Floats
    textures: tuple[Texture, ...]

    @property
    def normals(self) -> Floats:
        """(F, 3) float64 unit vectors out of the wall, towards who sees it unmirrored."""
        normals = np.cross(self.frames[:, 2], self.frames[:, 1])
        return np.asarray(normals / np.linalg.norm(normals, axis=1, keepdims=True))

    def moved(
        self,
        shift: ArrayLike = (0.0, 0.0, 0.0),
        turn: float = 0.0,
        tint: Sequence[float] = (1.0, 1.0, 1.0),
    ) -> Mesh:
        """The mesh turned about the z axis by `turn` radians, then shifted by (3,) metres."""
        cosine, sine = math.cos(turn), math.sin(turn)
        rotation = np.array([[cosine, sine, 0.0], [-sine, cosine, 0.0], [0.0, 0.0, 1.0]])
        frames = self.frames @ rotation
        frames[:, 0] += np.asarray(shift, np.float64)
        return replace(
            self,
            frames=frames,
            corners=self.corners @ rotation + np.asarray(shift, np.float64),
            tints=self.tints * np.asarray(tint, np.float64),
        )


def stack(faces: Sequence[Face]) -> Mesh:
    """One mesh from at least one face."""
    outlines = [face.origin + face.outline @ np.stack([face.right, face.down]) for face in faces]
    return Mesh(
        frames=np.stack([np.stack([face.origin, face.right, face.down]) for face in faces]),
        corners=np.concatenate(outlines),
        starts=np.concatenate([[0], np.cumsum([len(outline) for outline in outlines])]),
        windows=np.array([face.window for face in faces], np.float64),
        tints=np.array([face.tint for face in faces], np.float64),
        lamps=np.array([face.lamp for face in faces], np.float64),
        textures=tuple(face.texture for face in faces),
    )


def join(meshes: Sequence[Mesh]) -> Mesh:
    """All faces of at least one mesh, in order."""
    offsets = np.cumsum([0] + [len(mesh.corners) for mesh in meshes])
    starts = [mesh.starts[:-1] + offset for mesh, offset in zip(meshes, offsets, strict=False)]
    return Mesh(
        frames=np.concatenate([mesh.frames for mesh in meshes]),
        corners=np.concatenate([mesh.corners for mesh in meshes]),
        starts=np.concatenate([*starts, offsets[-1:]]),
        windows=np.concatenate([mesh.windows for mesh in meshes]),
        tints=np.concatenate([mesh.tints for mesh in meshes]),
        lamps=np.concatenate([mesh.lamps for mesh in meshes]),
        textures=tuple(texture for mesh in meshes for texture in mesh.textures),
    )


@dataclass(frozen=True, eq=False)
class Sprite:
    """A cutout that always turns towards the camera: a tree, a passer-by, a statue.

    Attributes:
        foot: (3,) metres, the middle of its lower edge.
        width: metres.
        height: metres.
        texture: a cutout texture.
        lamp: as of a face.
    """

    foot: tuple[float, float, float]
    width: float
    height: float
    texture: Texture
    lamp: float = 0.0

    def facing(self, position: Floats) -> Face:
        """The face that the sprite turns to a camera at `position`, (3,) float64 metres."""
        away = np.asarray(self.foot) - position
        length = math.hypot(away[0], away[1]) or 1.0
        right = np.array([away[1], -away[0], 0.0]) / length * self.width
        top = np.asarray(self.foot) + np.array([0.0, 0.0, self.height]) - right / 2
        return panel(top, right, (0.0, 0.0, -self.height), self.texture, lamp=self.lamp)
