"""An extractor as a collection uses it: the strongest features of each photo, compact."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from steeple.geometry.base import Extractor
from steeple.geometry.features import Features, compact

__all__ = ["Strongest"]


@dataclass(frozen=True)
class Strongest:
    """Another extractor, of which only the strongest features are kept.

    Args:
        extractor: what finds them.
        count: how many are kept of an image, at most.
    """

    extractor: Extractor
    count: int

    @property
    def name(self) -> str:
        """The extractor's."""
        return self.extractor.name

    @property
    def max_side(self) -> int:
        """The extractor's."""
        return self.extractor.max_side

    def __call__(self, image: npt.NDArray[np.uint8]) -> Features:
        """The strongest features of an image, (H, W, 3) uint8 RGB; see `keep`."""
        return self.keep(self.extractor(image))

    def keep(self, features: Features) -> Features:
        """The strongest of these, with descriptors of one byte a value.

        What needs no change is returned itself, so that it travels between processes once where
        it serves two purposes.
        """
        if features.descriptors.dtype == np.float32:
            features = Features(features.keypoints, compact(features.descriptors))
        return features if len(features) <= self.count else features.strongest(self.count)
