"""What finds local features, and the table of their names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from steeple.errors import InputError
from steeple.geometry.features import Features

__all__ = ["EXTRACTORS", "Extractor", "create_extractor"]


class Extractor(Protocol):
    """Finds and describes the local features of images.

    Extractors travel to worker processes, so they can be pickled; two that compare equal find the
    same, and what they find in a photo is computed once for both.
    """

    @property
    def name(self) -> str:
        """The name it is asked for by, such as ``sift``."""

    @property
    def max_side(self) -> int:
        """Long side, in pixels, to which a photo is shrunk beforehand."""

    def __call__(self, image: npt.NDArray[np.uint8], /) -> Features:
        """The features of an image, (H, W, 3) uint8 RGB, the strongest first; possibly none."""


def _sift() -> Extractor:
    from steeple.geometry.sift import Sift

    return Sift()


def _disk() -> Extractor:
    from steeple.geometry.kornia import Disk

    extractor = Disk()
    extractor.load()  # here rather than in every worker: one download, and one error
    return extractor


def _aliked() -> Extractor:
    from steeple.geometry.kornia import Aliked

    extractor = Aliked()
    extractor.load()
    return extractor


EXTRACTORS: dict[str, Callable[[], Extractor]] = {"sift": _sift, "disk": _disk, "aliked": _aliked}
"""The extractors by name. Each entry imports its module when it is asked for."""


def create_extractor(name: str) -> Extractor:
    """The extractor of a name.

    Args:
        name: one of `EXTRACTORS`, or the folder of a model that ``steeple delf`` made.

    Raises:
        InputError: if no extractor has this name, or the folder holds no model.
        MachineError: if it needs weights that cannot be downloaded.
        MissingExtraError: if it needs an extra that is not installed.
    """
    if name in EXTRACTORS:
        return EXTRACTORS[name]()
    if Path(name).is_dir():
        from steeple.geometry.delf import open_delf

        return open_delf(name)
    if name == "delf":
        raise InputError(
            "delf needs a model; make one with: steeple delf PHOTOS --out MODEL, "
            "and give its folder instead of the name"
        )
    raise InputError(
        f"no local features are called {name!r}; there are: {', '.join(EXTRACTORS)}, "
        "and the folder of a model that steeple delf made"
    )
