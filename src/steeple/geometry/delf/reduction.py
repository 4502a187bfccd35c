"""PCA of local features, learned from more of them than fit into memory."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

__all__ = ["Moments", "Reduction", "unit"]

_NEGLIGIBLE = 1e-6  # share of the largest variance; less is not whitened further


def unit(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """(M, d) float32 scaled to unit length; zeros stay zeros."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), dtype=np.float32)


@dataclass(frozen=True)
class Reduction:
    """Centring and a basis.

    Args:
        mean: (C,) float32.
        basis: (C, d) float32.
    """

    mean: npt.NDArray[np.float32]
    basis: npt.NDArray[np.float32]

    def apply(self, vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Projects (M, C) float32 of unit length to (M, d) float32 of unit length."""
        return unit(np.asarray((vectors - self.mean) @ self.basis, dtype=np.float32))


@dataclass
class Moments:
    """What PCA needs to know of vectors, gathered a few at a time.

    Args:
        channels: C, the length of a vector.
        count: vectors seen.
    """

    channels: int
    count: int = 0
    _sum: npt.NDArray[np.float64] = field(init=False, repr=False)
    _products: npt.NDArray[np.float64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._sum = np.zeros(self.channels)
        self._products = np.zeros((self.channels, self.channels))

    def add(self, vectors: npt.NDArray[np.float32]) -> None:
        """Adds (M, C) float32."""
        exact = vectors.astype(np.float64)
        self.count += len(exact)
        self._sum += exact.sum(axis=0)
        self._products += exact.T @ exact

    def reduction(self, dimension: int, *, whiten: bool) -> Reduction:
        """The PCA of the vectors seen.

        Args:
            dimension: d; no more than C are possible.
            whiten: divide every direction by its spread, so that all count the same.
        """
        mean = self._sum / max(self.count, 1)
        covariance = self._products / max(self.count, 1) - np.outer(mean, mean)
        values, directions = np.linalg.eigh(covariance)
        values, directions = values[::-1][:dimension], directions[:, ::-1][:, :dimension]
        # A direction and its opposite are as good; one rule for both keeps models reproducible.
        largest = np.abs(directions).argmax(axis=0)
        directions = directions * np.where(directions[largest, range(len(largest))] < 0, -1, 1)
        if whiten:
            least = max(_NEGLIGIBLE * values[0], 1e-12)
            directions = directions / np.sqrt(np.maximum(values, least))
        return Reduction(mean.astype(np.float32), directions.astype(np.float32))
