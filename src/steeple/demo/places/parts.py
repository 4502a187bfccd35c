"""The parts landmarks are put together from: roofs, towers, domes, porches, terraces."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from steeple.demo.paint import facades, masonry
from steeple.demo.paint.board import Board
from steeple.demo.paint.ornament import carving, frieze, pediment, pillar
from steeple.demo.paint.statues import statue
from steeple.demo.paint.style import Style
from steeple.demo.render.mesh import Face, Sprite, panel
from steeple.demo.render.solids import box, turned
from steeple.demo.render.texture import Texture, shade

LAMP = 1.0


@dataclass(eq=False)
class Works:
    """A building site: the taste to build in, the dice, and what stands so far.

    Attributes:
        rng: draws every choice.
        style: of the whole landmark.
        words: what is carved above the door.
        faces: the walls.
        sprites: the sculpture.
        details: what a visitor takes a close photo of: (x, y, z) and the height shown, metres.
    """

    rng: np.random.Generator
    style: Style
    words: str
    faces: list[Face] = field(default_factory=list)
    sprites: list[Sprite] = field(default_factory=list)
    details: list[tuple[float, float, float, float]] = field(default_factory=list)

    @cached_property
    def roof(self) -> Texture:
        """Tiled roof texture, 6 metres a repeat."""
        return masonry.roof_board(self.rng, self.style.roof).texture(tiled=True)

    @cached_property
    def stone(self) -> Texture:
        """Tiled plain trim stone, for plinths and steps."""
        board = Board(4.0, 4.0, 24, shade(self.style.trim, 0.92))
        for y in np.arange(0.0, 4.0, 1.0):
            board.rect(0, float(y), 4.0, 0.05, shade(self.style.trim, 0.66))
            board.rect(2.0 * (y % 2), float(y), 0.05, 1.0, shade(self.style.trim, 0.66))
        board.weather(self.rng, 0.7)
        return board.texture(tiled=True)

    @cached_property
    def wall(self) -> Texture:
        """A tiled piece of the style's wall, 6 metres a repeat."""
        return facades.blank(self.rng, self.style, 6.0, 6.0, 32).texture(tiled=True)

    @cached_property
    def bronze(self) -> tuple[int, int, int]:
        """What its statues are cast or cut from."""
        kinds = [(92, 122, 96), (60, 84, 110), (70, 170, 214), (196, 204, 208)]
        return kinds[int(self.rng.integers(len(kinds)))]

    def plinth(
        self, centre: tuple[float, float], size: tuple[float, float, float], floor: float = 0.0
    ) -> None:
        """A plain block of trim stone; sizes in metres."""
        for face in box(
            centre, size, (self.stone, self.stone), floor=floor, top=self.stone, lamp=LAMP
        ):
            along = float(np.linalg.norm(face.right)) / 4
            high = float(np.linalg.norm(face.down)) / 4
            self.faces.append(
                panel(
                    face.origin,
                    face.right,
                    face.down,
                    face.texture,
                    window=(0, 0, along, high),
                    lamp=LAMP,
                )
            )
        if floor > 2.0:
            # High enough to be seen from below.
            corner = (centre[0] - size[0] / 2, centre[1] - size[1] / 2, floor)
            window = (0.0, 0.0, size[0] / 4, size[1] / 4)
            self.faces.append(
                panel(corner, (size[0], 0, 0), (0, size[1], 0), self.stone, window=window)
            )

    def figure(self, x: float, y: float, z: float, height: float) -> None:
        """A statue on its foot point; metres."""
        self.sprites.append(
            Sprite((x, y, z), height * 0.75, height, statue(self.rng, self.bronze), LAMP)
        )

    def stairs(self, x: float, y: float, width: float, steps: int) -> None:
        """Steps that lead up to a front at y; metres."""
        for step in range(steps):
            deep = 0.5 * (steps - step)
            self.plinth((x, y - deep / 2), (width + deep, deep, 0.2), 0.2 * step)

    def porch(self, x: float, y: float, width: float, height: float, deep: float) -> None:
        """Columns under a pediment before a front at y; metres."""
        front, count = y - deep, max(4, round(width / 2.2))
        shaft = Board(1.0, height, 32, self.style.trim)
        pillar(shaft, self.style, (0.0, 0.0, 0.999, height), round_=True)
        texture = shaft.texture()
        radius = min(0.45, width / count * 0.2)
        for place in range(count):
            at = x - width / 2 + (place + 0.5) * width / count
            self.faces += turned(
                (at, front + radius + 0.2),
                [(radius, 0.4), (radius, height)],
                texture,
                sides=6,
                around=3,
                lamp=LAMP,
            )
        self.plinth((x, y - deep / 2), (width, deep, 0.4))
        beam = Board(width, 1.5, 40, self.style.trim)
        frieze(beam, self.rng, self.style, 0.1, 0.45)
        beam.text(
            self.words.upper(),
            width / 2,
            0.98,
            min(0.6, 0.5 * width / max(beam.text_width(self.words.upper(), 0.6), 0.1)),
            shade(self.style.accent, 0.5),
        )
        beam.weather(self.rng, 0.6)
        band = beam.texture()
        self.faces += box(
            (x, y - deep / 2), (width, deep, 1.5), (band, self.stone), floor=height, lamp=LAMP
        )
        rise = width * 0.2
        gable = pediment(self.rng, self.style, width, rise).texture()
        top = height + 1.5
        self.faces.append(
            panel(
                (x - width / 2, front, top + rise),
                (width, 0, 0),
                (0, 0, -rise),
                gable,
                outline=[(0.5, 0), (1, 1), (0, 1)],
                lamp=LAMP,
            )
        )
        for side in (-1, 1):
            edge = (x, front if side > 0 else y, top + rise)
            self.faces.append(
                panel(
                    edge,
                    (0, deep * side, 0),
                    (side * width / 2, 0, -rise),
                    self.roof,
                    window=(0, 0, deep / 6, width / 12),
                )
            )
        self.details.append((x, front, top + rise * 0.3, rise * 2.2))

    def relief(self, width: float, height: float) -> Texture:
        """A carved panel of the landmark's own; metres."""
        picture = carving(self.rng, int(height * 36), int(width * 36), self.style.trim)
        board = Board(width, height, 36, self.style.trim)
        board.paste(picture, 0.2, 0.2, width - 0.4, height - 0.4)
        board.line(
            [(0.1, 0.1), (width - 0.1, 0.1), (width - 0.1, height - 0.1), (0.1, height - 0.1)],
            shade(self.style.trim, 0.6),
            0.1,
            closed=True,
        )
        board.weather(self.rng)
        return board.texture()
