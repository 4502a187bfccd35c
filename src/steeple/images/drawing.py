"""Two photos in one picture, and lines between what matches in them."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from steeple.errors import InputError
from steeple.images.pixels import Pixels

__all__ = ["Points", "draw_matches"]

Points: TypeAlias = npt.NDArray[np.float32]
"""(n, 2) float32: x and y in pixels; the centre of the top left pixel is (0, 0)."""

_SMALLEST = 64  # pixels; a smaller picture has no room for two photos
_BOX = 0.625  # largest height over width: what a screen shows at once
_GAP = 96  # the picture's side is so many times the gap between the photos
_GROUND = 128  # grey, which neither a bright nor a dark page makes glare
_LINES = 40  # lines at most; the other matches are dots
_SHIFT = 4  # OpenCV takes whole numbers; with it, sixteenths of a pixel
_DARK = (16, 16, 16)
_WHITE = (255, 255, 255)


def draw_matches(
    photos: tuple[Pixels, Pixels],
    points: tuple[Points, Points],
    *,
    outlines: tuple[Points, Points] | None = None,
    side: int = 1280,
) -> Pixels:
    """Draws two photos as one picture, side by side, or one above the other if both get larger so.

    A match is a line with a circle at both ends. Where there are many, lines would hide the photos,
    so the matches after the first 40 are dots. Colours follow the place in the first photo: what
    agrees looks like a rainbow, what does not crosses it. Each stroke lies on a dark one and is
    seen on bright and on dark ground.

    Args:
        photos: (H, W, 3) uint8 RGB each, of any two sizes; they get the same height, or width.
        points: (n, 2) float32 each, in pixels of the photos; row by row matches; n may be 0.
        outlines: (m, 2) float32 each, a polygon in each photo, which is cut at its edges.
        side: width of the picture in pixels at most; its height is at most 5/8 of that.

    Returns:
        (h, w, 3) uint8 RGB.

    Raises:
        InputError: `side` is less than 64.
    """
    if side < _SMALLEST:
        raise InputError(
            f"a picture of two photos cannot be {side} pixels; give {_SMALLEST} or more"
        )
    first, second, shape = _arrange(photos, side)
    canvas = np.full((*shape, 3), _GROUND, dtype=np.uint8)
    for photo, place in zip(photos, (first, second), strict=True):
        canvas[place.rows, place.columns] = _scaled(photo, place)
    width = max(1, round(side / 1000))
    if outlines is not None:
        for outline, place in zip(outlines, (first, second), strict=True):
            _draw_outline(canvas, place, outline, width)
    _draw_lines(canvas, first.on_canvas(points[0]), second.on_canvas(points[1]), width)
    return canvas


@dataclass(frozen=True)
class _Place:
    """Where a photo lies in the picture, in pixels, and how many of its pixels were how many."""

    left: int
    top: int
    width: int
    height: int
    scale: tuple[float, float]

    @property
    def rows(self) -> slice:
        return slice(self.top, self.top + self.height)

    @property
    def columns(self) -> slice:
        return slice(self.left, self.left + self.width)

    def scaled(self, points: Points) -> npt.NDArray[np.float64]:
        """Points of the photo as pixels of the place: pixel centres stay at whole numbers."""
        return np.asarray((points + 0.5) * np.array(self.scale) - 0.5, dtype=np.float64)

    def on_canvas(self, points: Points) -> npt.NDArray[np.float64]:
        """The same in pixels of the picture; what lies outside of the photo moves to its edge."""
        inside = self.scaled(points).clip(0, (self.width - 1, self.height - 1))
        return inside + np.array([self.left, self.top], dtype=np.float64)


def _arrange(photos: tuple[Pixels, Pixels], side: int) -> tuple[_Place, _Place, tuple[int, int]]:
    """Where both photos lie, and (height, width) of the picture."""
    gap = max(4, side // _GAP)
    tallest = int(side * _BOX)
    ratios = [photo.shape[1] / photo.shape[0] for photo in photos]
    height = min((side - gap) / sum(ratios), tallest)
    width = min((tallest - gap) / sum(1 / ratio for ratio in ratios), side)
    beside = height**2 * sum(ratios) >= width**2 * sum(1 / ratio for ratio in ratios)
    places: list[_Place] = []
    for photo, ratio in zip(photos, ratios, strict=True):
        size = (height * ratio, height) if beside else (width, width / ratio)
        wide, high = (max(1, int(length)) for length in size)
        offset = 0 if not places else gap + (places[0].width if beside else places[0].height)
        left, top = (offset, 0) if beside else (0, offset)
        scale = (wide / photo.shape[1], high / photo.shape[0])
        places.append(_Place(left, top, wide, high, scale))
    first, second = places
    return first, second, (second.top + second.height, second.left + second.width)


def _scaled(photo: Pixels, place: _Place) -> Pixels:
    import cv2

    how = cv2.INTER_AREA if min(place.scale) < 1 else cv2.INTER_CUBIC
    return np.asarray(
        cv2.resize(photo, (place.width, place.height), interpolation=how), dtype=np.uint8
    )


def _draw_outline(canvas: Pixels, place: _Place, outline: Points, width: int) -> None:
    import cv2

    window = canvas[place.rows, place.columns]
    # Beyond this it would overflow; an edge so far out is not seen anyway.
    far = 8 * max(canvas.shape)
    corners = _fixed(place.scaled(outline).clip(-far, far))
    for colour, thickness in ((_DARK, width + 2), (_WHITE, width)):
        cv2.polylines(window, [corners], True, colour, thickness, cv2.LINE_AA, _SHIFT)


def _draw_lines(
    canvas: Pixels,
    starts: npt.NDArray[np.float64],
    ends: npt.NDArray[np.float64],
    width: int,
) -> None:
    import cv2

    # Across the direction of the lines, in which they do not cover each other.
    moved = np.abs((ends - starts).mean(axis=0)) if len(starts) else np.zeros(2)
    across = starts[:, 1] if moved[0] >= moved[1] else starts[:, 0]
    ranks = np.argsort(np.argsort(across, kind="stable"), kind="stable")
    colours = [_colour(rank / max(1, len(starts) - 1)) for rank in ranks.tolist()]
    radius = 4 * width
    lengths = np.maximum(np.linalg.norm(ends - starts, axis=1, keepdims=True), 2.0 * radius)
    rim = (ends - starts) * radius / lengths  # a line ends there: what it marks stays in sight
    lines = list(zip(_fixed(starts + rim).tolist(), _fixed(ends - rim).tolist(), strict=True))
    for (start, end), colour in reversed(list(zip(lines, colours, strict=True))[:_LINES]):
        cv2.line(canvas, start, end, _DARK, width + 2, cv2.LINE_AA, _SHIFT)
        cv2.line(canvas, start, end, colour, width, cv2.LINE_AA, _SHIFT)
    for centres in (_fixed(starts).tolist(), _fixed(ends).tolist()):
        for place, (centre, colour) in reversed(
            list(enumerate(zip(centres, colours, strict=True)))
        ):
            around = (radius if place < _LINES else width) << _SHIFT
            cv2.circle(canvas, centre, around, _DARK, width + 2, cv2.LINE_AA, _SHIFT)
            cv2.circle(canvas, centre, around, colour, width, cv2.LINE_AA, _SHIFT)


def _fixed(points: npt.NDArray[np.float64]) -> npt.NDArray[np.int32]:
    return np.rint(points * (1 << _SHIFT)).astype(np.int32)


def _colour(place: float) -> tuple[int, int, int]:
    """From yellow over green and blue to red, all of them bright: 0..1 to RGB."""
    red, green, blue = colorsys.hsv_to_rgb((0.14 + 0.82 * place) % 1, 0.65, 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)
