"""What an embedder learns from is a fair sample."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from steeple.collection import learning as module


def test_the_sample_to_learn_from_is_uniform() -> None:
    paths = [Path(str(number)) for number in range(20)]
    counts = np.zeros(20)
    for seed in range(2000):
        sample = module._sample(iter(paths), 5, seed)
        assert len(sample) == 5
        assert sample == sorted(sample, key=lambda path: int(path.name))
        counts[[int(path.name) for path in sample]] += 1
    assert abs(counts - 500).max() < 100  # five standard deviations
    assert module._sample(paths, 50, 0) == paths
