"""PCA from thousands of dimensions to 512, from however few photos there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

__all__ = ["Projection"]

_NEGLIGIBLE = 1e-5  # share of the largest variance below which a direction is rounding noise


_ALIKE = 1e-6  # in unit vectors; photos this much alike (or a single one) would be centred away


@dataclass(frozen=True)
class Projection:
    """Centring and an orthonormal basis.

    Args:
        mean: (L,) float32.
        basis: (L, 512) float32, orthonormal columns (fewer columns than 512 only if L < 512, the
            rest being zero). Best in Fortran order, one column after another.
    """

    DIMENSION: ClassVar[int] = 512

    mean: npt.NDArray[np.float32]
    basis: npt.NDArray[np.float32]

    @classmethod
    def learn(
        cls,
        vectors: npt.NDArray[np.float32],
        extra: npt.NDArray[np.float32],
        random: np.random.Generator,
    ) -> Projection:
        """Learns the basis: principal directions of the vectors first.

        n vectors span n - 1 directions only. Where that is fewer than 512, the rest are the
        principal directions of what `extra` has beside them, and then random ones, so that
        photos added later still find room to differ.

        Args:
            vectors: (n, L) float32, n >= 1.
            extra: (m, L) float32, m >= 0.
            random: the source of the last directions.
        """
        dimension = min(cls.DIMENSION, vectors.shape[1])
        mean = vectors.mean(axis=0)
        if np.abs(vectors - mean).max() < _ALIKE:
            mean = np.zeros_like(mean)
        basis = _principal(vectors - mean, dimension)
        if basis.shape[1] < dimension and len(extra):
            basis = _complete(basis, extra - mean, dimension)
        if basis.shape[1] < dimension:
            noise = random.standard_normal((dimension, len(mean))).astype(np.float32)
            basis = _complete(basis, noise, dimension)
        padded = np.zeros((len(mean), cls.DIMENSION), dtype=np.float32, order="F")
        padded[:, : basis.shape[1]] = basis
        return cls(mean, padded)

    def apply(self, vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Projects (n, L) float32 to (n, 512) float32 and normalises each row.

        A row's result does not depend on the other rows, to the last bit.
        """
        # Row by row: a product of all rounds differently with how many they are, and on some
        # processors with where among them a row is. Column by column it takes no longer.
        columns = self.basis.T
        out = np.empty((len(vectors), self.DIMENSION), dtype=np.float32)
        for row, vector in enumerate(vectors):
            np.matmul(columns, vector - self.mean, out=out[row])
        out /= np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)
        return np.asarray(out, dtype=np.float32)


def _complete(
    basis: npt.NDArray[np.float32], vectors: npt.NDArray[np.float32], dimension: int
) -> npt.NDArray[np.float32]:
    """Adds the principal directions of what the vectors have outside the basis."""
    rest = vectors - (vectors @ basis) @ basis.T
    more = _principal(rest, dimension - basis.shape[1])
    joined, _ = np.linalg.qr(np.concatenate([basis, more], axis=1))
    # QR keeps the directions it is given and cleans the rounding between old and new ones.
    return np.asarray(joined, dtype=np.float32)


def _principal(centred: npt.NDArray[np.floating], dimension: int) -> npt.NDArray[np.float32]:
    """The principal directions of (n, L) vectors as columns: at most `dimension`, none of noise.

    By the n x n Gram matrix, because L is in the tens of thousands and n is not.
    """
    gram = (centred @ centred.T).astype(np.float64)
    values, left = np.linalg.eigh(gram)
    order = np.argsort(-values)[: min(dimension, len(values))]
    order = order[values[order] > _NEGLIGIBLE * max(float(values.max(initial=0)), 1e-12)]
    basis = centred.T @ (left[:, order] / np.sqrt(values[order])).astype(np.float32)
    return np.asarray(basis, dtype=np.float32)
