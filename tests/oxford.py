"""A folder as Revisited Oxford has it, of drawn photos: small, and right answers are known."""

from __future__ import annotations

import importlib.util
import json
import pickle
from pathlib import Path
from typing import Any

import cv2
import numpy as np

_spec = importlib.util.spec_from_file_location("drawn", Path(__file__).with_name("drawn.py"))
assert _spec is not None
assert _spec.loader is not None
drawn = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(drawn)

LANDMARKS = 4
BOX = (60.4, 39.6, 260.4, 199.6)  # rounded: 60, 40, 260, 200


def save(path: Path, pixels: np.ndarray) -> None:
    """Writes RGB pixels without loss: every run has the same descriptors."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # PNG in a file called .jpg: what a photo is says its content.
    encoded = cv2.imencode(".png", pixels[:, :, ::-1])[1]
    path.write_bytes(encoded.tobytes())


def query_photo(landmark: int) -> np.ndarray:
    """(240, 320, 3): something else all around, and the landmark in `BOX`."""
    pixels = drawn.draw_photo(900 + landmark, 240, 320)
    pixels[40:200, 60:260] = drawn.draw_photo(landmark)
    return pixels


def ground_truth() -> dict[str, Any]:
    """Per landmark two easy images, a hard one and one of junk; and four that show nothing."""
    names = [f"{kind}_{n}" for n in range(LANDMARKS) for kind in ("near", "dark", "far", "junk")]
    names += [f"nothing_{n}" for n in range(4)]
    place = {name: number for number, name in enumerate(names)}
    return {
        "imlist": names,
        "qimlist": [f"query_{n}" for n in range(LANDMARKS)],
        "gnd": [
            {
                "bbx": list(BOX),
                "easy": [place[f"near_{n}"], place[f"dark_{n}"]],
                "hard": [place[f"far_{n}"]] if n else [],
                "junk": [place[f"junk_{n}"]],
            }
            for n in range(LANDMARKS)
        ],
    }


def index_photo(name: str) -> np.ndarray:
    """What an image of ``imlist`` shows."""
    kind, _, number = name.partition("_")
    pixels = drawn.draw_photo(int(number) + (500 if kind == "nothing" else 0))
    if kind == "near":
        return np.ascontiguousarray(pixels[8:, :-12])
    if kind == "dark":
        return (pixels * 0.6).astype(np.uint8)
    if kind == "far":
        small = cv2.resize(pixels, (100, 80), interpolation=cv2.INTER_AREA)
        around = drawn.draw_photo(700 + int(number))
        around[40:120, 50:150] = small
        return around
    return pixels[:, ::-1].copy() if kind == "junk" else pixels


def make_oxford(root: Path, *, as_json: bool = False) -> Path:
    """Writes photos and ground truth."""
    data = ground_truth()
    for name in data["imlist"]:
        save(root / "jpg" / f"{name}.jpg", index_photo(name))
    for number, name in enumerate(data["qimlist"]):
        save(root / "jpg" / f"{name}.jpg", query_photo(number))
    if as_json:
        (root / "gnd_roxford5k.json").write_text(json.dumps(data))
    else:
        (root / "gnd_roxford5k.pkl").write_bytes(pickle.dumps(data, protocol=2))
    return root


def make_distractors(root: Path, count: int) -> Path:
    """Writes photos of nothing, some of them in a subfolder."""
    for number in range(count):
        save(
            root / ("more" if number % 2 else "") / f"{number}.png", drawn.draw_photo(2000 + number)
        )
    return root
