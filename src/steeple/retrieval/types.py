"""What travels between the retrieval functions: rankings and votes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from steeple.errors import InputError

__all__ = ["PAD", "UNVOTED", "Bools", "Floats", "Ids", "Ranking", "Votes"]

Bools: TypeAlias = npt.NDArray[np.bool_]
Floats: TypeAlias = npt.NDArray[np.float32]
Ids: TypeAlias = npt.NDArray[np.int64]

PAD = -1
"""The id that fills a ranking shorter than its width."""

UNVOTED = -1
"""The label of an image nobody voted for: it equals no other label, not even itself."""


@dataclass(frozen=True)
class Ranking:
    """The images found for each query, best first.

    Args:
        ids: (Q, K) int64, positions in the index; -1 pads.
        scores: (Q, K) float32, whatever the ranking was made by (inner product after a search).

    Raises:
        InputError: if the arrays are not two-dimensional or differ in shape.
    """

    ids: Ids
    scores: Floats

    def __post_init__(self) -> None:
        ids = np.asarray(self.ids, dtype=np.int64)
        scores = np.asarray(self.scores, dtype=np.float32)
        if ids.ndim != 2 or ids.shape != scores.shape:
            raise InputError(
                f"a ranking needs ids and scores of one shape (queries, k), "
                f"not {ids.shape} and {scores.shape}"
            )
        object.__setattr__(self, "ids", ids)
        object.__setattr__(self, "scores", scores)

    def __len__(self) -> int:
        """The number of queries."""
        return len(self.ids)

    def __getitem__(self, queries: slice) -> Ranking:
        """The part of the ranking that belongs to some of the queries."""
        return Ranking(self.ids[queries], self.scores[queries])


@dataclass(frozen=True)
class Votes:
    """The landmark voted for each image.

    Args:
        labels: (n,) int64, the predicted landmark; -1 where nobody voted.
        scores: (n,) float32, the vote v(x, c) of that landmark (paper, section 3.2).

    Raises:
        InputError: if the arrays are not one-dimensional or differ in length.
    """

    labels: Ids
    scores: Floats

    def __post_init__(self) -> None:
        labels = np.asarray(self.labels, dtype=np.int64)
        scores = np.asarray(self.scores, dtype=np.float32)
        if labels.ndim != 1 or labels.shape != scores.shape:
            raise InputError(
                f"votes need labels and scores of one shape (images,), "
                f"not {labels.shape} and {scores.shape}"
            )
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "scores", scores)

    def __len__(self) -> int:
        """The number of images."""
        return len(self.labels)

    def __getitem__(self, images: slice) -> Votes:
        """The votes of some of the images."""
        return Votes(self.labels[images], self.scores[images])
