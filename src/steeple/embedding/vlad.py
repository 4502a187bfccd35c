"""The default embedder, ``sift-vlad``: RootSIFT, VLAD, signed root, PCA. No weights to download.

VLAD: Jegou et al., "Aggregating local descriptors into a compact image representation", CVPR 2010;
the signed root and PCA: Jegou and Chum, "Negative evidences and co-occurences in image retrieval",
ECCV 2012. Everything learned is learned from the collection's own photos.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from steeple.embedding.codebook import Codebook
from steeple.embedding.projection import Projection
from steeple.errors import InputError
from steeple.geometry.features import Features
from steeple.geometry.sift import Sift
from steeple.threads import one_thread

__all__ = ["SiftVlad"]


@dataclass(frozen=True)
class SiftVlad:
    """Upright RootSIFT aggregated by VLAD and projected by PCA.

    Args:
        max_side: long side, in pixels, at which photos are described.
        sift: how local features are found.
        codebook: the learned visual words; None before `fit`.
        projection: the learned PCA; None before `fit`.
        learned_from: how many photos these were learned from; None before `fit`.
    """

    max_side: int = 640
    sift: Sift = field(default_factory=Sift)
    codebook: Codebook | None = None
    projection: Projection | None = None
    learned_from: int | None = None

    @property
    def name(self) -> str:
        """``sift-vlad``."""
        return "sift-vlad"

    @property
    def kind(self) -> str:
        """``sift-vlad``."""
        return "sift-vlad"

    @property
    def dimension(self) -> int:
        """512."""
        return Projection.DIMENSION

    @property
    def prepare(self) -> Sift:
        """Finds the local features of an image; runs in worker processes."""
        return self.sift

    def fit(
        self,
        prepared: Sequence[Features],
        *,
        landmarks: Sequence[str | None] | None = None,  # noqa: ARG002 - as all embedders
        seed: int = 0,
    ) -> SiftVlad:
        """Learns visual words and projection from the local features of photos.

        Args:
            prepared: per photo its local features, as `prepare` returns them; one photo is enough.
            landmarks: are not asked.
            seed: of every random choice made; the same features and seed give the same result.

        Returns:
            A fitted copy.

        Raises:
            InputError: if no photo has a local feature.
        """
        used = [features.descriptors for features in prepared if len(features)]
        if not used:
            raise InputError(
                "none of the photos has a single local feature (are they all of one colour?); "
                "add photos that show something"
            )
        random = np.random.default_rng(seed)
        with one_thread():
            codebook = Codebook.learn(used, random)
            missing = max(0, 2 * Projection.DIMENSION - len(used))
            vectors, halves = _aggregate(codebook, used, missing, random)
            projection = Projection.learn(vectors, halves, random)
        return SiftVlad(self.max_side, self.sift, codebook, projection, len(prepared))

    def encode(self, prepared: Sequence[Features]) -> npt.NDArray[np.float32]:
        """Descriptors of photos whose local features are known.

        Args:
            prepared: per photo its local features, as `prepare` returns them.

        Returns:
            (n, 512) float32, L2-normalised; zeros for a photo without local features, which
            therefore resembles nothing.

        Raises:
            InputError: if the embedder was never fitted.
        """
        if self.codebook is None or self.projection is None:
            raise InputError("this sift-vlad has learned nothing yet; call fit first")
        vectors = np.zeros((len(prepared), self.codebook.length), dtype=np.float32)
        with one_thread():
            for row, features in enumerate(prepared):
                vectors[row] = self.codebook.aggregate(features.descriptors)
            out = self.projection.apply(vectors)
        out[[not len(features) for features in prepared]] = 0
        return out

    def save(self, folder: Path) -> None:
        """Writes what was learned as one ``.npz`` into a folder.

        Raises:
            InputError: if the embedder was never fitted.
        """
        if self.codebook is None or self.projection is None:
            raise InputError("this sift-vlad has learned nothing yet; call fit first")
        np.savez(
            folder / "sift-vlad.npz",
            settings=np.array([self.max_side, self.sift.max_features, self.learned_from or 0]),
            contrast=np.array(self.sift.contrast),
            local_mean=self.codebook.mean,
            local_basis=self.codebook.basis,
            words=self.codebook.words,
            mean=self.projection.mean,
            basis=self.projection.basis,
        )

    @classmethod
    def load(cls, folder: Path) -> SiftVlad:
        """Reads what `save` wrote."""
        # Opened here, because NumPy leaves a file that it cannot read open.
        with (
            (folder / "sift-vlad.npz").open("rb") as file,
            np.load(file, allow_pickle=False) as stored,
        ):
            max_side, max_features, learned_from = (int(value) for value in stored["settings"])
            return cls(
                max_side,
                Sift(max_features, float(stored["contrast"])),
                Codebook(stored["local_mean"], stored["local_basis"], stored["words"]),
                Projection(stored["mean"], np.asfortranarray(stored["basis"])),
                learned_from,
            )


def _aggregate(
    codebook: Codebook,
    photos: Sequence[npt.NDArray[np.uint8]],
    missing: int,
    random: np.random.Generator,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """VLADs of photos, and of random halves of them that stand in for photos not there yet.

    Args:
        codebook: the words.
        photos: per photo (M, 128) uint8, M >= 1.
        missing: how many halves are wanted, taken from the photos in turn.
        random: chooses them.

    Returns:
        (n, K * d) and (missing, K * d) float32.
    """
    vectors = np.empty((len(photos), codebook.length), dtype=np.float32)
    halves = np.empty((missing, codebook.length), dtype=np.float32)
    for number, features in enumerate(photos):
        words, residuals = codebook.assign(features)
        vectors[number] = codebook.pool(words, residuals)
        for row in range(number, missing, len(photos)):
            size = int(random.integers(len(words) // 4, len(words) // 2 + 1))
            chosen = random.choice(len(words), max(1, size), replace=False)
            halves[row] = codebook.pool(words[chosen], residuals[chosen])
    return vectors, halves
