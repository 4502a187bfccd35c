"""The renderer: textured faces through a pinhole camera into a picture with a depth buffer.

On a flat face the reciprocal of depth is an affine function of the pixel, so the depth buffer
holds reciprocals (0 is infinitely far) and costs one plane per face. Pictures are drawn with more
pixels than wanted and averaged down afterwards, so coverage needs no blending here.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from steeple.demo.render.camera import Camera, Floats
from steeple.demo.render.mesh import Mesh
from steeple.demo.render.texture import PAD, Pixels, Texture

NEAR = 0.35  # metres; what is closer to the lens is cut off
_SHIFT = 4  # fractional bits of polygon corners in cv2.fillPoly


@dataclass(frozen=True, eq=False)
class Light:
    """What falls on a face.

    Attributes:
        sun: (3,) float64 unit vector towards the sun or the main lamp.
        sun_colour: (3,) float64 BGR factors of its direct light.
        ambient: (3,) float64 BGR factors of light from all around.
        flood: (3,) float64 BGR factors on faces with a lamp, at night.
        glow: (3,) float64 BGR, what a fully shining spot adds.
        snow: 0..1, how white everything is that faces the sky.
    """

    sun: Floats
    sun_colour: Floats
    ambient: Floats
    flood: Floats
    glow: Floats
    snow: float = 0.0

    def matrices(self, normals: Floats, tints: Floats, lamps: Floats) -> NDArray[np.float32]:
        """The (F, 4, 4) float32 colour matrices of F faces: BGRA as painted to BGRA as lit."""
        direct = np.clip(normals @ self.sun, 0.0, 1.0)[:, None] * self.sun_colour
        sky = self.ambient * (0.8 + 0.2 * normals[:, 2:3])
        gains = tints * (direct + sky + lamps[:, None] * self.flood)
        out = np.zeros((len(normals), 4, 4), np.float32)
        white = self.snow * np.clip(normals[:, 2] * 1.4, 0.0, 1.0)
        for channel in range(3):
            out[:, channel, channel] = gains[:, channel] * (1.0 - white)
            # Snow takes over the brightness of what it covers, so tiles still show through.
            out[:, channel, :3] += (white * gains[:, channel] * 0.45)[:, None]
            out[:, channel, 3] = self.glow[channel]
        out[:, 3, 3] = 1.0
        return out


class Canvas:
    """A picture being drawn.

    Attributes:
        camera: where from.
        pixels: (height, width, 4) uint8 BGRA; the fourth channel means nothing.
        nearness: (height, width) float32, 1 / depth in 1 / metres, 0 where nothing was drawn.
    """

    def __init__(self, camera: Camera) -> None:
        self.camera = camera
        self.pixels: Pixels = np.zeros((camera.height, camera.width, 4), np.uint8)
        self.nearness = np.zeros((camera.height, camera.width), np.float32)

    def draw(self, mesh: Mesh, light: Light, *, under: bool = False) -> None:
        """Draw the faces that turn towards the camera.

        Args:
            mesh: the faces.
            light: what falls on them.
            under: draw, in the order given, only where nothing has been drawn yet: the ground under
                a city, its topmost layer first.
        """
        normals = mesh.normals
        seen = np.einsum("ij,ij->i", self.camera.position - mesh.frames[:, 0], normals) > 1e-6
        boxes, outlines = self._outlines(mesh)
        seen &= (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
        faces = np.flatnonzero(seen)
        if faces.size == 0:
            return
        inverses = self._inverses(mesh.frames[faces])
        colours = light.matrices(normals[faces], mesh.tints[faces], mesh.lamps[faces])
        # Near faces first: what they hide is then never warped.
        nearest = np.array([outlines[face][1].min() for face in faces])
        order = range(len(faces)) if under else np.argsort(nearest, kind="stable")
        for place in order:
            face = faces[place]
            self._fill(
                mesh.textures[face],
                mesh.windows[face],
                inverses[place],
                colours[place],
                box=boxes[face],
                outline=outlines[face][0],
                under=under,
            )

    def _outlines(self, mesh: Mesh) -> tuple[NDArray[np.int64], list[tuple[Floats, Floats]]]:
        """Per face the pixel box (F, 4) within the picture, and its corners with their depths."""
        camera = self.camera
        pixels, depth = camera.project(mesh.corners)
        lowest = np.minimum.reduceat(depth, mesh.starts[:-1])
        highest = np.maximum.reduceat(depth, mesh.starts[:-1])
        outlines = [
            (pixels[start:end], depth[start:end])
            for start, end in zip(mesh.starts[:-1], mesh.starts[1:], strict=True)
        ]
        low = np.minimum.reduceat(pixels, mesh.starts[:-1], axis=0)
        high = np.maximum.reduceat(pixels, mesh.starts[:-1], axis=0)
        for face in np.flatnonzero((lowest < NEAR) & (highest > NEAR)):
            corners = mesh.corners[mesh.starts[face] : mesh.starts[face + 1]]
            outlines[face] = camera.project(clip(corners, camera))
            low[face] = outlines[face][0].min(axis=0)
            high[face] = outlines[face][0].max(axis=0)
        limits = [camera.width, camera.height]
        boxes = np.concatenate(
            [np.clip(np.floor(low), 0, limits), np.clip(np.ceil(high) + 1, 0, limits)], axis=1
        ).astype(np.int64)
        boxes[highest <= NEAR] = 0
        return boxes, outlines

    def _inverses(self, frames: Floats) -> Floats:
        """(n, 3, 3): pixel (x, y, 1) to (share of right, share of down, 1) / depth."""
        local = np.stack([frames[:, 1], frames[:, 2], frames[:, 0] - self.camera.position], axis=2)
        return np.asarray(np.linalg.inv(self.camera.matrix @ local))

    def _fill(
        self,
        texture: Texture,
        window: Floats,
        inverse: Floats,
        colour: NDArray[np.float32],
        *,
        box: NDArray[np.int64],
        outline: Floats,
        under: bool,
    ) -> None:
        x0, y0, x1, y1 = (int(side) for side in box)
        mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
        limit = 1 << 20
        corners = np.clip((outline - (x0 + 0.5, y0 + 0.5)) * (1 << _SHIFT), -limit, limit).round()
        cv2.fillPoly(mask, [corners.astype(np.int32)], 1, cv2.LINE_8, _SHIFT)
        behind = self.nearness[y0:y1, x0:x1]
        near = self._nearness(inverse[2], x0, y0, x1, y1)
        mask &= behind == 0 if under else near > behind
        left, top, width, height = cv2.boundingRect(mask)
        if width == 0:
            return
        seen = np.s_[top : top + height, left : left + width]
        mask, near, behind = mask[seen], near[seen], behind[seen]
        x0, y0 = x0 + left, y0 + top
        tile = _warp(texture, window, inverse, (x0, y0, x0 + width, y0 + height), outline)
        if texture.cutout:
            mask &= tile[:, :, 3] > 127
            tile[:, :, 3] = 0
        lit = cv2.transform(tile, colour)
        cv2.copyTo(lit, mask, self.pixels[y0 : y0 + height, x0 : x0 + width])
        cv2.copyTo(near, mask, behind)

    @staticmethod
    def _nearness(plane: Floats, x0: int, y0: int, x1: int, y1: int) -> NDArray[np.float32]:
        across = (plane[0] * (np.arange(x0, x1) + 0.5) + plane[2]).astype(np.float32)
        along = (plane[1] * (np.arange(y0, y1) + 0.5)).astype(np.float32)
        return np.asarray(across[None, :] + along[:, None])


def _warp(
    texture: Texture,
    window: Floats,
    inverse: Floats,
    box: tuple[int, int, int, int],
    outline: Floats,
) -> Pixels:
    """The texture as the box of the picture sees it, from the level that fits its size there."""
    x0, y0, x1, y1 = box
    left, top, right, bottom = window
    width, height = texture.size
    placed = (
        np.array(
            [
                [(right - left) * width, 0, left * width],
                [0, (bottom - top) * height, top * height],
                [0, 0, 1.0],
            ]
        )
        @ inverse
    )
    level = _level(placed, np.clip(outline.mean(axis=0), (x0, y0), (x1, y1)))
    pixels = texture.levels[min(level, len(texture.levels) - 1)]
    pad = PAD
    if texture.tiled and (min(left, top) < 0 or max(right, bottom) > 1):
        pixels, pad = pixels[PAD:-PAD, PAD:-PAD], 0
    scale_x, scale_y = (pixels.shape[1] - 2 * pad) / width, (pixels.shape[0] - 2 * pad) / height
    # Half a pixel: OpenCV counts from pixel centres, outlines from pixel corners.
    to_picture = np.array([[1.0, 0.0, x0 + 0.5], [0.0, 1.0, y0 + 0.5], [0.0, 0.0, 1.0]])
    to_level = np.array([[scale_x, 0.0, pad - 0.5], [0.0, scale_y, pad - 0.5], [0.0, 0.0, 1.0]])
    warped = cv2.warpPerspective(
        pixels,
        to_level @ placed @ to_picture,
        (x1 - x0, y1 - y0),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        # A constant is many times faster than anything else where the box lies beside the texture.
        borderMode=cv2.BORDER_CONSTANT if pad else cv2.BORDER_WRAP,
        borderValue=texture.mean,
    )
    return warped.astype(np.uint8, copy=False)


def _level(placed: Floats, pixel: Floats) -> int:
    """The level whose pixels are about as large as the picture's, at one pixel of the face.

    `placed` maps pixels to texture pixels; the area that one pixel covers there is the determinant
    of its derivative, det(placed) / w^3.
    """
    depth = float(placed[2] @ [pixel[0], pixel[1], 1.0])
    if depth <= 0.0:
        return 0
    area = abs(float(np.linalg.det(placed))) / depth**3
    # 0.75: a level that is slightly too fine is sharper, and the average over samples forgives it.
    return max(0, int(0.5 * np.log2(max(area, 1e-9)) + 0.25))


def clip(corners: Floats, camera: Camera) -> Floats:
    """The part of a polygon in front of the camera's near plane.

    Args:
        corners: (n, 3) float64 metres, at least one of them in front of the plane.
        camera: the camera.

    Returns:
        (m, 3) float64 metres, m >= 1.
    """
    depth = (corners - camera.position) @ camera.rotation[2] - NEAR
    kept = []
    for here, there, at, to in zip(
        corners, np.roll(corners, -1, axis=0), depth, np.roll(depth, -1), strict=True
    ):
        if at >= 0.0:
            kept.append(here)
        if (at >= 0.0) != (to >= 0.0):
            kept.append(here + (there - here) * (at / (at - to)))
    return np.array(kept)
