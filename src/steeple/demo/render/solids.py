"""Boxes, roofs, arches and turned bodies, as lists of faces."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from steeple.demo.render.mesh import Face, Floats, panel
from steeple.demo.render.texture import Texture

Point = tuple[float, float, float]


def box(
    centre: tuple[float, float],
    size: tuple[float, float, float],
    textures: tuple[Texture, Texture],
    *,
    floor: float = 0.0,
    top: Texture | None = None,
    lamp: float = 0.0,
) -> list[Face]:
    """Four walls and, where a texture is given for it, a flat top.

    Args:
        centre: x and y of the middle, metres.
        size: along x, along y, height, metres.
        textures: of the front and back, and of the two sides.
        floor: height of the foot, metres.
        top: texture of the top.
        lamp: see `Face`.
    """
    x0, x1 = centre[0] - size[0] / 2, centre[0] + size[0] / 2
    y0, y1 = centre[1] - size[1] / 2, centre[1] + size[1] / 2
    z = floor + size[2]
    down = (0.0, 0.0, -size[2])
    front, side = textures
    faces = [
        panel((x0, y0, z), (x1 - x0, 0, 0), down, front, lamp=lamp),
        panel((x1, y1, z), (x0 - x1, 0, 0), down, front, lamp=lamp),
        panel((x1, y0, z), (0, y1 - y0, 0), down, side, lamp=lamp),
        panel((x0, y1, z), (0, y0 - y1, 0), down, side, lamp=lamp),
    ]
    if top is not None:
        faces.append(panel((x0, y1, z), (x1 - x0, 0, 0), (0, y0 - y1, 0), top, lamp=lamp))
    return faces


def frustum(
    centre: tuple[float, float],
    base: tuple[float, float],
    top: tuple[float, float],
    heights: tuple[float, float],
    texture: Texture,
    *,
    repeat: float = 6.0,
    lamp: float = 0.0,
) -> list[Face]:
    """Four slopes from a rectangle to a smaller one above it: hipped, pyramid and mansard roofs.

    Args:
        centre: x and y of the middle, metres.
        base: along x and y at the foot, metres.
        top: along x and y at the top, metres; zeros make a ridge or a point.
        heights: of foot and top, metres.
        texture: a tiled texture.
        repeat: metres after which it repeats.
        lamp: see `Face`.
    """
    middle = np.array([centre[0], centre[1], 0.0])
    faces = []
    for turn in range(4):
        across, along = (0, 1) if turn % 2 == 0 else (1, 0)
        angle = turn * math.pi / 2
        right = np.array([math.cos(angle), math.sin(angle), 0.0])
        out = np.array([math.sin(angle), -math.cos(angle), 0.0])
        high = middle + out * top[along] / 2 + [0, 0, heights[1]]
        low = middle + out * base[along] / 2 + [0, 0, heights[0]]
        wide, slope = max(base[across], top[across]), float(np.linalg.norm(high - low))
        window = (0.0, 0.0, wide / repeat, slope / repeat)
        widths = (base[across], top[across])
        faces.append(_trapezoid(low, high, right, widths, texture, window=window, lamp=lamp))
    return faces


def _trapezoid(
    low: Floats,
    high: Floats,
    right: Floats,
    widths: tuple[float, float],
    texture: Texture,
    *,
    window: tuple[float, float, float, float],
    lamp: float,
) -> Face:
    """A slope between parallel edges: their middles and their widths, the lower first."""
    foot, head = widths
    wide = max(widths)
    inset, outset = 0.5 - head / wide / 2, 0.5 - foot / wide / 2
    return panel(
        high - right * wide / 2,
        right * wide,
        low - high,
        texture,
        outline=[(inset, 0), (1 - inset, 0), (1 - outset, 1), (outset, 1)],
        window=window,
        lamp=lamp,
    )


def gable_roof(
    centre: tuple[float, float],
    size: tuple[float, float, float],
    floor: float,
    slopes: Texture,
    ends: Texture,
    *,
    eaves: float = 0.5,
    lamp: float = 0.0,
) -> list[Face]:
    """A roof whose ridge runs along y, its triangles to the front and the back.

    Args:
        centre: x and y of the middle, metres.
        size: along x, along y, height, metres.
        floor: height of the walls below, metres.
        slopes: tiled texture of the two slopes, 6 metres a repeat.
        ends: texture of the triangles.
        eaves: how far the slopes hang over the front and back, metres.
        lamp: see `Face`.
    """
    wide, deep, rise = size
    x, y = centre
    y0, y1 = y - deep / 2, y + deep / 2
    window = (0.0, 0.0, (deep + 2 * eaves) / 6, math.hypot(wide / 2, rise) / 6)
    ridge, lip = floor + rise, 0.04
    faces = []
    for side, front, back in ((1, y0, y0 - eaves), (-1, y1, y1 + eaves)):
        faces.append(
            panel(
                (x - side * wide / 2, front, ridge),
                (side * wide, 0, 0),
                (0, 0, -rise),
                ends,
                outline=[(0.5, 0), (1, 1), (0, 1)],
                lamp=lamp,
            )
        )
        faces.append(
            panel(
                (x, back, ridge + lip),
                (0, side * (deep + 2 * eaves), 0),
                (side * wide / 2, 0, -rise),
                slopes,
                window=window,
                lamp=lamp,
            )
        )
    return faces


def turned(
    centre: tuple[float, float],
    profile: Sequence[tuple[float, float]],
    texture: Texture,
    *,
    sides: int = 12,
    around: float = 1.0,
    phase: float = 0.5,
    inward: bool = False,
    lamp: float = 0.0,
) -> list[Face]:
    """A body turned on a lathe, as a prism of many sides: towers, domes, onions, columns.

    Args:
        centre: x and y of the axis, metres.
        profile: (radius, height) pairs in metres, from the foot upwards.
        texture: wound around the body; its height spans the whole profile.
        sides: how many flat sides.
        around: how often the texture goes around.
        phase: which part of a side looks straight to the front.
        inward: seen from within, as the vault above an apse.
        lamp: see `Face`.
    """
    bottom, top = profile[0][1], profile[-1][1]
    span = max(top - bottom, 1e-6)
    faces = []
    for side in range(sides):
        angle = 2 * math.pi * (side + phase) / sides - math.pi / 2
        out = np.array([math.cos(angle), math.sin(angle), 0.0])
        right = np.array([-out[1], out[0], 0.0]) * (-1.0 if inward else 1.0)
        # From within, the texture runs the other way around.
        place = sides - 1 - side if inward else side
        u0, u1 = around * place / sides, around * (place + 1) / sides
        whole = math.floor(u0 + 1e-9)
        for (r0, z0), (r1, z1) in pairwise(profile):
            axis = np.array([centre[0], centre[1], 0.0])
            cosine, chord = math.cos(math.pi / sides), 2 * math.sin(math.pi / sides)
            low = axis + out * r0 * cosine + [0, 0, z0]
            high = axis + out * r1 * cosine + [0, 0, z1]
            window = (u0 - whole, (top - z1) / span, u1 - whole, (top - z0) / span)
            faces.append(
                _trapezoid(
                    low, high, right, (r0 * chord, r1 * chord), texture, window=window, lamp=lamp
                )
            )
    return faces


def arch_wall(
    origin: Point,
    width: float,
    height: float,
    hole: tuple[float, float, float],
    texture: Texture,
    *,
    back: float,
    soffit: Texture,
    lamp: float = 0.0,
) -> list[Face]:
    """A thick wall along x with one round arch through it.

    Args:
        origin: x, y, z of the front's lower left corner, metres.
        width: metres.
        height: metres.
        hole: the arch's middle from the left, its width, and the height of its crown, metres.
        texture: of the front and the back.
        back: thickness, metres.
        soffit: texture inside the arch.
        lamp: see `Face`.
    """
    x, y, z = origin
    middle, wide, crown = hole
    angles = np.linspace(math.pi, 0.0, 13)
    spring = crown - wide / 2
    ring = [(middle + wide / 2 * math.cos(a), spring + wide / 2 * math.sin(a)) for a in angles]
    ring = [(middle - wide / 2, 0.0), *ring, (middle + wide / 2, 0.0)]
    outline = [(0.0, 1.0), (0.0, 0.0), (1.0, 0.0), (1.0, 1.0)]
    outline += [(px / width, 1.0 - pz / height) for px, pz in reversed(ring)]
    mirrored = [(1.0 - px, pz) for px, pz in outline]
    down = (0.0, 0.0, -height)
    faces = [
        panel((x, y, z + height), (width, 0, 0), down, texture, outline=outline, lamp=lamp),
        panel(
            (x + width, y + back, z + height),
            (-width, 0, 0),
            down,
            texture,
            outline=mirrored,
            lamp=lamp,
        ),
    ]
    for index, (start, end) in enumerate(pairwise(ring)):
        share = (index / (len(ring) - 1), 0.0, (index + 1) / (len(ring) - 1), 1.0)
        # Right runs into the wall and down along the ring, so that the normal points into the hole.
        faces.append(
            panel(
                (x + start[0], y + back, z + start[1]),
                (0, -back, 0),
                (end[0] - start[0], 0, end[1] - start[1]),
                soffit,
                window=(0.0, share[0], 1.0, share[2]),
                lamp=lamp,
            )
        )
    return faces
