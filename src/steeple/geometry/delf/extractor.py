"""DELF as local features: a model's folder, and an image at a time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from steeple.errors import InputError
from steeple.extras import need
from steeple.geometry.delf.detection import SCALES, detect
from steeple.geometry.delf.storage import Model, load_delf, read_header
from steeple.geometry.features import Features, compact

__all__ = ["Delf", "open_delf"]


@dataclass(frozen=True)
class Delf:
    """Finds and describes the attentive local features of an image. Made by `open_delf`.

    It travels to worker processes as the path of its model, which each of them reads once.

    Args:
        folder: of the model, as an absolute path.
        digest: of the model, so that another one in the same place does not compare equal.
        max_side: long side, in pixels, to which a photo is shrunk beforehand.
        max_features: how many to keep at most, those of most attention.
        scales: factors of the image's size at which features are found.
    """

    folder: Path
    digest: str
    max_side: int = 640
    max_features: int = 1000
    scales: tuple[float, ...] = SCALES

    @property
    def name(self) -> str:
        """``delf``."""
        return "delf"

    def __call__(self, image: npt.NDArray[np.uint8]) -> Features:
        """Finds and describes the local features of an image.

        Args:
            image: (H, W, 3) uint8 RGB.

        Returns:
            M <= max_features features, those of most attention first, with (M, 40) int8
            descriptors; none if the image is too small, below 16 pixels or so.

        Raises:
            InputError: if the model is damaged, or has been replaced by another.
        """
        model = _loaded(self.folder, self.digest)
        found = detect(
            model.backbone, model.attention, image, scales=self.scales, count=self.max_features
        )
        return Features(found.keypoints, compact(model.reduction.apply(found.vectors)))


def open_delf(folder: Path | str, **settings: Any) -> Delf:
    """The extractor of a model.

    Args:
        folder: what `learn_delf` wrote.
        settings: other fields of `Delf`.

    Raises:
        InputError: if the folder holds no model.
        MissingExtraError: if PyTorch or timm is not installed.
    """
    header = read_header(Path(folder))
    need("torch", "torch")
    need("timm", "torch")
    return Delf(Path(folder).absolute(), header.digest, **settings)


@lru_cache(maxsize=2)
def _loaded(folder: Path, digest: str) -> Model:
    if read_header(folder).digest != digest:
        raise InputError(f"{folder} holds another model than before; begin again with this one")
    return load_delf(folder)
