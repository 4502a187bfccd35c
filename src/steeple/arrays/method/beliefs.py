"""Votes as probabilities, for arrays: the same steps that a collection takes for its photos."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from steeple.arrays.files.descriptors import FileDescriptors
from steeple.arrays.method.training import TrainingSet
from steeple.retrieval.calibration import SAMPLE, Calibration, fit_calibration
from steeple.retrieval.contrast import COHORT, Background, measure_background, vote_contrast
from steeple.retrieval.offline.shelf import Arrays, Shelf
from steeple.retrieval.types import Floats, Ranking, Votes

__all__ = ["Believer", "draw_cohort", "index_background"]

_BLOCK = 1 << 14


@dataclass(frozen=True)
class Believer:
    """Says how likely votes are right.

    Args:
        training: who votes.
        cohort: (m, D) float32, images that say what similarity is ordinary.
        calibration: from contrast to probability.
        k: neighbours that vote.
    """

    training: TrainingSet
    cohort: Floats
    calibration: Calibration
    k: int

    @classmethod
    def learn(
        cls, training: TrainingSet, cohort: Floats, *, k: int, seed: int, memory: int
    ) -> Believer:
        """Learns the calibration on a sample of the training set, by leaving out.

        Args:
            training: who votes.
            cohort: (m, D) float32.
            k: neighbours that vote.
            seed: of the sample.
            memory: bytes of work space.
        """
        random = np.random.default_rng(seed)
        size = min(SAMPLE, len(training))
        sample = np.sort(random.choice(len(training), size, replace=False))
        vectors = training[sample]
        calibration = fit_calibration(
            vectors,
            measure_background(vectors, cohort),
            training.labels,
            sample,
            training.blocks(memory // 2),
            k=k,
        )
        return cls(training, cohort, calibration, k)

    def believe(self, voters: Ranking, votes: Votes, background: Background) -> Votes:
        """Votes whose scores are probabilities.

        Args:
            voters: (n, K) positions in the training set.
            votes: n, counted from them.
            background: of the same n images.
        """
        contrast = vote_contrast(voters, self.training.labels, votes, background, self.k)
        return Votes(votes.labels, self.calibration.probability(contrast))


def draw_cohort(training: TrainingSet, index: FileDescriptors, seed: int) -> Floats:
    """A random sample of training set and index: (m, D) float32, m <= 512."""
    both = len(training) + len(index)
    random = np.random.default_rng(seed)
    chosen = np.sort(random.choice(both, min(COHORT, both), replace=False))
    first = chosen[chosen < len(training)]
    return np.concatenate([training[first], index[chosen[len(first) :] - len(training)]])


def index_background(
    index: FileDescriptors, cohort: Floats, shelf: Shelf, name: str, told: Callable[[int], None]
) -> Background:
    """What similarity is ordinary for each index image.

    Args:
        index: N descriptors.
        cohort: (m, D) float32.
        shelf: keeps it.
        name: on the shelf; changes with the cohort.
        told: hears how many images are done.
    """

    def fill(arrays: Arrays) -> None:
        for start in range(0, len(index), _BLOCK):
            stop = min(start + _BLOCK, len(index))
            found = measure_background(index.rows(start, stop), cohort)
            arrays["medians"][start:stop] = found.medians
            arrays["spreads"][start:stop] = found.spreads
            told(stop)

    layout = {part: ((len(index),), "float32") for part in ("medians", "spreads")}
    kept = shelf.once(name, layout, fill)
    return Background(kept["medians"], kept["spreads"])
