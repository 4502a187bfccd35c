"""The taste of one building: its colours, its stone, the shape of its windows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from steeple.demo.render.texture import Colour, mix, rgb, shade

_WALLS = {
    "ashlar": (0xD9CBB0, 0xC9B99A, 0xCFC6B6, 0xB9AC97, 0xD8B98C, 0xB7B4AE, 0xD9A98A, 0xA8B0A0),
    "brick": (0xA6573F, 0x8C4A3A, 0xB77B57, 0x7C4038, 0xC29A6B, 0x9A6A5A, 0xB0533F),
    "plaster": (
        0xE3C46A,
        0xD98F76,
        0x9DB7C9,
        0xA9C29A,
        0xE4D7BE,
        0xC97F6B,
        0xD8B0B8,
        0xB8A6C9,
        0xE0A65C,
        0x7FA6A8,
        0xC4594C,
        0xEFE6D2,
    ),
    "marble": (0xE6E2DA, 0xDAD6CE, 0xE4D8CC, 0xCFD6D6),
    "stripes": (0xE0D3BC, 0xD9C7A6, 0xE3DAD0),
    "timber": (0xE8DEC8, 0xE3CFA2, 0xDCC7B4),
}
_ROOFS = (0xA6523A, 0x8F4632, 0x55606A, 0x474C55, 0x6FA08C, 0x5E8F83, 0x7A5B48, 0x3F5F86, 0xB8892F)
_TRIMS = (0xEFE7D6, 0xD8CBB2, 0xF4F1EA, 0xB8A88C, 0x8F8271, 0x6B6158, 0xE3D2A6, 0xC9B8A4, 0xDDE0DC)
_DOORS = (0x6A3B23, 0x2F5D50, 0x7B2426, 0x2B3E66, 0x3A3532, 0x8C6239, 0x1F6C7A)
_ACCENTS = (
    0xC8962E,
    0x2E7F86,
    0xA8322D,
    0x2F4F93,
    0x6C8E3A,
    0xD96C2C,
    0x7C3F86,
    0xE0B73C,
    0x1F9A8E,
)
_GLASS = (0x4A5A66, 0x3B4750, 0x56707F, 0x2F3A42, 0x5F6F6A, 0x47505E)

HEADS = ("flat", "round", "pointed", "segment", "gable", "keyhole")


@dataclass(frozen=True)
class Style:
    """Colours are BGR.

    Attributes:
        material: what the walls are of, a key of masonry's painters.
        wall, trim, accent, roof, door, frame, glass: colours.
        second: the other colour of striped or patterned walls.
        head: how windows end at the top, one of HEADS.
        panes: columns and rows of window panes.
        slender: height of a window divided by its width.
        bay: metres from window to window.
        storey: metres from floor to floor.
        hood: what lies above a window: "none", "bar", "gable", "arc" or "key".
        shutters: whether windows have shutters.
        order: what stands between windows: "none", "pilaster", "column" or "quoin".
        frieze: which ornament runs under the cornice, 0..4.
    """

    material: str
    wall: Colour
    second: Colour
    trim: Colour
    accent: Colour
    roof: Colour
    door: Colour
    frame: Colour
    glass: Colour
    head: str
    panes: tuple[int, int]
    slender: float
    bay: float
    storey: float
    hood: str
    shutters: bool
    order: str
    frieze: int


def draw_style(rng: np.random.Generator, *, plain: bool = False) -> Style:
    """Draw a style; `plain` keeps to what an ordinary house of the city would show."""
    kinds = ("plaster", "brick", "ashlar", "timber") if plain else tuple(_WALLS)
    shares = (0.5, 0.25, 0.15, 0.1) if plain else (0.26, 0.2, 0.2, 0.12, 0.14, 0.08)
    material = str(rng.choice(kinds, p=shares))
    wall = shade(rgb(int(rng.choice(_WALLS[material]))), rng.uniform(0.88, 1.08))
    accent = rgb(int(rng.choice(_ACCENTS)))
    second = mix(wall, rgb(int(rng.choice(_WALLS["brick"]))), rng.uniform(0.5, 1.0))
    heads = HEADS[:4] if plain else HEADS
    return Style(
        material=material,
        wall=wall,
        second=second,
        trim=rgb(int(rng.choice(_TRIMS))),
        accent=accent,
        roof=shade(rgb(int(rng.choice(_ROOFS))), rng.uniform(0.9, 1.1)),
        door=rgb(int(rng.choice(_DOORS))),
        frame=rgb(int(rng.choice((0xF2EFE6, 0x4A3626, 0x2E3A38, 0xD9D2C2, 0x6B2E26)))),
        glass=rgb(int(rng.choice(_GLASS))),
        head=str(rng.choice(heads)),
        panes=(int(rng.integers(1, 4)), int(rng.integers(2, 6))),
        slender=float(rng.uniform(1.4, 2.6)),
        bay=float(rng.uniform(2.2, 3.8)),
        storey=float(rng.uniform(3.2, 4.6)),
        hood=str(rng.choice(("none", "bar", "gable", "arc", "key"))),
        shutters=bool(rng.random() < (0.35 if plain else 0.12)),
        order=str(rng.choice(("none", "pilaster", "column", "quoin"))),
        frieze=int(rng.integers(5)),
    )
