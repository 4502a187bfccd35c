"""Visual words and the VLAD over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from steeple.geometry.features import comparable

__all__ = ["Codebook"]

_LOCAL_DIMENSION = 80
_WORDS = 256
_FEATURES_PER_WORD = 40  # fewer, and k-means would learn single features by heart
_SAMPLE = 120_000  # local features learned from: about 470 per word
_ITERATIONS = 15


@dataclass(frozen=True)
class Codebook:
    """Visual words in the PCA space of RootSIFT.

    Args:
        mean: (128,) float32, mean of the RootSIFT descriptors.
        basis: (128, d) float32, PCA of them, half-whitened, d <= 80.
        words: (K, d) float32, K <= 256.
    """

    mean: npt.NDArray[np.float32]
    basis: npt.NDArray[np.float32]
    words: npt.NDArray[np.float32]

    @property
    def length(self) -> int:
        """Length of a VLAD vector: K * d."""
        return int(self.words.size)

    @classmethod
    def learn(
        cls, photos: Sequence[npt.NDArray[np.uint8]], random: np.random.Generator
    ) -> Codebook:
        """Learns PCA and words (k-means) from local features.

        Args:
            photos: per photo (M, 128) uint8 SIFT descriptors, at least one in all.
            random: the source of the sample and of the first centres.

        Returns:
            A codebook with as many words as the features can support, 1 at least and 256 at most.
        """
        counts = np.array([len(features) for features in photos])
        chosen = np.arange(counts.sum())
        if len(chosen) > _SAMPLE:
            chosen = np.sort(random.choice(len(chosen), _SAMPLE, replace=False))
        bounds = np.searchsorted(chosen, np.concatenate([[0], np.cumsum(counts)]))
        offsets = np.cumsum(counts) - counts
        sample = comparable(
            np.concatenate(
                [
                    features[chosen[low:high] - offset]
                    for features, offset, low, high in zip(
                        photos, offsets, bounds[:-1], bounds[1:], strict=True
                    )
                ]
            )
        )
        mean, basis = _half_whitened_pca(sample, min(_LOCAL_DIMENSION, len(sample)))
        words = _k_means(
            (sample - mean) @ basis,
            int(np.clip(len(sample) // _FEATURES_PER_WORD, 1, _WORDS)),
            seed=int(random.integers(1 << 31)),
        )
        return cls(mean, basis, words)

    def aggregate(self, features: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """VLAD with signed root: per word the sum of the residuals of the features next to it.

        Args:
            features: (M, 128) uint8 SIFT descriptors.

        Returns:
            (K * d,) float32, L2-normalised; zeros if there is no feature.
        """
        return self.pool(*self.assign(features))

    def assign(
        self, features: npt.NDArray[np.uint8]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """The word next to each feature and what is left of the feature beyond it.

        Args:
            features: (M, 128) uint8 SIFT descriptors.

        Returns:
            (M,) int64 words and (M, d) float32 residuals.
        """
        local = (comparable(features) - self.mean) @ self.basis
        distances = (self.words**2).sum(axis=1) - 2 * local @ self.words.T
        words = distances.argmin(axis=1)
        return words, local - self.words[words]

    def pool(
        self, words: npt.NDArray[np.int64], residuals: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        """The second half of `aggregate`, for features, or some of them, already assigned."""
        vlad = np.zeros(self.words.shape, dtype=np.float32)
        if len(words):
            order = np.argsort(words, kind="stable")
            used, first = np.unique(words[order], return_index=True)
            vlad[used] = np.add.reduceat(residuals[order], first, axis=0)
        flat = vlad.ravel()
        flat = np.sign(flat) * np.sqrt(np.abs(flat))
        return flat / max(float(np.linalg.norm(flat)), 1e-12)


def _half_whitened_pca(
    sample: npt.NDArray[np.float32], dimension: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """PCA whose components are divided by the fourth root of their variance.

    Halfway between plain PCA, where two or three gradients drown the rest, and full whitening,
    where the noise of the last components counts as much as the first.
    """
    mean = sample.mean(axis=0)
    centred = (sample - mean).astype(np.float64)
    values, vectors = np.linalg.eigh(centred.T @ centred / len(sample))
    order = np.argsort(-values)[:dimension]
    variance = np.maximum(values[order], 1e-6 * max(float(values.max()), 1e-12))
    basis = _fixed_sign(vectors[:, order]) / variance**0.25
    return mean.astype(np.float32), basis.astype(np.float32)


def _fixed_sign(vectors: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Eigenvectors with their largest entry positive: LAPACK leaves the sign to chance."""
    largest = np.abs(vectors).argmax(axis=0)
    signs = np.sign(vectors[largest, np.arange(vectors.shape[1])])
    return np.asarray(vectors * np.where(signs == 0, 1, signs), dtype=np.float64)


def _k_means(points: npt.NDArray[np.floating], words: int, seed: int) -> npt.NDArray[np.float32]:
    import faiss

    k_means = faiss.Kmeans(
        points.shape[1],
        words,
        niter=_ITERATIONS,
        seed=seed,
        min_points_per_centroid=1,
        max_points_per_centroid=_SAMPLE,
    )
    k_means.train(np.ascontiguousarray(points, dtype=np.float32))
    return np.asarray(k_means.centroids, dtype=np.float32).reshape(words, points.shape[1])
