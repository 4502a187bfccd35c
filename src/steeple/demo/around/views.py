"""Where photographers stand and what they frame."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from steeple.demo.places.landmarks import Landmark
from steeple.demo.render.camera import Camera, look_at

_ASPECTS = ((4, 3), (3, 2), (3, 4), (1, 1), (16, 9), (2, 3))


@dataclass(frozen=True, eq=False)
class View:
    """A camera and how far away, in metres, what it is there for begins."""

    camera: Camera
    far: float


def picture_size(
    rng: np.random.Generator, side: int, subject: tuple[float, float] | None = None
) -> tuple[int, int]:
    """Width and height in pixels, the longer one `side`, in one of the usual shapes.

    Args:
        rng: draws the shape.
        side: pixels.
        subject: width and height of what is to be framed; mostly the camera is turned to suit it.
    """
    wide, tall = _ASPECTS[int(rng.choice(len(_ASPECTS), p=(0.34, 0.2, 0.2, 0.08, 0.08, 0.1)))]
    if subject is not None and rng.random() < 0.75 and (wide > tall) != (subject[0] > subject[1]):
        wide, tall = tall, wide
    scale = side / max(wide, tall)
    return max(16, round(wide * scale)), max(16, round(tall * scale))


def exterior_view(rng: np.random.Generator, landmark: Landmark, width: int, height: int) -> View:
    """A photo of a landmark from outside: the whole of it, a part, a detail, or from afar.

    Args:
        rng: draws everything.
        landmark: what to look at.
        width: of the picture in pixels.
        height: of the picture in pixels.
    """
    azimuth = math.radians(float(np.clip(rng.normal(0, 22), -50, 50)))
    kind = str(rng.choice(("whole", "part", "detail", "far"), p=(0.6, 0.26, 0.08, 0.06)))
    across = landmark.width * math.cos(azimuth) + landmark.depth * abs(math.sin(azimuth)) * 0.7
    if kind in {"whole", "far"}:
        target = np.array([0.0, landmark.depth * 0.25, landmark.height * rng.uniform(0.36, 0.5)])
        fill = rng.uniform(0.9, 1.35) if kind == "whole" else rng.uniform(0.4, 0.6)
        extent = max(across / width, landmark.height / height) * width / fill
        away = max(landmark.height * 1.1, across) * rng.uniform(0.95, 1.6)
    else:
        x, y, z, size = landmark.details[int(rng.integers(len(landmark.details)))]
        target = np.array([x, y, z])
        extent = size * (rng.uniform(1.7, 2.8) if kind == "part" else rng.uniform(0.9, 1.3))
        extent = max(extent, 3.5) * max(1.0, width / height)
        away = max(z * 1.2, size * 1.3, 9.0) * rng.uniform(0.9, 1.5)
    target[:2] += rng.normal(0, 0.05, 2) * extent
    eye = 1.65 if rng.random() < 0.8 else float(rng.uniform(3, landmark.height * 0.6 + 4))
    position = np.array([target[0] + away * math.sin(azimuth), -away * math.cos(azimuth), eye])
    position[1] += min(0.0, float(target[1]))
    straight = float(np.linalg.norm(target - position))
    # Between a wide angle (20 mm on 35 mm film) and a long lens (200 mm).
    focal = float(
        np.clip(width * straight / extent, 0.56 * max(width, height), 5.5 * max(width, height))
    )
    roll = math.radians(float(rng.normal(0, 1.6)))
    camera = look_at(position, target, focal=focal, width=width, height=height, roll=roll)
    return View(camera, max(2.0, -float(position[1]) / max(math.cos(azimuth), 0.5) - 1.0))


def room_view(
    rng: np.random.Generator,
    stand: tuple[float, float, float, float],
    targets: tuple[tuple[float, float, float], ...],
    width: int,
    height: int,
) -> Camera:
    """A photo inside a room.

    Args:
        rng: draws everything.
        stand: x0, x1, y0, y1 in metres of where one may stand.
        targets: (x, y, z) in metres of what is worth looking at.
        width: of the picture in pixels.
        height: of the picture in pixels.
    """
    x0, x1, y0, y1 = stand
    target = np.array(targets[int(rng.integers(len(targets)))]) + rng.normal(0, 0.3, 3)
    position = np.array([rng.uniform(x0, x1), rng.uniform(y0, y1), rng.uniform(1.4, 2.0)])
    if np.hypot(*(target - position)[:2]) < 2.5:
        # Too close to see anything: step to the other end of the room.
        position[1] = y0 if target[1] > (y0 + y1) / 2 else y1
    focal = max(width, height) * float(rng.uniform(0.55, 0.85))
    roll = math.radians(float(rng.normal(0, 1.6)))
    return look_at(position, target, focal=focal, width=width, height=height, roll=roll)
