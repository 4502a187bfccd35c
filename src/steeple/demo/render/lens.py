"""From a rendered scene to a file: haze, rain and snow, the lens, the sensor, the JPEG coder."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from steeple.demo.render import noise
from steeple.demo.render.scene import Canvas
from steeple.demo.render.texture import Pixels


def develop(canvas: Canvas, over: int) -> Pixels:
    """The canvas averaged down `over` times along each side: (h, w, 3) uint8 BGR."""
    size = (canvas.camera.width // over, canvas.camera.height // over)
    small = cv2.resize(canvas.pixels, size, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(small[:, :, :3])


def haze(
    picture: Pixels, nearness: NDArray[np.float32], density: float, colour: NDArray[np.float64]
) -> Pixels:
    """Lose what is far away in the colour of the air.

    Args:
        picture: (h, w, 3) uint8 BGR.
        nearness: (H, W) float32 as of `Canvas`, the same view at any whole multiple of the size.
        density: 1 / metres.
        colour: (3,) float64 BGR, 0..255.
    """
    size = (picture.shape[1], picture.shape[0])
    small = cv2.resize(nearness, size, interpolation=cv2.INTER_NEAREST)
    # What is infinitely far is sky, which already has the colour of the air where it should.
    clear = np.exp(-density / np.maximum(small, 1e-4))
    clear[small == 0] = max(0.03, 1.0 - density * 40)
    np.maximum(clear, 0.03, out=clear)
    air = np.empty_like(picture)
    air[:] = np.clip(colour, 0, 255).astype(np.uint8)
    return np.asarray(cv2.blendLinear(picture, air, clear, 1.0 - clear), np.uint8)


def precipitation(picture: Pixels, rng: np.random.Generator, weather: str) -> Pixels:
    """Rain as streaks, snow as flakes; any other weather leaves the picture alone."""
    if weather not in {"rain", "snow"}:
        return picture
    height, width = picture.shape[:2]
    layer = np.zeros((height, width), np.uint8)
    count = int(width * height / 700 * rng.uniform(0.5, 1.2))
    xs, ys = rng.integers(0, width, count), rng.integers(0, height, count)
    sizes = rng.random(count)
    slant = float(rng.uniform(-0.3, 0.3))
    for x, y, size in zip(xs.tolist(), ys.tolist(), sizes.tolist(), strict=True):
        if weather == "snow":
            cv2.circle(layer, (x, y), 1 + int(size**4 * width / 130), 200, -1, cv2.LINE_AA)
        else:
            long = int((0.01 + 0.03 * size) * height) + 2
            cv2.line(layer, (x, y), (x + int(slant * long), y + long), 90, 1, cv2.LINE_AA)
    cover = cv2.GaussianBlur(layer, (0, 0), 0.7).astype(np.float32)[:, :, None] / 255.0
    return np.asarray(picture + (236.0 - picture) * cover, np.uint8)


def expose(picture: Pixels, rng: np.random.Generator, *, dark: bool = False) -> bytes:
    """Take the photo: focus, exposure, colour, vignette, noise, and the JPEG file's bytes.

    Args:
        picture: (h, w, 3) uint8 BGR.
        rng: draws the camera's manners.
        dark: whether there was little light, so that the sensor shows more noise.
    """
    height, width = picture.shape[:2]
    blur = float(rng.choice((0.0, 0.5, 0.8, 1.3), p=(0.45, 0.35, 0.15, 0.05)))
    if blur:
        picture = cv2.GaussianBlur(picture, (0, 0), blur * width / 480 + 0.1).astype(np.uint8)
    if rng.random() < 0.05:
        picture = _shaken(picture, rng)
    factors = 1.0 - float(rng.uniform(0, 0.38)) * _corners(height, width)
    grain = noise.patch("sensor", rng, height, width) * np.float32(
        rng.uniform(0.5, 1.8) * (1.5 if dark else 1.0)
    )
    gains = _metered(picture, dark=dark) * rng.uniform(0.86, 1.15) * rng.uniform(0.95, 1.05, 3)
    contrast = float(rng.uniform(0.85, 1.15))
    grading = np.column_stack([_grading(rng, gains * contrast), np.full(3, 128 * (1 - contrast))])
    channels = cv2.transform(picture, grading)
    dimmed = cv2.multiply(channels, cv2.merge([factors] * 3), dtype=cv2.CV_32F)
    final = cv2.add(dimmed, cv2.merge([grain] * 3), dtype=cv2.CV_8U)
    quality = int(rng.integers(45, 96))
    _, data = cv2.imencode(".jpg", final, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return bytes(data)


def _metered(picture: Pixels, *, dark: bool) -> float:
    """The factor by which an automatic exposure brightens a picture, never all the way."""
    mean = max(8.0, sum(cv2.mean(picture)[:3]) / 3)
    return float(np.clip(((88.0 if dark else 122.0) / mean) ** 0.6, 0.8, 1.9))


def _grading(rng: np.random.Generator, gains: NDArray[np.float64]) -> NDArray[np.float64]:
    """A (3, 3) colour matrix: white balance, saturation, now and then black and white or sepia."""
    saturation = float(rng.uniform(0.75, 1.25))
    tint = np.ones(3)
    if rng.random() < 0.04:
        saturation = 0.0
        tint = np.array([0.82, 0.97, 1.1]) if rng.random() < 0.5 else tint
    grey = np.tile([0.114, 0.587, 0.299], (3, 1))
    mixed = saturation * np.eye(3) + (1.0 - saturation) * grey
    return np.asarray(np.diag(gains * tint) @ mixed)


def _corners(height: int, width: int) -> NDArray[np.float32]:
    """(height, width) float32, 0 in the middle of the picture and 1 in its corners."""
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    return np.asarray((x * x + y * y) ** 2 / 4)


def _shaken(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """The picture smeared along a short line, as by an unsteady hand."""
    long = max(3, picture.shape[1] // 90)
    kernel = np.zeros((long, long), np.float32)
    angle = rng.uniform(0, np.pi)
    reach = np.array([np.cos(angle), np.sin(angle)]) * (long - 1) / 2
    middle = np.array([long - 1, long - 1]) / 2
    ends = [tuple(round(float(v)) for v in middle + sign * reach) for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0)
    return np.asarray(cv2.filter2D(picture, -1, kernel / kernel.sum()), np.uint8)
