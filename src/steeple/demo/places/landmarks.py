"""The city's landmarks: a number in, a building out, no two alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from steeple.demo.paint.style import draw_style
from steeple.demo.places.monuments import MONUMENTS
from steeple.demo.places.names import landmark_name
from steeple.demo.places.parts import Works
from steeple.demo.places.public import HALLS
from steeple.demo.places.sanctuaries import SANCTUARIES
from steeple.demo.places.townscape import SECULAR
from steeple.demo.places.waterside import WATERSIDE
from steeple.demo.render.mesh import Mesh, Sprite, stack

Builder = Callable[[Works], tuple[float, float, float]]

_KINDS: dict[str, Builder] = {**SANCTUARIES, **SECULAR, **HALLS, **MONUMENTS, **WATERSIDE}


@dataclass(frozen=True, eq=False)
class Landmark:
    """One landmark, front at y = 0 turned towards negative y, standing on z = 0.

    Attributes:
        name: what people call it.
        kind: what it is, such as "cathedral".
        mesh: its walls.
        sprites: its sculpture.
        width, depth, height: its extent in metres.
        details: (x, y, z, extent) in metres of what deserves a close photo.
    """

    name: str
    kind: str
    mesh: Mesh
    sprites: tuple[Sprite, ...]
    width: float
    depth: float
    height: float
    details: tuple[tuple[float, float, float, float], ...]


def kind_of(seed: int, number: int) -> str:
    """What landmark `number` of the city `seed` is: the kinds come round in a shuffled order."""
    kinds = sorted(_KINDS)
    cycle, place = divmod(number, len(kinds))
    return kinds[int(np.random.default_rng([seed, 11, cycle]).permutation(len(kinds))[place])]


def name_of(seed: int, number: int) -> str:
    """The name of landmark `number` of the city `seed`."""
    rng = np.random.default_rng([seed, 12, number])
    return landmark_name(rng, kind_of(seed, number), number // len(_KINDS))


def build_landmark(seed: int, number: int) -> Landmark:
    """Build landmark `number` of the city `seed`; the same two numbers build the same walls."""
    rng = np.random.default_rng([seed, 13, number])
    kind, name = kind_of(seed, number), name_of(seed, number)
    # Nobody carves the town's name above a door.
    works = Works(rng, draw_style(rng), name.split(" in ")[0])
    width, depth, height = _KINDS[kind](works)
    return Landmark(
        name,
        kind,
        stack(works.faces),
        tuple(works.sprites),
        width,
        depth,
        height,
        (*works.details, (0.0, 0.0, height * 0.25, min(height * 0.5, 9.0))),
    )
