"""The pinhole camera: where it stands, where it looks, how long its lens is.

World axes are metres, x to the right of the landmark's front, y into the picture behind it, z up,
the ground at z = 0. Camera axes follow OpenCV: x right, y down, z forward.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Camera:
    """A camera with square pixels and its principal point in the middle of the picture.

    Attributes:
        position: (3,) float64, metres.
        rotation: (3, 3) float64, rows are the camera's right, down and forward axes in the world.
        focal: focal length in pixels.
        width: picture width in pixels.
        height: picture height in pixels.
    """

    position: Floats
    rotation: Floats
    focal: float
    width: int
    height: int

    @property
    def matrix(self) -> Floats:
        """The (3, 3) float64 matrix from camera axes to homogeneous pixels."""
        return np.array(
            [[self.focal, 0.0, self.width / 2], [0.0, self.focal, self.height / 2], [0.0, 0.0, 1.0]]
        ) @ np.ascontiguousarray(self.rotation)

    def project(self, points: ArrayLike) -> tuple[Floats, Floats]:
        """Project world points.

        Args:
            points: (N, 3) float, metres.

        Returns:
            (N, 2) float64 pixels and (N,) float64 depth in metres along the view axis. Pixels of
            points whose depth is not positive mean nothing.
        """
        homogeneous = (np.asarray(points, np.float64) - self.position) @ self.matrix.T
        depth = homogeneous[:, 2]
        safe = np.where(np.abs(depth) < 1e-9, 1e-9, depth)
        return homogeneous[:, :2] / safe[:, None], depth

    def scaled(self, factor: int) -> Camera:
        """The same view with `factor` times as many pixels along each side."""
        return replace(
            self,
            focal=self.focal * factor,
            width=self.width * factor,
            height=self.height * factor,
        )


def look_at(
    position: ArrayLike,
    target: ArrayLike,
    *,
    focal: float,
    width: int,
    height: int,
    roll: float = 0.0,
) -> Camera:
    """A camera at `position` whose picture centre shows `target`.

    Args:
        position: (3,) float, metres.
        target: (3,) float, metres; not straight above or below the position.
        focal: focal length in pixels.
        width: picture width in pixels.
        height: picture height in pixels.
        roll: radians, positive turns the camera clockwise (the picture's content the other way).
    """
    eye = np.asarray(position, np.float64)
    forward = np.asarray(target, np.float64) - eye
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    cosine, sine = math.cos(roll), math.sin(roll)
    rotation = np.stack([cosine * right + sine * down, cosine * down - sine * right, forward])
    return Camera(eye, rotation, float(focal), int(width), int(height))
