"""Statues: heroes, riders, angels and beasts, modelled from their outlines."""

from __future__ import annotations

import cv2
import numpy as np

from steeple.demo.paint.board import Board
from steeple.demo.paint.ornament import emboss
from steeple.demo.render.texture import Colour, Texture, make_texture


def statue(rng: np.random.Generator, colour: Colour) -> Texture:
    """A hero, a rider, an angel or a beast, 3 wide by 4 high, modelled from its outline."""
    board = Board(3.0, 4.0, 48, (0, 0, 0))
    kind = int(rng.integers(4))
    lean = float(rng.uniform(-0.12, 0.12))
    if kind == 1:
        _horse(board, rng)
        _person(board, rng, 1.45 + lean, 2.35, 2.0, seated=True)
    elif kind == 3:
        _beast(board, rng)
    else:
        _person(board, rng, 1.5 + lean, 4.0, 3.3, seated=False)
        if kind == 2:
            _wings(board, rng, 1.5 + lean)
    mask = board.pixels[:, :, 3]
    inside = cv2.distanceTransform((mask > 127).astype(np.uint8), cv2.DIST_L2, 3)
    relief = np.minimum(inside * 9, 120) + board.pixels[:, :, 0] * 0.5
    solid = emboss(relief.astype(np.uint8), colour, depth=1.6)
    solid[:, :, 3] = mask
    return make_texture(solid, cutout=True)


def _person(
    board: Board, rng: np.random.Generator, x: float, foot: float, tall: float, *, seated: bool
) -> None:
    """Body parts of differing brightness, from which the relief takes its folds."""
    wide = tall * 0.13
    tone = [(level, level, level) for level in (120, 200, 90, 160)]
    hip = foot - tall * (0.2 if seated else 0.45)
    chest = foot - tall * (0.55 if seated else 0.8)
    if not seated:
        for side in (-1, 1):
            knee = x + side * wide * rng.uniform(0.4, 1.1)
            board.line(
                [
                    (x + side * wide * 0.4, hip),
                    (knee, (hip + foot) / 2),
                    (x + side * wide * 0.9, foot),
                ],
                tone[0],
                wide * 0.75,
                255,
            )
    if rng.random() < 0.5:
        board.polygon(
            [
                (x - wide, chest),
                (x + wide, chest),
                (x + wide * 2.2, foot - tall * 0.08),
                (x - wide * 1.4, foot - tall * 0.15),
            ],
            tone[2],
            255,
        )
    board.polygon(
        [
            (x - wide * 1.1, chest),
            (x + wide * 1.1, chest),
            (x + wide * 0.7, hip + 0.1),
            (x - wide * 0.7, hip + 0.1),
        ],
        tone[1],
        255,
    )
    for side in (-1, 1):
        raised = rng.random() < 0.45
        elbow = (x + side * wide * rng.uniform(1.6, 2.4), chest + tall * rng.uniform(0.02, 0.2))
        hand = (
            elbow[0] + side * wide * rng.uniform(-0.6, 1.2),
            elbow[1] + (-1 if raised else 1) * tall * rng.uniform(0.1, 0.22),
        )
        board.line([(x + side * wide, chest + 0.06), elbow, hand], tone[3], wide * 0.5, 255)
        if raised:
            board.line(
                [(hand[0], hand[1] + tall * 0.2), (hand[0] + side * 0.1, hand[1] - tall * 0.2)],
                tone[1],
                wide * 0.25,
                255,
            )
    board.ellipse(x, chest - tall * 0.085, wide * 0.55, tall * 0.08, tone[1], alpha=255)


def _wings(board: Board, rng: np.random.Generator, x: float) -> None:
    spread = rng.uniform(0.8, 1.25)
    for side in (-1, 1):
        for feather in range(6):
            tip = (x + side * spread * (1.0 - feather * 0.1), 0.35 + feather * 0.32)
            level = 80 + 25 * feather
            board.line([(x + side * 0.2, 1.6), tip], (level, level, level), 0.2, 255)


def _horse(board: Board, rng: np.random.Generator) -> None:
    tone: Colour = (110, 110, 110)
    board.ellipse(1.5, 2.6, 0.95, 0.42, tone, alpha=255)
    board.line([(2.15, 2.5), (2.55, 1.75)], (150, 150, 150), 0.42, 255)
    board.ellipse(2.62, 1.72, 0.32, 0.16, (190, 190, 190), alpha=255, tilt=25)
    board.line([(0.6, 2.4), (0.25, 2.8), (0.3, 3.3)], (170, 170, 170), 0.14, 255)
    lift = rng.uniform(0.0, 0.5)
    for hip, foot, rise in ((0.8, 0.7, 0.0), (1.05, 1.15, 0.0), (1.9, 1.85, 0.0), (2.2, 2.5, lift)):
        board.line([(hip, 2.8), (foot + 0.1, 3.4 - rise / 2), (foot, 4.0 - rise)], tone, 0.2, 255)


def _beast(board: Board, rng: np.random.Generator) -> None:
    """A lion, more or less, on its guard."""
    board.ellipse(1.4, 2.9, 0.85, 0.5, (110, 110, 110), alpha=255)
    for foot in (0.75, 1.1, 1.85, 2.15):
        board.line([(foot, 3.0), (foot, 3.95)], (150, 150, 150), 0.26, 255)
    board.ellipse(2.05, 2.1, 0.62, 0.66, (90, 90, 90), alpha=255)
    board.ellipse(2.2, 2.1, 0.36, 0.42, (200, 200, 200), alpha=255)
    for angle in np.linspace(0, 2 * np.pi, 12):
        board.ellipse(
            2.05 + 0.55 * np.cos(angle),
            2.1 + 0.58 * np.sin(angle),
            0.16,
            0.16,
            (140, 140, 140),
            alpha=255,
        )
    tail = rng.uniform(1.6, 2.4)
    board.line([(0.6, 2.8), (0.3, 2.3), (0.45, tail)], (170, 170, 170), 0.12, 255)
