"""The sky behind a scene: gradient, sun, clouds in perspective, stars."""

from __future__ import annotations

import cv2
import numpy as np

from steeple.demo.around.conditions import Conditions
from steeple.demo.render import noise
from steeple.demo.render.camera import Camera
from steeple.demo.render.scene import Canvas

_COARSE = 8  # the sky is smooth: it is computed on every eighth pixel


def paint_sky(canvas: Canvas, conditions: Conditions, rng: np.random.Generator) -> None:
    """Fill the whole canvas with sky; its nearness stays 0."""
    camera = canvas.camera
    rays = _rays(camera)
    up = rays[:, :, 2]
    blend = np.clip(up * 1.6, 0.0, 1.0)[:, :, None] ** np.float32(0.62)
    low = conditions.horizon.astype(np.float32)
    top = conditions.zenith.astype(np.float32)
    sky = low + (top - low) * blend
    if conditions.weather in {"clear", "fair"}:
        towards = np.clip(
            np.einsum("ijk,k->ij", rays, conditions.light.sun.astype(np.float32)), 0, 1
        )
        shine = 0.55 * towards**48 + 0.35 * towards**6
        warm = (conditions.light.sun_colour * 300).astype(np.float32)
        sky += shine[:, :, None] * warm * np.float32(0.5)
    sky = _clouds(sky, rays, conditions, rng)
    coarse = np.dstack([np.clip(sky, 0, 255), np.zeros_like(up)]).astype(np.uint8)
    cv2.resize(coarse, (camera.width, camera.height), dst=canvas.pixels)
    if conditions.hour == "night" and conditions.cloud < 1.0:
        count = int(rng.integers(30, 120))
        rows = rng.integers(0, max(1, camera.height // 2), count)
        columns = rng.integers(0, camera.width, count)
        canvas.pixels[rows, columns, :3] = rng.integers(110, 240, (count, 1))


def _rays(camera: Camera) -> np.ndarray:
    """(h, w, 3) float32 unit vectors along which the coarse pixels look."""
    across = np.arange(_COARSE / 2, camera.width, _COARSE) - camera.width / 2
    along = np.arange(_COARSE / 2, camera.height, _COARSE) - camera.height / 2
    right, down, forward = (axis.astype(np.float32) for axis in camera.rotation)
    x = (across / camera.focal).astype(np.float32)[None, :, None]
    y = (along / camera.focal).astype(np.float32)[:, None, None]
    rays = forward + x * right + y * down
    return np.asarray(rays / np.sqrt(np.einsum("ijk,ijk->ij", rays, rays))[:, :, None])


def _clouds(
    sky: np.ndarray, rays: np.ndarray, conditions: Conditions, rng: np.random.Generator
) -> np.ndarray:
    """Lay clouds over the sky, on a plane overhead so that they crowd towards the horizon."""
    up = np.maximum(rays[:, :, 2], np.float32(0.04))
    spread = np.float32(rng.uniform(50, 110))
    shift = rng.uniform(0, noise.SIDE, 2)
    places = [
        np.mod(
            rays[:, :, axis] / (up + np.float32(0.12)) * spread + np.float32(shift[axis]),
            np.float32(noise.SIDE - 1),
        )
        for axis in (0, 1)
    ]
    field = cv2.remap(
        noise.tile("cloud"),
        places[0].astype(np.float32),
        places[1].astype(np.float32),
        cv2.INTER_LINEAR,
    )
    if conditions.cloud >= 1.0:
        return np.asarray(sky * (1.0 + np.float32(0.07) * field)[:, :, None])
    edge = np.float32(1.9 - 2.6 * conditions.cloud)
    cover = np.clip((field - edge) * np.float32(0.9), 0.0, 0.92) * np.clip(up * 9 - 0.3, 0, 1)
    body = (
        conditions.cloud_colour.astype(np.float32)
        * (1.0 - np.float32(0.1) * np.clip(field - edge - 1, 0, 2))[:, :, None]
    )
    return np.asarray(sky + (body - sky) * cover[:, :, None])
