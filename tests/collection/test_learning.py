"""What an embedder learns from is a fair sample, with the landmarks that are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from steeple.collection import learning as module
from steeple.collection.learning import learn_from
from steeple.collection.sources import Photo, read_source
from steeple.embedding.pipeline import Prepared
from steeple.errors import InputError
from steeple.progress import silent


def test_the_sample_to_learn_from_is_uniform() -> None:
    photos = [Photo(str(number), Path(str(number)), 0, None) for number in range(20)]
    counts = np.zeros(20)
    for seed in range(2000):
        sample = module._sample(iter(photos), 5, seed)
        assert len(sample) == 5
        assert sample == sorted(sample, key=lambda photo: int(photo.id))
        counts[[int(photo.id) for photo in sample]] += 1
    assert abs(counts - 500).max() < 100  # five standard deviations
    assert module._sample(photos, 50, 0) == photos


@dataclass(frozen=True)
class _Attentive:
    """Remembers what it was given to learn from."""

    heard: tuple[Any, ...] = ()
    learned_from: int | None = None
    max_side: int = 64
    prepare: Any = np.mean

    def fit(self, prepared: Sequence[Any], *, landmarks: Any = None, seed: int = 0) -> _Attentive:
        return replace(self, heard=(list(prepared), landmarks, seed))


def _learn(folder: Path) -> tuple[Any, dict[Path, Prepared]]:
    embedder: Any = _Attentive()
    source = read_source(folder)
    return learn_from(embedder, None, source, workers=1, seed=7, progress=silent)


def _write(path: Path, value: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((40, 50, 3), value, dtype=np.uint8))


def test_each_photo_comes_with_its_landmark(tmp_path: Path) -> None:
    for number, place in enumerate(["a/1.png", "a/2.png", "b/3.png", "loose.png"]):
        _write(tmp_path / place, 40 * (number + 1))
    (tmp_path / "a" / "0.png").write_text("no photo")
    expected = [(photo.path, photo.landmark) for photo in read_source(tmp_path)]
    fitted, learned = _learn(tmp_path)
    means, landmarks, seed = fitted.heard
    good = [path for path, _ in expected if path.name != "0.png"]
    assert landmarks == [landmark for path, landmark in expected if path in good]
    assert set(landmarks) == {"a", "b", None}
    assert means == [learned[path].result for path in good]
    assert sorted(means) == [40, 80, 120, 160]
    assert seed == 7
    assert learned[tmp_path / "a" / "0.png"].error is not None


def test_nothing_that_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("no photo")
    with pytest.raises(InputError, match="none of 1 photos can be read"):
        _learn(tmp_path)
