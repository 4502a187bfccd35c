"""Photos that show no landmark: any street, a park, a picture on a wall."""

from __future__ import annotations

import math

import numpy as np

from steeple.demo.around import clutter
from steeple.demo.around.conditions import draw_conditions
from steeple.demo.around.ground import Layer, circle, strip
from steeple.demo.around.neighbours import skyline, terrace
from steeple.demo.paint.board import Board
from steeple.demo.paint.masonry import build_wall
from steeple.demo.paint.paintings import framed, painting
from steeple.demo.paint.style import draw_style
from steeple.demo.render import lens
from steeple.demo.render.camera import look_at
from steeple.demo.render.exposure import OVERSAMPLING, Shot, outdoors
from steeple.demo.render.mesh import join, panel, stack
from steeple.demo.render.scene import Canvas, Light
from steeple.demo.render.texture import Pixels, make_texture

KINDS = ("street", "park", "painting", "page")


def stranger(seed: int, rng: np.random.Generator, width: int, height: int) -> tuple[Pixels, bool]:
    """A picture without a landmark, (height, width, 3) uint8 BGR, and whether it is dark."""
    kind = str(rng.choice(KINDS, p=(0.4, 0.2, 0.25, 0.15)))
    if kind == "street":
        return _street(seed, rng, width, height)
    if kind == "park":
        return _park(seed, rng, width, height)
    return _flat(rng, width, height, page=kind == "page"), False


def _street(seed: int, rng: np.random.Generator, width: int, height: int) -> tuple[Pixels, bool]:
    half = float(rng.uniform(6, 11))
    rows = [skyline(seed, int(rng.integers(4))).moved((0, 260, 0))]
    rows += terrace(seed, rng, (-half, -10), 110, math.pi / 2)
    rows += terrace(seed, rng, (half, 100), 110, -math.pi / 2)
    if rng.random() < 0.5:
        rows += terrace(seed, rng, (-40, float(rng.uniform(30, 90))), 80, 0.0)
    layers = [
        Layer("slabs"),
        Layer(
            "asphalt" if rng.random() < 0.6 else "cobbles", strip(-half + 2.5, -40, half - 2.5, 200)
        ),
    ]
    yaw = float(rng.normal(0, 0.5))
    position = np.array([rng.uniform(-half + 2, half - 2), rng.uniform(0, 15), 1.65])
    target = position + np.array([20 * math.sin(yaw), 20 * math.cos(yaw), rng.uniform(0.5, 5.0)])
    camera = look_at(
        position,
        target,
        focal=max(width, height) * rng.uniform(0.6, 1.2),
        width=width,
        height=height,
        roll=math.radians(float(rng.normal(0, 1.6))),
    )
    sprites = clutter.scatter(seed, rng, camera, 35.0, lively=1.6)
    return outdoors(
        Shot(seed, camera, draw_conditions(rng), join(rows), tuple(sprites), layers), rng
    )


def _park(seed: int, rng: np.random.Generator, width: int, height: int) -> tuple[Pixels, bool]:
    far = [skyline(seed, int(rng.integers(4))).moved((x, 240, 0)) for x in (-200, 0, 200)]
    layers = [Layer("grass"), Layer("gravel", strip(-2.5, -20, 2.5, 90))]
    if rng.random() < 0.6:
        x, y = float(rng.uniform(-20, 20)), float(rng.uniform(22, 45))
        layers += [Layer("gravel", circle(x, y, 13.2)), Layer("water", circle(x, y, 12))]
    position = np.array([rng.uniform(-5, 5), 0.0, 1.65])
    target = np.array([rng.uniform(-14, 14), 30.0, rng.uniform(1.5, 5.0)])
    camera = look_at(
        position,
        target,
        focal=max(width, height) * rng.uniform(0.6, 1.3),
        width=width,
        height=height,
        roll=math.radians(float(rng.normal(0, 1.6))),
    )
    sprites = clutter.scatter(seed, rng, camera, 35.0, lively=0.7)
    for _ in range(int(rng.integers(8, 22))):
        x, y = float(rng.uniform(-45, 45)), float(rng.uniform(14, 80))
        sprites.append(clutter.place(seed, rng, "tree", x, y, scale=float(rng.uniform(0.9, 1.8))))
    shot = Shot(seed, camera, draw_conditions(rng), join(far), tuple(sprites), layers)
    return outdoors(shot, rng)


def _flat(rng: np.random.Generator, width: int, height: int, *, page: bool) -> Pixels:
    """A painting on a wall, or a printed page, seen nearly straight on."""
    style = draw_style(rng)
    wall = Board(6.0, 6.0, 24, style.wall)
    if page:
        build_wall(wall, rng, style)
    wall.weather(rng, 0.6)
    wide = 2.4
    tall = wide * height / width * float(rng.uniform(0.8, 1.1))
    if page:
        sheet = Board(wide, tall, 200, (226, 234, 238))
        picture = painting(rng, wide * 0.8, tall * 0.45, 200)
        sheet.paste(picture, wide * 0.1, tall * 0.42, wide * 0.8, tall * 0.45)
        words = (
            "GUIDE",
            "WALKS",
            "COOKING",
            "ATLAS",
            "POEMS",
            "BIRDS",
            "TALES",
            "GARDENS",
            "MUSIC",
        )
        for line in range(int(rng.integers(2, 5))):
            sheet.text(
                str(rng.choice(words)),
                wide / 2,
                tall * (0.08 + 0.1 * line),
                tall * 0.05,
                style.door,
            )
        pixels = sheet.pixels
        pixels[:, :, 3] = 0
    else:
        pixels = framed(rng, wide, tall, 190)
        pixels[:, :, 3] = 0
    faces = [
        panel((-3, 0, 6), (6, 0, 0), (0, 0, -6), wall.texture()),
        panel((-wide / 2, -0.05, 3 + tall / 2), (wide, 0, 0), (0, 0, -tall), make_texture(pixels)),
    ]
    position = np.array([rng.uniform(-0.8, 0.8), -2.6, 3 + rng.uniform(-0.5, 0.4)])
    camera = look_at(
        position,
        (rng.normal(0, 0.1), 0, 3 + rng.normal(0, 0.1)),
        focal=width * rng.uniform(0.85, 1.15),
        width=width,
        height=height,
        roll=math.radians(float(rng.normal(0, 1.6))),
    )
    canvas = Canvas(camera.scaled(OVERSAMPLING))
    warm = np.array([0.9, 0.97, 1.03]) * rng.uniform(0.8, 1.1)
    canvas.draw(
        stack(faces),
        Light(np.array([0.0, -0.6, 0.8]), warm * 0.4, warm * 0.7, np.zeros(3), np.zeros(3)),
    )
    return lens.develop(canvas, OVERSAMPLING)
