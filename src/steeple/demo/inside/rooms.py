"""The shells of rooms: walls that look inwards, floors, vaults, and what stands in them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from steeple.demo.paint.board import Board
from steeple.demo.paint.paintings import framed
from steeple.demo.paint.statues import statue
from steeple.demo.paint.style import Style
from steeple.demo.render.mesh import Face, Mesh, Sprite, panel, stack
from steeple.demo.render.scene import Light
from steeple.demo.render.solids import box
from steeple.demo.render.texture import Colour, Texture, mix, shade


@dataclass(frozen=True, eq=False)
class Room:
    """A finished room.

    Attributes:
        kind: what it is, such as "nave".
        mesh: its walls.
        sprites: what stands in it.
        light: what falls on them.
        stand: x0, x1, y0, y1 in metres of where one may stand.
        targets: (x, y, z) in metres of what is worth looking at.
    """

    kind: str
    mesh: Mesh
    sprites: tuple[Sprite, ...]
    light: Light
    stand: tuple[float, float, float, float]
    targets: tuple[tuple[float, float, float], ...]


@dataclass(eq=False)
class Interior:
    """A room being furnished; its colours are its own and not those of the walls outside.

    Attributes:
        rng: draws every choice.
        style: of the room.
        faces: walls so far.
        sprites: things so far.
        targets: what is worth looking at so far.
    """

    rng: np.random.Generator
    style: Style
    faces: list[Face] = field(default_factory=list)
    sprites: list[Sprite] = field(default_factory=list)
    targets: list[tuple[float, float, float]] = field(default_factory=list)

    def shell(
        self,
        size: tuple[float, float, float],
        walls: tuple[Texture, Texture, Texture],
        floor: Texture,
        ceiling: Texture | None,
        *,
        repeat: float | None = None,
    ) -> None:
        """Walls around (-w/2..w/2, 0..d, 0..h).

        Args:
            size: width, depth and height of the room, metres.
            walls: textures of the far end, of the near end, and of both sides.
            floor: a tiled texture, 6 metres a repeat.
            ceiling: texture of the whole ceiling; None leaves it to a vault.
            repeat: metres after which the sides' texture repeats; None stretches it over them.
        """
        wide, deep, tall = size
        far, near, side = walls
        x0, x1, down = -wide / 2, wide / 2, (0.0, 0.0, -tall)
        pieces = max(1, round(deep / 5))
        along = (0.0, 0.0, deep / repeat if repeat else 1.0, 1.0)
        paved = (0.0, 0.0, deep / 6, wide / 6)
        backwards = (0.0, -deep, 0.0)
        self.faces.append(panel((x0, deep, tall), (wide, 0, 0), down, far))
        self.faces.append(panel((x1, 0, tall), (-wide, 0, 0), down, near))
        rows = [
            panel((x0, 0, tall), (0, deep, 0), down, side, window=along),
            panel((x1, deep, tall), backwards, down, side, window=along),
            panel((x1, deep, 0), backwards, (-wide, 0, 0), floor, window=paved),
        ]
        if ceiling is not None:
            rows.append(panel((x0, deep, tall), backwards, (wide, 0, 0), ceiling))
        for row in rows:
            self.faces += split(row, pieces)

    def vault(
        self,
        wide: float,
        deep: float,
        spring: float,
        rise: float,
        texture: Texture,
        *,
        middle: float = 0.0,
    ) -> None:
        """A barrel vault along y whose texture spans it once and repeats every 6 metres."""
        angles = np.linspace(0, math.pi, 9)
        ring = [(middle - wide / 2 * math.cos(a), spring + rise * math.sin(a)) for a in angles]
        for place, ((xa, za), (xb, zb)) in enumerate(pairwise(ring)):
            share = (place / 8, (place + 1) / 8)
            self.faces += split(
                panel(
                    (xa, deep, za),
                    (0, -deep, 0),
                    (xb - xa, 0, zb - za),
                    texture,
                    window=(0, share[0], deep / 6, share[1]),
                ),
                max(1, round(deep / 7)),
            )

    def lunettes(
        self,
        wide: float,
        deep: float,
        spring: float,
        rise: float,
        texture: Texture,
        *,
        middle: float = 0.0,
    ) -> None:
        """The half discs that close a vault at both ends; metres."""
        arc = [(0.5 + 0.5 * math.cos(a), 1 - math.sin(a)) for a in np.linspace(0, math.pi, 13)]
        for x, y, along in ((-wide / 2, deep, wide), (wide / 2, 0.0, -wide)):
            self.faces.append(
                panel(
                    (x + middle, y, spring + rise),
                    (along, 0, 0),
                    (0, 0, -rise),
                    texture,
                    outline=arc,
                )
            )

    def block(
        self,
        x: float,
        y: float,
        size: tuple[float, float, float],
        colour: Colour,
        floor: float = 0.0,
    ) -> None:
        """A plain solid thing: a bench, a table, a plinth; metres."""
        board = Board(size[0], size[2], 24, colour)
        board.bevel(0.04, 0.04, size[0] - 0.08, size[2] - 0.08, colour)
        texture = board.texture()
        self.faces += box((x, y), size, (texture, texture), floor=floor, top=texture)

    def sculpture(self, x: float, y: float, height: float, colour: Colour) -> None:
        """A statue on a plinth; metres."""
        self.block(x, y, (1.0, 1.0, 1.0), mix(colour, (220, 224, 226), 0.6))
        self.sprites.append(Sprite((x, y, 1.0), height * 0.75, height, statue(self.rng, colour)))
        self.targets.append((x, y, 1.0 + height / 2))

    def chandelier(self, x: float, y: float, z: float, size: float) -> None:
        """A ring of candles hung at height z; metres."""
        board = Board(2.0, 2.2, 40, (70, 160, 210), 0)
        board.line([(1.0, 0.0), (1.0, 1.2)], (60, 120, 160), 0.06, 255)
        for ring, reach in ((1.2, 0.85), (0.85, 0.5)):
            board.ellipse(1.0, ring, reach, 0.16, (60, 140, 190), alpha=255, thickness=0.07)
            for side in np.linspace(-1, 1, 7):
                x_at = 1.0 + float(side) * reach
                board.line([(1.0, 1.5), (x_at, ring)], (50, 120, 170), 0.04, 255)
                board.rect(x_at - 0.03, ring - 0.22, 0.06, 0.2, (240, 244, 248), alpha=255)
                board.ellipse(x_at, ring - 0.28, 0.07, 0.1, (180, 240, 255), alpha=255)
        self.sprites.append(Sprite((x, y, z), size, size * 1.1, board.texture(cutout=True)))

    def hang(self, board: Board, count: int, bottom: float, tallest: float) -> None:
        """Hang `count` paintings in a row on a wall, `bottom` metres above its lower edge."""
        step = board.width / count
        for place in range(count):
            wide = step * float(self.rng.uniform(0.45, 0.8))
            tall = float(self.rng.uniform(0.55, 1.0)) * tallest
            x = place * step + (step - wide) / 2
            y = board.height - bottom - (tallest + tall) / 2
            board.rect(x + 0.08, y + 0.1, wide, tall, shade(self.style.wall, 0.55))
            board.paste(framed(self.rng, wide, tall, board.density), x, y, wide, tall)

    def floor(self) -> Texture:
        """A tiled floor of the room's own pattern, 6 metres a repeat."""
        rng = self.rng
        one, two = shade(self.style.second, 0.9), shade(self.style.trim, 0.92)
        three = shade(self.style.accent, 0.8)
        board = Board(6.0, 6.0, 40, two)
        kind, step = int(rng.integers(4)), float(rng.choice((0.75, 1.0, 1.5)))
        count = round(6.0 / step)
        for row in range(count):
            for column in range(count):
                x, y = column * step, row * step
                if kind == 0:
                    board.rect(x, y, step, step, one if (row + column) % 2 else two)
                elif kind == 1:
                    for plank in range(4):
                        tone = shade(mix(one, (70, 110, 150), 0.6), rng.uniform(0.8, 1.1))
                        if (row + column) % 2:
                            board.rect(x + plank * step / 4, y, step / 4, step, tone)
                        else:
                            board.rect(x, y + plank * step / 4, step, step / 4, tone)
                elif kind == 2:
                    board.rect(x, y, step, step, one)
                    board.ellipse(x + step / 2, y + step / 2, step * 0.42, step * 0.42, two)
                    board.ellipse(x + step / 2, y + step / 2, step * 0.2, step * 0.2, three)
                else:
                    half = step / 2
                    board.polygon(
                        [(x + half, y), (x + step, y + half), (x + half, y + step), (x, y + half)],
                        one if row % 2 else three,
                    )
        board.weather(rng, 0.6)
        return board.texture(tiled=True)

    def finish(
        self, kind: str, stand: tuple[float, float, float, float], brightness: float = 1.0
    ) -> Room:
        """The room, lit from above and one side."""
        rng = self.rng
        warm = np.array([0.82, 0.95, 1.06]) if rng.random() < 0.7 else np.array([1.04, 0.98, 0.94])
        sun = np.array([rng.uniform(-0.6, 0.6), -0.35, 0.75])
        light = Light(
            sun=sun / np.linalg.norm(sun),
            sun_colour=warm * 0.5 * brightness,
            ambient=warm * 0.74 * brightness,
            flood=np.zeros(3),
            glow=np.array([0.2, 0.22, 0.24]),
        )
        return Room(kind, stack(self.faces), tuple(self.sprites), light, stand, tuple(self.targets))


def split(face: Face, pieces: int) -> list[Face]:
    """Cut a whole rectangle into pieces along `right`, each to be averaged for its own distance."""
    left, top, right, bottom = face.window
    return [
        panel(
            face.origin + face.right * (place / pieces),
            face.right / pieces,
            face.down,
            face.texture,
            window=(
                left + (right - left) * place / pieces,
                top,
                left + (right - left) * (place + 1) / pieces,
                bottom,
            ),
        )
        for place in range(pieces)
    ]
