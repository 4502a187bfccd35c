"""Several embedders as one: their descriptors weighted and joined.

As the winning entry of the paper's competition: each descriptor L2-normalised, multiplied by its
weight, concatenated, L2-normalised again. The similarity of two photos is then the mean of the
similarities that the members see, each weighing with the square of its weight.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from steeple.embedding.base import Embedder, load_embedder, photos_together, save_embedder
from steeple.embedding.parts import Part, Parts, condense, encode_mixed
from steeple.errors import InputError

__all__ = ["Ensemble"]

_FILE = "ensemble.json"
_TINY = 1e-12  # a shorter descriptor says nothing, and is left at zero


@dataclass(frozen=True)
class Ensemble:
    """Embedders whose descriptors are joined.

    Args:
        members: two or more.
        weights: one for each, above 0.

    Raises:
        InputError: if there are fewer than two, or a weight is out of range.
    """

    members: tuple[Embedder, ...]
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.members) < 2 or len(self.members) != len(self.weights):
            raise InputError(
                f"{len(self.members)} embedders with {len(self.weights)} weights are no ensemble; "
                "give two embedders or more, and a weight for each"
            )
        for weight in self.weights:
            if not (math.isfinite(weight) and weight > 0):
                raise InputError(f"a weight of {weight} weighs nothing; give one above 0, as 0.5")

    @property
    def name(self) -> str:
        """The members' names, joined by ``+``."""
        return "+".join(member.name for member in self.members)

    @property
    def kind(self) -> str:
        """``ensemble``."""
        return "ensemble"

    @property
    def dimension(self) -> int:
        """The members' dimensions, added."""
        return sum(member.dimension for member in self.members)

    @property
    def max_side(self) -> int:
        """The largest of the members'."""
        return max(member.max_side for member in self.members)

    @property
    def learned_from(self) -> int | None:
        """The most that a member has learned from; None while one has to learn yet."""
        counts = [member.learned_from for member in self.members]
        known = [count for count in counts if count is not None]
        return max(known) if len(known) == len(counts) else None

    @property
    def together(self) -> int:
        """How many photos it is best given at a time: what the most cautious member asks for."""
        return min(photos_together(member) for member in self.members)

    @property
    def prepare(self) -> Parts:
        """What each member does with a photo, at its own size; the results are a tuple."""
        return Parts(tuple(Part(member.prepare, member.max_side) for member in self.members))

    def fit(
        self,
        prepared: Sequence[tuple[Any, ...]],
        *,
        landmarks: Sequence[str | None] | None = None,
        seed: int = 0,
    ) -> Ensemble:
        """A copy whose members have learned, those that had to.

        Args:
            prepared: per photo what `prepare` or `condense` made of it.
            landmarks: per photo its landmark, None where nobody knows; None if nobody asked.
            seed: of every random choice.

        Raises:
            InputError: if a member finds nothing to learn from.
        """
        members = tuple(
            member.fit([one[place] for one in prepared], landmarks=landmarks, seed=seed)
            if member.learned_from is None
            else member
            for place, member in enumerate(self.members)
        )
        return replace(self, members=members)

    def condense(self, prepared: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Prepared photos without the pixels of members that have nothing to learn."""
        columns = [
            condense(member, [one[place] for one in prepared])
            for place, member in enumerate(self.members)
        ]
        return list(zip(*columns, strict=True))

    def encode(self, prepared: Sequence[tuple[Any, ...]]) -> npt.NDArray[np.float32]:
        """Descriptors of prepared photos.

        Args:
            prepared: per photo what `prepare` or `condense` made of it.

        Returns:
            (n, D) float32, L2-normalised. Where a member sees nothing (``sift-vlad`` in a blank
            photo), its numbers are 0 and the others speak; zeros where none sees anything.

        Raises:
            InputError: if a member has learned nothing yet.
        """
        columns = [
            np.float32(weight) * _normal(encode_mixed(member, [one[place] for one in prepared]))
            for place, (member, weight) in enumerate(zip(self.members, self.weights, strict=True))
        ]
        return _normal(np.concatenate(columns, axis=1))

    def save(self, folder: Path) -> None:
        """Writes the members into subfolders of an existing folder, and their weights.

        Raises:
            InputError: if a member has learned nothing yet.
        """
        for place, member in enumerate(self.members):
            save_embedder(member, folder / str(place))
        (folder / _FILE).write_text(json.dumps({"weights": self.weights}) + "\n")

    @classmethod
    def load(cls, folder: Path) -> Ensemble:
        """Reads what `save` wrote."""
        weights = tuple(float(w) for w in json.loads((folder / _FILE).read_text())["weights"])
        return cls(
            tuple(load_embedder(folder / str(place)) for place in range(len(weights))), weights
        )


def _normal(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Rows of length 1; a row of zeros stays one."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, _TINY), dtype=np.float32)
