"""Worldly rooms: galleries, ballrooms, libraries, cellars."""

from __future__ import annotations

import numpy as np

from steeple.demo.inside.fittings import column, fresco, glass_bay
from steeple.demo.inside.rooms import Interior, Room
from steeple.demo.paint import facades
from steeple.demo.paint.board import Board
from steeple.demo.paint.openings import opening
from steeple.demo.paint.ornament import carving, cornice, mosaic, pillar
from steeple.demo.paint.paintings import framed, painting
from steeple.demo.render.solids import turned
from steeple.demo.render.texture import Texture, make_texture, mix, rgb, shade


def gallery(inside: Interior) -> Room:
    """A hall of framed pictures under a skylight, with sculpture."""
    rng, style = inside.rng, inside.style
    wide, deep, tall = rng.uniform(9, 12), rng.uniform(14, 20), rng.uniform(5, 6.5)
    boards = []
    for length, count in ((wide, 2), (wide, 3), (deep, 5)):
        board = Board(length, tall, 44, style.wall)
        board.rect(0, tall - 1.0, length, 1.0, mix(style.wall, style.trim, 0.5))
        inside.hang(board, count, 1.3, tall * 0.5)
        cornice(board, rng, style, 0.0, 0.5)
        board.weather(rng, 0.5)
        boards.append(board.texture())
    lights = Board(wide, deep, 16, style.trim)
    for x in np.arange(0.5, wide - 1, 1.5):
        for y in np.arange(1.0, deep - 2, 2.0):
            lights.rect(float(x), float(y), 1.2, 1.7, (236, 226, 214), alpha=200)
    ceiling = make_texture(np.ascontiguousarray(lights.pixels.transpose(1, 0, 2)))
    inside.shell((wide, deep, tall), (boards[0], boards[1], boards[2]), inside.floor(), ceiling)
    bronze = ((92, 122, 96), (60, 84, 110), (196, 204, 208))[int(rng.integers(3))]
    for y in (deep * 0.35, deep * 0.7):
        inside.sculpture(float(rng.uniform(-1.5, 1.5)), float(y), 2.0, bronze)
    inside.block(0, deep * 0.5, (2.4, 0.6, 0.5), style.door)
    inside.targets += [
        (0, deep, 2.4),
        (-wide / 2, deep * 0.3, 2.4),
        (-wide / 2, deep * 0.7, 2.4),
        (wide / 2, deep * 0.7, 2.4),
        (wide / 2, deep * 0.3, 2.4),
        (0, 0, 2.4),
    ]
    return inside.finish("gallery", (-wide * 0.3, wide * 0.3, 1.0, deep - 1.0), 1.15)


def ballroom(inside: Interior) -> Room:
    """Mirrors, gilt, a painted ceiling, chandeliers."""
    rng, style = inside.rng, inside.style
    wide, deep, tall = rng.uniform(11, 15), rng.uniform(16, 24), rng.uniform(7, 9)
    gilt = (80, 170, 216)
    boards = []
    for length, bays in ((wide, 3), (wide, 3), (deep, 5)):
        board = Board(length, tall, 40, style.wall)
        step = length / bays
        for bay in range(bays):
            x = (bay + 0.22) * step
            shape = opening(style.head, x, tall * 0.22, step * 0.56, tall * 0.66)
            board.polygon(shape, mix((214, 206, 196), style.second, 0.3), 70)
            board.line(shape, gilt, 0.16, closed=True)
            for bar in (0.33, 0.66):
                board.rect(x + step * 0.56 * bar, tall * 0.3, 0.05, tall * 0.58, gilt)
            panel_ = carving(rng, 120, 40, gilt)
            board.paste(panel_, bay * step + step * 0.02, tall * 0.3, step * 0.16, tall * 0.5)
            pillar(board, style, (bay * step, tall * 0.12, step * 0.05, tall * 0.88), round_=True)
        board.rect(0, tall * 0.9, length, tall * 0.1, shade(style.second, 0.8))
        cornice(board, rng, style, 0.0, 0.9)
        board.weather(rng, 0.5)
        boards.append(board)
    board = boards[0]
    board.paste(
        framed(rng, wide * 0.34, tall * 0.5, 50), wide * 0.33, tall * 0.28, wide * 0.34, tall * 0.5
    )
    picture = painting(rng, 12.0, 8.0, 32)
    picture[:, :, 3] = 60
    inside.shell(
        (wide, deep, tall),
        (board.texture(), boards[1].texture(), boards[2].texture()),
        inside.floor(),
        make_texture(picture),
    )
    for y in np.linspace(deep * 0.25, deep * 0.8, 3):
        inside.chandelier(0, float(y), tall - 2.8, 2.4)
    inside.block(0, deep - 1.6, (1.2, 1.2, 0.5), style.accent)
    inside.block(0, deep - 1.1, (1.2, 0.3, 1.7), gilt)
    inside.targets += [
        (0, deep, tall * 0.5),
        (0, deep, tall * 0.8),
        (wide / 2, deep * 0.6, 3),
        (-wide / 2, deep * 0.6, 3),
        (0, 0, 3),
        (0, deep * 0.7, tall),
    ]
    return inside.finish("ballroom", (-wide * 0.3, wide * 0.3, 1.0, deep * 0.7), 1.1)


def _shelves(inside: Interior, width: float, height: float) -> Board:
    """A wall of books, each with a back of its own."""
    rng, wood = inside.rng, shade(inside.style.door, 0.7)
    board = Board(width, height, 40, wood)
    backs = [rgb(code) for code in (0x7C2B26, 0x2F4F3A, 0x23395B, 0xA77B3B, 0x5B3A29, 0xC9B38A)]
    for y in np.arange(0.5, height - 0.6, 0.62):
        x = 0.1
        while x < width - 0.15:
            wide, tall = float(rng.uniform(0.06, 0.16)), float(rng.uniform(0.36, 0.52))
            tone = shade(backs[int(rng.integers(len(backs)))], rng.uniform(0.7, 1.25))
            board.rect(x, float(y) + 0.55 - tall, wide, tall, tone)
            board.rect(x, float(y) + 0.62 - tall, wide, 0.04, (110, 190, 220))
            x += wide + 0.012
        board.rect(0, float(y) + 0.55, width, 0.07, shade(wood, 1.4))
    return board


def library(inside: Interior) -> Room:
    """Books up to the vault, tables between them."""
    rng, style = inside.rng, inside.style
    wide, deep, tall = rng.uniform(9, 12), rng.uniform(15, 22), rng.uniform(6, 8)
    shelf = _shelves(inside, 5.0, tall)
    for x in (0.0, 4.6):
        pillar(shelf, style, (x, 0.0, 0.4, tall), round_=bool(rng.random() < 0.5))
    cornice(shelf, rng, style, 0.0, 0.6)
    end = _shelves(inside, wide, tall)
    glass_bay(inside, end, (wide * 0.4, tall * 0.12, wide * 0.2, tall * 0.6))
    door = _shelves(inside, wide, tall)
    door.paste(framed(rng, 3.0, 2.2), wide / 2 - 1.5, tall * 0.3, 3.0, 2.2)
    side = shelf.texture(tiled=True)
    inside.shell(
        (wide, deep, tall), (end.texture(), door.texture(), side), inside.floor(), None, repeat=5.0
    )
    ceiling = fresco(rng, [shade(style.accent, 0.7), style.wall, style.trim], 192, 320)
    inside.vault(wide, deep, tall, wide * 0.3, ceiling)
    inside.lunettes(wide, deep, tall, wide * 0.3, _mural(inside, wide, wide * 0.3))
    for y in np.arange(deep * 0.3, deep * 0.9, 3.2):
        inside.block(0, float(y), (2.6, 1.2, 0.85), style.door)
        inside.block(float(rng.uniform(-0.8, 0.8)), float(y), (0.5, 0.4, 0.12), style.accent, 0.85)
    inside.sculpture(float(rng.choice((-1, 1))) * wide * 0.33, deep * 0.8, 1.7, (200, 206, 210))
    inside.targets += [
        (0, deep, tall * 0.6),
        (0, deep, tall),
        (wide / 2, deep * 0.7, 3),
        (-wide / 2, deep * 0.7, 3),
        (0, 0, 3),
    ]
    return inside.finish("library", (-wide * 0.32, wide * 0.32, 1.0, deep * 0.6), 0.95)


def _mural(inside: Interior, width: float, height: float) -> Texture:
    """A mural that fills a field; metres."""
    return make_texture(painting(inside.rng, width, height, 36))


def cellar(inside: Interior) -> Room:
    """Two low brick vaults, casks, a mosaic at the end."""
    rng, style = inside.rng, inside.style
    wide, deep, tall = rng.uniform(9, 12), rng.uniform(14, 20), 2.6
    side = facades.blank(rng, style, deep, tall, 36)
    for place in range(4):
        x = deep * (place + 0.3) / 4
        side.polygon(opening("round", x, 0.6, deep * 0.1, 1.8), shade(style.wall, 0.35))
        side.paste(carving(rng, 90, 70, style.trim), x + deep * 0.02, 1.0, deep * 0.06, 1.2)
    ends = []
    for _ in range(2):
        end = facades.blank(rng, style, wide, tall, 40)
        palette = [style.accent, style.door, style.trim, style.second]
        end.paste(mosaic(rng, 200, 400, palette), wide * 0.3, 0.3, wide * 0.4, tall * 0.7)
        for x in (0.12, 0.8):
            end.ellipse(wide * x + 0.3, 0.9, 0.2, 0.28, (150, 226, 250), alpha=230)
        ends.append(end.texture())
    inside.shell((wide, deep, tall), (ends[0], ends[1], side.texture()), inside.floor(), None)
    brick = facades.blank(rng, style, 6.0, wide * 0.7, 30)
    for x in (0.0, 3.0):
        brick.rect(x, 0, 0.5, brick.height, style.trim)
    vault = brick.texture(tiled=True)
    for middle in (-wide / 4, wide / 4):
        inside.vault(wide / 2, deep, tall, wide * 0.2, vault, middle=middle)
        inside.lunettes(wide / 2, deep, tall, wide * 0.2, vault, middle=middle)
    shaft = column(inside, tall)
    for y in np.arange(2.5, deep - 1, 3.5):
        inside.faces += turned(
            (0, float(y)), [(0.55, 0), (0.4, 0.5), (0.4, tall)], shaft, sides=8, around=4
        )
        for x in (-wide * 0.38, wide * 0.38):
            inside.faces += turned(
                (x, float(y)),
                [(0.5, 0), (0.62, 0.55), (0.5, 1.1)],
                _cask(inside),
                sides=10,
                around=2,
            )
    inside.targets += [
        (wide * 0.1, deep, 1.8),
        (-wide * 0.3, deep, 1.8),
        (wide / 2, deep * 0.6, 1.6),
        (-wide / 2, deep * 0.6, 1.6),
        (wide * 0.2, 0, 1.8),
    ]
    return inside.finish("cellar", (-wide * 0.22, wide * 0.22, 1.0, deep * 0.7), 0.72)


def _cask(inside: Interior) -> Texture:
    board = Board(2.0, 1.1, 24, shade(inside.style.door, 1.1))
    for x in np.arange(0.0, 2.0, 0.2):
        board.rect(float(x), 0, 0.03, 1.1, shade(inside.style.door, 0.6))
    for y in (0.15, 0.5, 0.85):
        board.rect(0, y, 2.0, 0.1, (70, 70, 74))
    return board.texture(tiled=True)
