"""What walls, roofs and grounds are made of."""

from __future__ import annotations

import numpy as np

from steeple.demo.paint.board import Board
from steeple.demo.paint.style import Style
from steeple.demo.render.texture import Colour, mix, shade


def build_wall(board: Board, rng: np.random.Generator, style: Style) -> None:
    """Cover the whole board with the style's material."""
    if style.material == "brick":
        _courses(board, rng, style.wall, (0.5, 0.17), spread=0.14, joint=1.25)
    elif style.material == "ashlar":
        _courses(board, rng, style.wall, (1.1, 0.55), spread=0.07, joint=0.72)
    elif style.material == "marble":
        _marble(board, rng, style)
    elif style.material == "stripes":
        _stripes(board, rng, style)
    elif style.material == "timber":
        _timber(board, rng, style)
    else:
        _plaster(board, rng, style)


def _courses(
    board: Board,
    rng: np.random.Generator,
    colour: Colour,
    stone: tuple[float, float],
    *,
    spread: float,
    joint: float,
) -> None:
    """Rows of stones, each a shade of its own: painted one pixel per stone, then enlarged."""
    height, width = board.pixels.shape[:2]
    rows = max(1, round(board.height / stone[1]))
    columns = max(1, round(board.width / stone[0]))
    y = np.arange(height) * rows / height
    x = np.arange(width) * columns / width
    row = y.astype(np.int64)
    shifted = x[None, :] + 0.5 * (row[:, None] % 2)
    column = shifted.astype(np.int64)
    stones = 1.0 + spread * rng.uniform(-1.0, 1.0, (rows + 1, columns + 2))
    factor = stones[row[:, None], column].astype(np.float32)
    gap = max(0.035, 1.2 / board.density)
    in_joint = ((y - row) * stone[1] < gap)[:, None] | ((shifted - column) * stone[0] < gap)
    factor[in_joint] *= joint
    board.pixels[:, :, :3] = np.clip(
        factor[:, :, None] * np.asarray(colour, np.float32), 0, 255
    ).astype(np.uint8)


def _plaster(board: Board, rng: np.random.Generator, style: Style) -> None:
    board.rect(0, 0, board.width, board.height, style.wall)
    if rng.random() < 0.5:
        return
    for y in np.arange(0.6, board.height, 0.6):
        board.rect(0, float(y), board.width, 0.06, shade(style.wall, 0.86))


def _marble(board: Board, rng: np.random.Generator, style: Style) -> None:
    """Slabs framed in the accent colour, as on the churches of Tuscany."""
    board.rect(0, 0, board.width, board.height, style.wall)
    step_x, step_y = rng.uniform(1.2, 2.2), rng.uniform(1.4, 2.6)
    line = mix(style.accent, style.wall, 0.25)
    lozenge = rng.random() < 0.5
    for y in np.arange(0.0, board.height, step_y):
        for x in np.arange(0.0, board.width, step_x):
            corners = [
                (x + 0.2, y + 0.2),
                (x + step_x - 0.2, y + 0.2),
                (x + step_x - 0.2, y + step_y - 0.2),
                (x + 0.2, y + step_y - 0.2),
            ]
            board.line(corners, line, 0.09, closed=True)
            if lozenge:
                mid_x, mid_y = x + step_x / 2, y + step_y / 2
                reach = min(step_x, step_y) * 0.24
                board.polygon(
                    [
                        (mid_x, mid_y - reach),
                        (mid_x + reach, mid_y),
                        (mid_x, mid_y + reach),
                        (mid_x - reach, mid_y),
                    ],
                    line,
                )


def _stripes(board: Board, rng: np.random.Generator, style: Style) -> None:
    _courses(board, rng, style.wall, (1.0, 0.5), spread=0.06, joint=0.75)
    band = float(rng.choice((0.5, 1.0)))
    rows = (np.arange(board.pixels.shape[0]) / board.density / band).astype(np.int64) % 2 == 1
    ratio = np.asarray(style.second, np.float32) / np.maximum(np.asarray(style.wall), 1)
    striped = board.pixels[rows, :, :3] * ratio.astype(np.float32)
    board.pixels[rows, :, :3] = np.clip(striped, 0, 255).astype(np.uint8)


def _timber(board: Board, rng: np.random.Generator, style: Style) -> None:
    """Half-timbering: posts, rails and a brace that leans another way in each field."""
    board.rect(0, 0, board.width, board.height, style.wall)
    beam = shade((38, 52, 74), rng.uniform(0.7, 1.3))
    step_x, step_y = style.bay / 2, style.storey / 2
    for row, y in enumerate(np.arange(0.0, board.height, step_y)):
        board.rect(0, float(y), board.width, 0.22, beam)
        for x in np.arange(0.0, board.width, step_x):
            board.rect(float(x), float(y), 0.18, step_y, beam)
            lean = rng.integers(4)
            ends = (x, x + step_x) if lean == 0 else (x + step_x, x)
            if lean < 2 and row % 2:
                board.line([(ends[0], y), (ends[1], y + step_y)], beam, 0.17)


def roof_board(rng: np.random.Generator, colour: Colour, size: float = 6.0) -> Board:
    """A square of roof, `size` metres along each side, that repeats: tiles, slates or seams."""
    board = Board(size, size, 32, colour)
    kind = rng.integers(4)
    if kind == 3:
        for x in np.arange(0.0, size, 0.75):
            board.rect(float(x), 0, 0.12, size, shade(colour, 1.25))
            board.rect(float(x) + 0.12, 0, 0.12, size, shade(colour, 0.7))
    else:
        _shingles(board, rng, colour, diamonds=bool(kind == 2))
    board.weather(rng, 0.6)
    return board


def _shingles(board: Board, rng: np.random.Generator, colour: Colour, *, diamonds: bool) -> None:
    other = shade(colour, 0.72) if diamonds else colour
    step = 0.5
    count = round(board.width / step)
    for row in range(count):
        for column in range(count + 1):
            pattern = other if (row + column) % 4 == 0 or (row - column) % 4 == 0 else colour
            tone = shade(pattern, rng.uniform(0.86, 1.12))
            x = (column - 0.5 * (row % 2)) * step
            board.rect(x, row * step, step, step, tone)
            board.ellipse(
                x + step / 2,
                (row + 0.55) * step,
                step / 2,
                step * 0.42,
                shade(tone, 0.6),
                thickness=0.05,
                arc=(0, 180),
            )


def paving_board(rng: np.random.Generator, kind: str) -> Board:
    """A square of ground, 8 metres along each side, that repeats.

    Args:
        rng: draws the shade of every stone.
        kind: "slabs", "cobbles", "fan", "checks", "grass", "gravel", "asphalt", "sand" or "water".
    """
    tones: dict[str, Colour] = {
        "slabs": (150, 160, 166),
        "cobbles": (118, 124, 128),
        "fan": (112, 128, 142),
        "checks": (158, 172, 184),
        "grass": (62, 122, 88),
        "gravel": (138, 160, 178),
        "asphalt": (92, 90, 88),
        "sand": (142, 178, 202),
        "water": (122, 104, 66),
    }
    colour = tones[kind]
    board = Board(8.0, 8.0, 32, colour)
    if kind == "slabs":
        _courses(board, rng, colour, (1.0, 0.5), spread=0.05, joint=0.88)
    elif kind == "cobbles":
        _courses(board, rng, colour, (0.32, 0.25), spread=0.12, joint=0.82)
    elif kind == "checks":
        for row in range(8):
            for column in range(8):
                tone = shade(
                    colour, (0.86 if (row + column) % 2 else 1.0) * rng.uniform(0.95, 1.05)
                )
                board.rect(column, row, 1.0, 1.0, tone)
    elif kind == "fan":
        for y in np.arange(-1.0, 9.0, 1.0):
            for x in np.arange(0.0, 9.0, 2.0):
                for radius in np.arange(0.2, 1.4, 0.2):
                    board.ellipse(
                        float(x + (y % 2)),
                        float(y) + 1.0,
                        radius,
                        radius,
                        shade(colour, rng.uniform(0.72, 1.1)),
                        thickness=0.14,
                        arc=(180, 360),
                    )
    board.weather(rng, 1.6 if kind in {"grass", "gravel", "sand", "water"} else 0.8)
    return board
