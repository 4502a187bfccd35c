"""PCA and whitening of descriptors, learned from however few photos there are.

Three ways to fewer numbers, all of them a mean and a matrix:

- *PCA*: the principal directions, as they are.
- *PCA whitening*: each direction divided by its variance to a power; 1/2 makes all variances one
  (Jegou and Chum, ECCV 2012), less leaves the first directions some of their weight.
- *Supervised whitening*: what differs between photos of the same landmark says nothing of
  landmarks, so it is whitened, and what then varies most is kept (Mikolajczyk and Matas, ICCV
  2007; Radenovic, Tolias and Chum, TPAMI 2019, section 3.3).

Variances of few photos are estimates, poor ones at the small end, and dividing by them would blow
up noise. They are shrunk towards their mean, which also gives directions that no photo has shown a
variance. For PCA whitening by the amount that is best on average (OAS: Chen, Wiesel, Eldar and
Hero, IEEE Trans. Signal Processing 58, 2010, equation 23); for the differences of pairs by a tenth
whatever their number, which measured better than OAS from ten pairs on, and no worse below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from steeple.threads import threads_for

__all__ = [
    "Spectrum",
    "Whitening",
    "learn_pca",
    "learn_supervised",
    "matching_pairs",
    "oas_shrinkage",
]

Floats: TypeAlias = npt.NDArray[np.float32]
Doubles: TypeAlias = npt.NDArray[np.float64]

_WITHIN = 0.1  # share of the mean in the variances of differences
_NEGLIGIBLE = 1e-10  # share of the largest variance below which a direction is rounding noise
_ALIKE = 1e-6  # in unit vectors; photos this much alike (or a single one) would be centred away


@dataclass(frozen=True, eq=False)
class Whitening:
    """Centring and a matrix, and L2 normalisation behind them.

    Args:
        mean: (L,) float32.
        matrix: (L, D) float32, best in Fortran order, one column after another.
    """

    mean: Floats
    matrix: Floats

    @property
    def dimension(self) -> int:
        """D."""
        return int(self.matrix.shape[1])

    def apply(self, vectors: Floats) -> Floats:
        """Maps (n, L) float32 to (n, D) float32, each row of length 1.

        A row's result does not depend on the other rows, to the last bit. A row of zeros, which
        stands for a photo in which nothing was seen, stays one.
        """
        # Row by row, as in `Projection.apply` and for its reasons.
        columns = self.matrix.T
        out = np.empty((len(vectors), self.dimension), dtype=np.float32)
        for row, vector in enumerate(vectors):
            np.matmul(columns, vector - self.mean, out=out[row])
        out /= np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)
        out[~vectors.any(axis=1)] = 0
        return np.asarray(out, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The covariance of some vectors, as far as they span it.

    Args:
        variances: (r,) float64, descending, above 0.
        directions: (L, r) float64, orthonormal columns.
        shrinkage: share of the mean variance in every variance, 0..1.
    """

    variances: Doubles
    directions: Doubles
    shrinkage: float

    @classmethod
    def of(cls, centred: Doubles, degrees: int, shrinkage: float | None = None) -> Spectrum:
        """The covariance of n centred vectors.

        Args:
            centred: (n, L).
            degrees: how many of them are independent; n - 1 where their own mean was taken off.
            shrinkage: share of the mean in every variance; None takes that of `oas_shrinkage`.
        """
        count, length = centred.shape
        with threads_for(min(count, length) ** 2 * max(count, length)):
            if count < length:  # the same variances from the smaller matrix
                values, left = np.linalg.eigh(centred @ centred.T / count)
                kept = _significant(values)
                values = values[kept]
                vectors = centred.T @ (left[:, kept] / np.sqrt(count * values))
            else:
                values, vectors = np.linalg.eigh(centred.T @ centred / count)
                kept = _significant(values)
                values, vectors = values[kept], vectors[:, kept]
        if shrinkage is None:
            shrinkage = oas_shrinkage(values, length, degrees)
        return cls(values, _fixed_sign(vectors), shrinkage)

    @property
    def floor(self) -> float:
        """What shrinking adds to every variance: that of a direction no vector has."""
        length = len(self.directions)
        return float(self.shrinkage * self.variances.sum() / length)

    @property
    def shrunk(self) -> Doubles:
        """(r,) float64: the variances, shrunk towards their mean."""
        return np.asarray((1 - self.shrinkage) * self.variances + self.floor)


def learn_pca(
    vectors: Floats, dimension: int, power: float, random: np.random.Generator
) -> Whitening:
    """PCA, whitened as far as `power` says.

    Args:
        vectors: (n, L) float32, n >= 1.
        dimension: D <= L.
        power: directions are divided by their variance to this power: 0 is PCA, 1/2 whitens.
        random: the source of directions that the vectors do not have.
    """
    mean, centred = _centre(vectors)
    spectrum = Spectrum.of(centred, max(1, len(vectors) - 1))
    basis = _completed(spectrum.directions, dimension, random)
    variances = np.full(dimension, spectrum.floor)
    variances[: len(spectrum.shrunk)] = spectrum.shrunk[:dimension]
    if power and variances.max() > 0:
        basis = basis * (variances / variances.max()) ** -power
    return _whitening(mean, basis)


def learn_supervised(
    vectors: Floats,
    pairs: npt.NDArray[np.int64],
    dimension: int,
    random: np.random.Generator,
) -> Whitening:
    """Whitens the differences of matching pairs, then takes the principal directions.

    Args:
        vectors: (n, L) float32.
        pairs: (m, 2) places of vectors that show the same landmark, m >= 1.
        dimension: D <= L.
        random: the source of directions that the vectors do not have.
    """
    mean, centred = _centre(vectors)
    differences = (vectors[pairs[:, 0]].astype(np.float64) - vectors[pairs[:, 1]]) / 2**0.5
    within = Spectrum.of(differences, len(pairs), _WITHIN)
    # The inverse square root of (1 - s) S + s mean(S), without ever writing down an L x L matrix.
    outside = within.floor**-0.5 if len(within.variances) else 1.0  # none: all pairs are copies
    inside = within.shrunk**-0.5 - outside

    def whitened(rows: Doubles) -> Doubles:
        return outside * rows + ((rows @ within.directions) * inside) @ within.directions.T

    spectrum = Spectrum.of(whitened(centred), max(1, len(vectors) - 1))
    basis = _completed(spectrum.directions, dimension, random)
    return _whitening(mean, whitened(basis.T).T)


def matching_pairs(
    landmarks: Sequence[str | None], random: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Pairs of photos of the same landmark: each photo with the next of its landmark, in a ring.

    All pairs would let a landmark count with the square of its photos.

    Args:
        landmarks: per photo its landmark, None where nobody knows.
        random: the source of the order in the rings.

    Returns:
        (m, 2) int64 places; m = 0 if no landmark has two photos.
    """
    places: dict[str, list[int]] = {}
    for place, landmark in enumerate(landmarks):
        if landmark is not None:
            places.setdefault(landmark, []).append(place)
    pairs: list[tuple[int, int]] = []
    for same in places.values():
        ring = random.permutation(same).tolist()
        if len(ring) == 2:
            pairs.append((ring[0], ring[1]))
        elif len(ring) > 2:
            pairs += zip(ring, [*ring[1:], ring[0]], strict=True)
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def oas_shrinkage(variances: Doubles, length: int, degrees: int) -> float:
    """The oracle approximating shrinkage of a covariance matrix, 0..1.

    Args:
        variances: its eigenvalues; those that are 0 may be left out.
        length: p, of its sides.
        degrees: n, how many independent vectors it is the covariance of.
    """
    trace, squares = float(variances.sum()), float((variances**2).sum())
    above = (1 - 2 / length) * squares + trace**2
    below = (degrees + 1 - 2 / length) * (squares - trace**2 / length)
    return min(1.0, above / below) if below > 1e-12 * squares else 1.0


def _centre(vectors: Floats) -> tuple[Doubles, Doubles]:
    """The mean, and the vectors without it."""
    exact = vectors.astype(np.float64)
    mean = exact.mean(axis=0)
    if np.abs(exact - mean).max() < _ALIKE:
        mean = np.zeros_like(mean)
    return mean, exact - mean


def _significant(values: Doubles) -> npt.NDArray[np.int64]:
    """The places of variances that are more than rounding noise, the largest first."""
    order = np.argsort(-values)
    return order[values[order] > _NEGLIGIBLE * max(float(values.max(initial=0)), 1e-12)]


def _fixed_sign(vectors: Doubles) -> Doubles:
    """Directions with their largest entry positive: LAPACK leaves the sign to chance."""
    if not vectors.shape[1]:
        return vectors
    largest = np.abs(vectors).argmax(axis=0)
    return np.asarray(vectors * np.sign(vectors[largest, np.arange(vectors.shape[1])]))


def _completed(directions: Doubles, dimension: int, random: np.random.Generator) -> Doubles:
    """`dimension` orthonormal columns: the first of these directions, and random ones behind.

    So that photos added later still find room to differ, as in `Projection`, which does not tell
    the variances and works for one dimension only.
    """
    found = directions[:, :dimension]
    missing = dimension - found.shape[1]
    if not missing:
        return found
    noise = random.standard_normal((len(directions), missing))
    noise -= found @ (found.T @ noise)
    noise -= found @ (found.T @ noise)  # twice is enough for orthogonality to the last bit
    more, _ = np.linalg.qr(noise)
    return np.concatenate([found, more], axis=1)


def _whitening(mean: Doubles, matrix: Doubles) -> Whitening:
    return Whitening(
        mean.astype(np.float32), np.asfortranarray(matrix / np.abs(matrix).max(), dtype=np.float32)
    )
