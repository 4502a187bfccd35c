"""The drawing board on which textures are painted, in metres instead of pixels."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from steeple.demo.render import noise
from steeple.demo.render.texture import Colour, Pixels, Texture, make_texture, shade

Area = tuple[float, float, float, float]  # left, top, width, height in metres
Disc = tuple[float, float, float]  # middle x, middle y, radius in metres

_SHIFT = 4
_ONE = 1 << _SHIFT


class Board:
    """A rectangle of wall to paint on; x runs right and y runs down from its top left corner.

    Attributes:
        width: metres.
        height: metres.
        density: pixels per metre.
        pixels: (h, w, 4) uint8 BGRA; the fourth channel is night glow, or coverage for cutouts.
    """

    def __init__(
        self, width: float, height: float, density: float, colour: Colour, alpha: int = 0
    ) -> None:
        self.width, self.height, self.density = width, height, density
        shape = (max(8, round(height * density)), max(8, round(width * density)), 4)
        self.pixels: Pixels = np.empty(shape, np.uint8)
        self.pixels[:] = (*colour, alpha)
        self.alpha = alpha

    def rect(
        self, x: float, y: float, width: float, height: float, colour: Colour, *, alpha: int = 0
    ) -> None:
        """Fill a rectangle, edges blended so that thin bars keep their weight."""
        corners = [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
        self.polygon(corners, colour, alpha)

    def polygon(
        self, corners: Sequence[tuple[float, float]], colour: Colour, alpha: int = 0
    ) -> None:
        """Fill a polygon with corners in metres."""
        points = np.asarray(corners, np.float64) * self.density - 0.5
        fixed = np.round(points * _ONE).astype(np.int32)
        cv2.fillPoly(self.pixels, [fixed], (*colour, alpha), cv2.LINE_AA, _SHIFT)

    def line(
        self,
        corners: Sequence[tuple[float, float]],
        colour: Colour,
        thickness: float,
        alpha: int = 0,
        *,
        closed: bool = False,
    ) -> None:
        """Draw a broken line, `thickness` metres but at least one pixel wide."""
        points = np.asarray(corners, np.float64) * self.density - 0.5
        fixed = np.round(points * _ONE).astype(np.int32)
        width = max(1, round(thickness * self.density))
        cv2.polylines(self.pixels, [fixed], closed, (*colour, alpha), width, cv2.LINE_AA, _SHIFT)

    def ellipse(
        self,
        x: float,
        y: float,
        radius_x: float,
        radius_y: float,
        colour: Colour,
        *,
        alpha: int = 0,
        thickness: float | None = None,
        arc: tuple[float, float] = (0.0, 360.0),
        tilt: float = 0.0,
    ) -> None:
        """Draw an ellipse around (x, y): filled, or as a line where `thickness` metres are given.

        `arc` is in degrees, clockwise from the right; `tilt` turns the whole ellipse, in degrees.
        """
        scale = self.density * _ONE
        line = -1 if thickness is None else max(1, round(thickness * self.density))
        centre = (round(x * scale - _ONE / 2), round(y * scale - _ONE / 2))
        axes = (max(1, round(radius_x * scale)), max(1, round(radius_y * scale)))
        cv2.ellipse(
            self.pixels, centre, axes, tilt, *arc, (*colour, alpha), line, cv2.LINE_AA, _SHIFT
        )

    def text(self, words: str, x: float, y: float, height: float, colour: Colour) -> None:
        """Write capitals centred at (x, y), `height` metres high or less if there are many."""
        font = cv2.FONT_HERSHEY_COMPLEX
        room = 2 * min(x, self.width - x) * 0.94
        height *= min(1.0, room / max(self.text_width(words, height), 1e-6))
        pixels = height * self.density
        scale = pixels / 21.0  # the face's capitals are 21 pixels high at scale 1
        weight = max(1, round(pixels / 9))
        (wide, _), _ = cv2.getTextSize(words, font, scale, weight)
        corner = (round(x * self.density - wide / 2), round(y * self.density + pixels / 2))
        cv2.putText(self.pixels, words, corner, font, scale, (*colour, 0), weight, cv2.LINE_AA)

    def text_width(self, words: str, height: float) -> float:
        """How wide, in metres, a line of text of `height` metres would be."""
        scale = height * self.density / 21.0
        (wide, _), _ = cv2.getTextSize(words, cv2.FONT_HERSHEY_COMPLEX, scale, 1)
        return float(wide / self.density)

    def paste(self, picture: Pixels, x: float, y: float, width: float, height: float) -> None:
        """Lay a (h, w, 4) BGRA cutout over a rectangle in metres; outside the board it is lost."""
        x0, y0 = round(x * self.density), round(y * self.density)
        size = (max(1, round(width * self.density)), max(1, round(height * self.density)))
        smaller = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        left, top = max(0, -x0), max(0, -y0)
        place = self.pixels[max(0, y0) : max(0, y0 + size[1]), max(0, x0) : max(0, x0 + size[0])]
        smaller = smaller[top : top + place.shape[0], left : left + place.shape[1]]
        cover = smaller[:, :, 3:].astype(np.uint16)
        blend = place[:, :, :3] * (255 - cover) + smaller[:, :, :3] * cover
        place[:, :, :3] = (blend // 255).astype(np.uint8)

    def weather(self, rng: np.random.Generator, strength: float = 1.0) -> None:
        """Lay stains, grain and the dirt near the ground over everything painted so far."""
        height, width = self.pixels.shape[:2]
        stain = noise.patch("stain", rng, height, width) * np.float32(0.035 * strength)
        stain += noise.patch("grain", rng, height, width) * np.float32(0.03 * strength)
        ground = np.linspace(self.height, 0.0, height, dtype=np.float32)
        stain += (1.0 - 0.16 * strength * np.exp(-ground / 1.2))[:, None].astype(np.float32)
        self.multiply(stain)

    def multiply(self, factor: np.ndarray) -> None:
        """Multiply the colours by an (h, w) float32 picture of factors."""
        plane = np.asarray(factor, np.float32)
        factors = cv2.merge([plane, plane, plane, np.ones_like(plane)])
        cv2.multiply(self.pixels, factors, dst=self.pixels, dtype=cv2.CV_8U)

    def bevel(self, x: float, y: float, width: float, height: float, colour: Colour) -> None:
        """A raised block, lit from the upper left: a cornice, a sill, a stone."""
        edge = min(width, height) * 0.22
        self.rect(x, y, width, height, colour)
        self.rect(x, y, width, edge, shade(colour, 1.18))
        self.rect(x, y + height - edge, width, edge, shade(colour, 0.62))

    def texture(self, *, cutout: bool = False, tiled: bool = False) -> Texture:
        """What was painted, as a texture."""
        return make_texture(self.pixels, cutout=cutout, tiled=tiled)
