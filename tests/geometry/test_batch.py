"""Many pairs: the same as one by one, in any number of processes, in any order."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from steeple.errors import InputError, MachineError
from steeple.geometry import VERIFIERS, Features, Verifier, verify_pairs
from steeple.geometry.sift import Sift
from steeple.geometry.verification import create_verifier


@pytest.fixture(scope="module")
def features(draw: Any) -> list[Features]:
    """Five places twice, the second time cut and darker, and a photo without a feature."""
    found = []
    for seed in range(5):
        photo = draw(seed, 120, 150)
        found += [Sift()(photo), Sift()((0.8 * photo[8:, 10:]).astype(np.uint8))]
    return [*found, Sift()(np.zeros((50, 50, 3), dtype=np.uint8))]


@pytest.fixture(scope="module")
def pairs() -> Any:
    """Every ordered pair, seven times over: several chunks, none of them full at the end."""
    every = np.array([(a, b) for a in range(11) for b in range(11)], dtype=np.int64)
    return np.concatenate([every] * 7)


@pytest.fixture(scope="module")
def expected(features: Sequence[Features], pairs: Any) -> Any:
    one_by_one = {
        (a, b): Verifier()(features[a], features[b]) for a in range(11) for b in range(11)
    }
    found = [one_by_one[a, b] for a, b in pairs.tolist()]
    return [one.inliers for one in found], np.float32([one.surprise for one in found])


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_the_same_as_one_by_one(
    features: Sequence[Features], pairs: Any, expected: Any, workers: int
) -> None:
    found = verify_pairs(pairs, features, workers=workers)
    assert found.inliers.dtype == np.int32
    assert found.surprises.dtype == np.float32
    assert found.inliers.tolist() == expected[0]
    np.testing.assert_array_equal(found.surprises, expected[1])
    same = (pairs // 2)[:, 0] == (pairs // 2)[:, 1]
    seen = (pairs < 10).all(axis=1)
    assert found.surprises[same & seen].min() > found.surprises[~same].max()
    assert not found.inliers[~seen].any()


@pytest.mark.parametrize("method", VERIFIERS)
def test_any_verifier(features: Sequence[Features], method: str) -> None:
    some = np.array([[0, 1], [2, 5], [10, 3], [8, 9]])
    verifier = create_verifier(method)
    found = verify_pairs(some, features, verifier, workers=1)
    one_by_one = [verifier(features[a], features[b]) for a, b in some.tolist()]
    assert found.inliers.tolist() == [one.inliers for one in one_by_one]
    assert found.surprises.tolist() == [np.float32(one.surprise) for one in one_by_one]


def test_the_order_of_pairs_is_kept(
    features: Sequence[Features], pairs: Any, expected: Any
) -> None:
    order = np.random.default_rng(0).permutation(len(pairs))[:200]
    found = verify_pairs(pairs[order], features, workers=1)
    assert found.inliers.tolist() == [expected[0][place] for place in order]


def test_no_pair(features: Sequence[Features]) -> None:
    found = verify_pairs(np.zeros((0, 2), dtype=np.int64), features, workers=2)
    assert found.inliers.shape == found.surprises.shape == (0,)


def test_progress_reaches_the_end(features: Sequence[Features], pairs: Any) -> None:
    told: list[tuple[int, int]] = []
    verify_pairs(pairs, features, workers=2, progress=lambda *step: told.append(step))
    assert told[-1] == (len(pairs), len(pairs))
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    assert {total for _, total in told} == {len(pairs)}


class Counted:
    """A source that says how often it was asked."""

    def __init__(self, features: Sequence[Features]) -> None:
        self.features = features
        self.asked: list[int] = []

    def __getitem__(self, image: int) -> Features:
        self.asked.append(image)
        return self.features[image]


def test_an_image_is_read_once_per_chunk(features: Sequence[Features], pairs: Any) -> None:
    source = Counted(features)
    verify_pairs(pairs[:400], source, workers=1)
    assert sorted(source.asked) == list(range(11))


def test_a_source_that_fails_is_not_hidden(features: Sequence[Features], pairs: Any) -> None:
    with pytest.raises(IndexError):
        verify_pairs(pairs, features[:4], workers=2)


def test_different_kinds_are_one_clear_error(features: Sequence[Features], pairs: Any) -> None:
    short = Features(features[0].keypoints, features[0].descriptors[:, :64])
    with pytest.raises(InputError, match="dimensions cannot be compared"):
        verify_pairs(pairs, [short, *features[1:]], workers=2)


def test_a_killed_worker_is_one_clear_error(pairs: Any) -> None:
    home = os.getpid()

    class Deadly:
        def __getitem__(self, image: int) -> Features:
            assert os.getpid() != home
            os.kill(os.getpid(), signal.SIGKILL)
            raise AssertionError

    with pytest.raises(MachineError, match="fewer than 2 workers"):
        verify_pairs(pairs, Deadly(), workers=2)


def test_photographs(shared: Path) -> None:
    """Two photographs of one landmark fit together better than any two of others."""
    from steeple.images import read_image

    landmarks: dict[str, list[Path]] = {}
    folder = shared / "photos"
    for line in (folder / "train.csv").read_text().splitlines()[1:]:
        name, landmark = line.split(",")
        path = folder.joinpath("train", *name[:3], f"{name}.jpg")
        landmarks.setdefault(landmark, []).append(path)
    chosen = [paths[:2] for paths in landmarks.values() if len(paths) > 1][:8]
    photos = [Sift()(read_image(path, max_side=640)) for two in chosen for path in two]
    every = np.array([(a, b) for a in range(len(photos)) for b in range(a)])
    found = verify_pairs(every, photos, workers=1)
    same = every[:, 0] // 2 == every[:, 1] // 2
    assert np.median(found.surprises[same]) > np.percentile(found.surprises[~same], 90)
