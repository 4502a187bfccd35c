"""What hangs in galleries: landscapes, portraits, still lifes and abstract pictures."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from steeple.demo.paint.board import Board
from steeple.demo.paint.ornament import carving
from steeple.demo.render import noise
from steeple.demo.render.texture import Colour, Pixels, mix, rgb, shade

_PIGMENTS = (
    0xB3262A,
    0x23479B,
    0xE0B23A,
    0x2C7F4F,
    0x6E2E86,
    0x3F9BC4,
    0xD9702B,
    0xF0E2B4,
    0x2A2422,
    0xC98FA0,
    0x7FA08C,
    0x8C5A36,
)


def _pigments(rng: np.random.Generator, count: int) -> list[Colour]:
    picks = rng.choice(len(_PIGMENTS), count, replace=False)
    return [shade(rgb(_PIGMENTS[int(pick)]), rng.uniform(0.75, 1.15)) for pick in picks]


def painting(rng: np.random.Generator, width: float, height: float, density: float = 60) -> Pixels:
    """A (h, w, 4) uint8 BGRA painting without its frame; sizes in metres, pixels per metre."""
    board = Board(width, height, density, (120, 150, 170), 0)
    kind = int(rng.integers(5))
    if kind == 0:
        _landscape(board, rng)
    elif kind == 1:
        _portrait(board, rng)
    elif kind == 2:
        _still_life(board, rng)
    elif kind == 3:
        _circles(board, rng)
    else:
        _grid(board, rng)
    rows, columns = board.pixels.shape[:2]
    board.multiply(1.0 + 0.03 * noise.patch("grain", rng, rows, columns))
    board.pixels[:, :, 3] = 255
    return board.pixels


def framed(rng: np.random.Generator, width: float, height: float, density: float = 60) -> Pixels:
    """A (h, w, 4) uint8 BGRA painting in a carved frame; sizes with the frame, in metres."""
    gilt = shade((70, 150, 196), rng.uniform(0.5, 1.1))
    board = Board(width, height, density, gilt, 255)
    edge = min(width, height) * float(rng.uniform(0.06, 0.13))
    pixels = max(10, int(edge * density))
    strip = carving(rng, pixels, pixels * 4, gilt)
    for x in np.arange(0.0, width, edge * 4):
        board.paste(strip, float(x), 0.0, edge * 4, edge)
        board.paste(strip[::-1], float(x), height - edge, edge * 4, edge)
    tall = np.ascontiguousarray(strip.transpose(1, 0, 2))
    for y in np.arange(0.0, height, edge * 4):
        board.paste(tall, 0.0, float(y), edge, edge * 4)
        board.paste(tall[:, ::-1], width - edge, float(y), edge, edge * 4)
    inside = painting(rng, width - 2 * edge, height - 2 * edge, density)
    board.paste(inside, edge, edge, width - 2 * edge, height - 2 * edge)
    corners = [
        (edge, edge),
        (width - edge, edge),
        (width - edge, height - edge),
        (edge, height - edge),
    ]
    board.line(corners, shade(gilt, 0.4), edge * 0.14, closed=True)
    board.pixels[:, :, 3] = 255
    return board.pixels


def _landscape(board: Board, rng: np.random.Generator) -> None:
    wide, tall = board.width, board.height
    colours = _pigments(rng, 5)
    sky = mix(colours[0], (240, 232, 220), 0.6)
    for band in range(12):
        board.rect(0, tall * band / 20, wide, tall / 18, mix(sky, colours[1], band / 22))
    sun = min(wide, tall)
    board.ellipse(
        wide * rng.uniform(0.2, 0.8),
        tall * rng.uniform(0.15, 0.4),
        sun * 0.08,
        sun * 0.08,
        (190, 235, 252),
    )
    for hill in range(4):
        base = tall * (0.45 + 0.13 * hill)
        xs = np.linspace(0, wide, 14)
        ys = base + tall * 0.08 * np.sin(xs / wide * rng.uniform(3, 9) + rng.uniform(0, 6))
        ridge = [(float(x), float(y)) for x, y in zip(xs, ys, strict=True)]
        tone = mix(colours[2 + hill % 3], (80, 120, 90), 0.4)
        board.polygon([*ridge, (wide, tall), (0, tall)], shade(tone, 1.1 - 0.15 * hill))
    for _ in range(int(rng.integers(3, 14))):
        x, y = float(rng.uniform(0, wide)), float(rng.uniform(0.6, 0.95)) * tall
        size = tall * 0.12 * y / tall
        board.rect(x - size * 0.08, y - size, size * 0.16, size, (40, 52, 66))
        board.ellipse(x, y - size * 1.3, size * 0.5, size * 0.7, shade(colours[4], 0.8))
    if rng.random() < 0.6:
        x, y, size = wide * rng.uniform(0.2, 0.8), tall * 0.72, tall * 0.1
        board.rect(x - size / 2, y - size, size, size, (205, 218, 226))
        board.polygon(
            [(x - size * 0.65, y - size), (x, y - size * 1.7), (x + size * 0.65, y - size)],
            (60, 70, 160),
        )


def _portrait(board: Board, rng: np.random.Generator) -> None:
    wide, tall = board.width, board.height
    colours = _pigments(rng, 4)
    board.rect(0, 0, wide, tall, shade(colours[0], 0.4))
    board.ellipse(wide / 2, tall * 0.4, wide * 0.45, tall * 0.45, shade(colours[0], 0.6))
    skin = shade((170, 196, 232), rng.uniform(0.5, 1.05))
    x, y, head = wide * rng.uniform(0.42, 0.58), tall * 0.38, min(wide, tall) * 0.17
    board.ellipse(x, tall * 1.02, wide * 0.42, tall * 0.42, colours[1], arc=(180, 360))
    board.polygon(
        [(x - head * 0.7, tall * 0.66), (x, tall * 0.95), (x + head * 0.7, tall * 0.66)], colours[2]
    )
    hair = shade((40, 60, 90), rng.uniform(0.3, 2.2))
    board.ellipse(x, y - head * 0.15, head * 1.12, head * 1.35, hair)
    board.rect(x - head * 0.35, y + head * 0.7, head * 0.7, head, shade(skin, 0.85))
    board.ellipse(x, y, head * 0.85, head * 1.15, skin)
    board.ellipse(x - head * 0.3, y + head * 0.1, head * 0.5, head * 0.9, shade(skin, 1.08))
    for side in (-1, 1):
        board.ellipse(
            x + side * head * 0.34, y - head * 0.1, head * 0.15, head * 0.09, (236, 240, 242)
        )
        board.ellipse(
            x + side * head * 0.34, y - head * 0.1, head * 0.08, head * 0.09, (50, 50, 40)
        )
        board.line(
            [(x + side * head * 0.15, y - head * 0.33), (x + side * head * 0.52, y - head * 0.36)],
            shade(hair, 0.7),
            head * 0.07,
        )
    board.line(
        [(x, y - head * 0.05), (x + head * 0.12, y + head * 0.3), (x, y + head * 0.34)],
        shade(skin, 0.7),
        head * 0.06,
    )
    board.ellipse(x, y + head * 0.62, head * 0.26, head * 0.08, (80, 80, 180))
    if rng.random() < 0.5:
        board.ellipse(x, y - head * 0.9, head * 1.6, head * 0.35, colours[3])
        board.ellipse(x, y - head * 1.1, head * 0.9, head * 0.7, colours[3], arc=(180, 360))


def _still_life(board: Board, rng: np.random.Generator) -> None:
    wide, tall = board.width, board.height
    colours = _pigments(rng, 6)
    board.rect(0, 0, wide, tall, shade(colours[0], 0.45))
    board.rect(0, tall * 0.62, wide, tall * 0.38, shade(colours[1], 0.8))
    for fold in range(7):
        x = wide * fold / 6
        board.polygon(
            [(x, tall * 0.62), (x + wide * 0.06, tall * 0.62), (x + wide * 0.12, tall)],
            shade(colours[1], 0.95),
        )
    x, size = wide * rng.uniform(0.25, 0.75), tall * 0.2
    board.ellipse(x, tall * 0.58, size * 0.6, size, shade(colours[2], 0.9))
    board.rect(x - size * 0.25, tall * 0.28, size * 0.5, size, colours[2])
    board.ellipse(x - size * 0.2, tall * 0.52, size * 0.16, size * 0.5, shade(colours[2], 1.5))
    for _ in range(9):
        angle, reach = rng.uniform(math.pi, 2 * math.pi), rng.uniform(0.4, 1.3) * size
        tip = (x + math.cos(angle) * reach, tall * 0.28 + math.sin(angle) * reach)
        board.line([(x, tall * 0.3), tip], (60, 110, 70), size * 0.06)
        bloom = colours[int(rng.integers(2, 6))]
        board.ellipse(*tip, size * 0.22, size * 0.22, bloom)
        board.ellipse(*tip, size * 0.08, size * 0.08, (90, 200, 235))
    for _ in range(int(rng.integers(4, 9))):
        fx, fy = float(rng.uniform(0.1, 0.9)) * wide, float(rng.uniform(0.7, 0.9)) * tall
        fruit = colours[int(rng.integers(2, 6))]
        radius = tall * float(rng.uniform(0.05, 0.09))
        board.ellipse(
            fx + radius * 0.4, fy + radius * 0.8, radius * 1.3, radius * 0.4, shade(colours[1], 0.4)
        )
        board.ellipse(fx, fy, radius, radius * 0.95, fruit)
        board.ellipse(
            fx - radius * 0.3,
            fy - radius * 0.35,
            radius * 0.35,
            radius * 0.3,
            mix(fruit, (255, 255, 255), 0.5),
        )


def _circles(board: Board, rng: np.random.Generator) -> None:
    wide, tall = board.width, board.height
    board.rect(0, 0, wide, tall, mix(_pigments(rng, 1)[0], (225, 235, 240), 0.75))
    for _ in range(int(rng.integers(9, 20))):
        colours = _pigments(rng, 3)
        x, y = rng.uniform(0, wide), rng.uniform(0, tall)
        size = float(rng.uniform(0.04, 0.24)) * min(wide, tall)
        shape = rng.integers(3)
        if shape == 0:
            for ring, tone in enumerate(colours):
                board.ellipse(x, y, size * (1 - 0.3 * ring), size * (1 - 0.3 * ring), tone)
        elif shape == 1:
            board.line(
                [(x, y), (rng.uniform(0, wide), rng.uniform(0, tall))], colours[0], size * 0.15
            )
        else:
            corners = [
                (x + size * math.cos(a), y + size * math.sin(a))
                for a in np.sort(rng.uniform(0, 2 * math.pi, 3))
            ]
            board.polygon(corners, colours[1])


def _grid(board: Board, rng: np.random.Generator) -> None:
    wide, tall = board.width, board.height
    colours = [*_pigments(rng, 4), (236, 240, 242), (236, 240, 242)]
    xs = np.concatenate([[0], np.sort(rng.uniform(0, wide, int(rng.integers(3, 7)))), [wide]])
    ys = np.concatenate([[0], np.sort(rng.uniform(0, tall, int(rng.integers(3, 7)))), [tall]])
    for x0, x1 in pairwise(xs):
        for y0, y1 in pairwise(ys):
            tone = colours[int(rng.integers(len(colours)))]
            board.rect(float(x0), float(y0), float(x1 - x0), float(y1 - y0), tone)
    for x in xs:
        board.line([(float(x), 0), (float(x), tall)], (30, 30, 32), tall * 0.018)
    for y in ys:
        board.line([(0, float(y)), (wide, float(y))], (30, 30, 32), tall * 0.018)
