"""An embedder around another, which brings its descriptors to fewer numbers or whitens them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from steeple.embedding.base import Embedder, load_embedder, photos_together, save_embedder
from steeple.embedding.parts import condense, encode_mixed
from steeple.embedding.whitening import (
    Whitening,
    learn_pca,
    learn_supervised,
    matching_pairs,
)
from steeple.errors import InputError
from steeple.threads import one_thread

__all__ = ["WHITENINGS", "Reduced"]

WHITENINGS = ("none", "pca", "supervised")
"""What may be done beside choosing directions; ``none`` is plain PCA."""

_FILE, _INNER = "reduced.npz", "inner"


@dataclass(frozen=True)
class Reduced:
    """Another embedder's descriptors, reduced by what was learned from the collection's photos.

    Args:
        inner: the other embedder, fitted or not.
        wanted: how many numbers a descriptor is to have; None keeps as many as there are.
        whitening: one of `WHITENINGS`.
        power: of ``pca``: a direction is divided by its variance to this power; 1/2 whitens fully.
        learned: mean and matrix; None before `fit`.
        learned_from: how many photos they were learned from; None before `fit`.

    Raises:
        InputError: if there is no such whitening, or a number is out of range.
    """

    inner: Embedder
    wanted: int | None = None
    whitening: str = "none"
    power: float = 0.5
    learned: Whitening | None = None
    learned_from: int | None = None

    def __post_init__(self) -> None:
        if self.whitening not in WHITENINGS:
            raise InputError(
                f"no whitening is called {self.whitening!r}; there are: {', '.join(WHITENINGS)}"
            )
        if self.wanted is not None and not 1 <= self.wanted <= self.inner.dimension:
            raise InputError(
                f"{self.inner.name} gives {self.inner.dimension} numbers a photo, which cannot be "
                f"reduced to {self.wanted}; ask for 1 to {self.inner.dimension}"
            )
        if not 0 < self.power <= 1:
            raise InputError(f"whitening has no power {self.power}; give one above 0, up to 1")

    @property
    def name(self) -> str:
        """The inner embedder's, and to how many numbers it was reduced."""
        return f"{self.inner.name}, {self.dimension} numbers"

    @property
    def kind(self) -> str:
        """``reduced``."""
        return "reduced"

    @property
    def dimension(self) -> int:
        """What was wanted."""
        return self.wanted or self.inner.dimension

    @property
    def max_side(self) -> int:
        """The inner embedder's."""
        return self.inner.max_side

    @property
    def together(self) -> int:
        """The inner embedder's."""
        return photos_together(self.inner)

    @property
    def prepare(self) -> Any:
        """The inner embedder's."""
        return self.inner.prepare

    def fit(
        self,
        prepared: Sequence[Any],
        *,
        landmarks: Sequence[str | None] | None = None,
        seed: int = 0,
    ) -> Reduced:
        """A fitted copy: the inner embedder learns, describes the photos, and they are reduced.

        Args:
            prepared: per photo what `prepare` or `condense` made of it.
            landmarks: per photo its landmark, None where nobody knows; None if nobody asked.
            seed: of every random choice; the same photos and seed give the same result.

        Raises:
            InputError: if there is nothing to learn from: no photo in which the inner embedder
                sees anything, or, for supervised whitening, no two photos of one landmark.
        """
        inner = self.inner
        labels = list(landmarks) if landmarks is not None else [None] * len(prepared)
        if self.whitening == "supervised":  # before hours of work
            _refuse_unlabelled(matching_pairs(labels, np.random.default_rng(seed)))
        if inner.learned_from is None:
            inner = inner.fit(prepared, landmarks=landmarks, seed=seed)
        vectors = encode_mixed(inner, prepared)
        seen = np.flatnonzero(vectors.any(axis=1))
        if not len(seen):
            raise InputError(
                f"{inner.name} sees nothing in any of the photos; add photos that show something"
            )
        random = np.random.default_rng(seed)
        if self.whitening == "supervised":
            pairs = matching_pairs([labels[place] for place in seen], random)
            _refuse_unlabelled(pairs)
            learned = learn_supervised(vectors[seen], pairs, self.dimension, random)
        else:
            power = self.power if self.whitening == "pca" else 0.0
            learned = learn_pca(vectors[seen], self.dimension, power, random)
        return replace(self, inner=inner, learned=learned, learned_from=len(prepared))

    def condense(self, prepared: Sequence[Any]) -> list[Any]:
        """Prepared photos, as small as the inner embedder can take them."""
        return condense(self.inner, prepared)

    def encode(self, prepared: Sequence[Any]) -> npt.NDArray[np.float32]:
        """Descriptors of prepared photos.

        Returns:
            (n, D) float32, L2-normalised; zeros where the inner embedder sees nothing.

        Raises:
            InputError: if the embedder was never fitted.
        """
        if self.learned is None:
            raise InputError(f"this {self.name} has learned nothing yet; call fit first")
        vectors = encode_mixed(self.inner, prepared)
        with one_thread():
            return self.learned.apply(vectors)

    def save(self, folder: Path) -> None:
        """Writes the inner embedder into a subfolder, and what was learned as one ``.npz``.

        Raises:
            InputError: if the embedder was never fitted.
        """
        if self.learned is None:
            raise InputError(f"this {self.name} has learned nothing yet; call fit first")
        save_embedder(self.inner, folder / _INNER)
        np.savez(
            folder / _FILE,
            whitening=np.array(self.whitening),
            power=np.array(self.power),
            learned_from=np.array(self.learned_from),
            mean=self.learned.mean,
            matrix=self.learned.matrix,
        )

    @classmethod
    def load(cls, folder: Path) -> Reduced:
        """Reads what `save` wrote."""
        inner = load_embedder(folder / _INNER)
        # Opened here, because NumPy leaves a file that it cannot read open.
        with (folder / _FILE).open("rb") as file, np.load(file, allow_pickle=False) as stored:
            learned = Whitening(stored["mean"], np.asfortranarray(stored["matrix"]))
            if learned.matrix.shape != (inner.dimension, learned.dimension):
                raise ValueError("its matrix is of another shape than its descriptors")
            return cls(
                inner,
                learned.dimension,
                str(stored["whitening"]),
                float(stored["power"]),
                learned,
                int(stored["learned_from"]),
            )


def _refuse_unlabelled(pairs: npt.NDArray[np.int64]) -> None:
    if not len(pairs):
        raise InputError(
            "supervised whitening learns from photos of the same landmark, and no landmark has two "
            "photos here; give landmarks (subfolders, or --landmarks), or whiten without: "
            "--whiten pca"
        )
