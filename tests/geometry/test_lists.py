"""Images against lists of others: the same as one by one, in any number of processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from steeple.errors import InputError
from steeple.geometry import Features, Verifier
from steeple.geometry import lists as module
from steeple.geometry.lists import verify_lists
from steeple.geometry.verification import create_verifier


def place(seed: int, count: int, move: float = 0.0) -> Features:
    """Scattered features; those of equal seeds match, and fit after a move."""
    random = np.random.default_rng(seed)
    keypoints = random.uniform((0, 0, 2), (400, 300, 9), (count, 3))
    keypoints[:, :2] += move
    return Features(
        keypoints.astype(np.float32), random.integers(0, 256, (count, 16), dtype=np.uint8)
    )


@pytest.fixture(scope="module")
def source() -> list[Features]:
    """Six places and a photo without a feature."""
    return [*(place(seed, 12 + seed) for seed in range(6)), place(0, 0)]


@pytest.fixture(scope="module")
def lists() -> list[Any]:
    """Forty images: some that show a place, one without a feature, some without a list."""
    random = np.random.default_rng(5)
    found = []
    for number in range(40):
        own = place(number % 9, 0 if number == 7 else 15, move=number)
        found.append((own, random.integers(0, 7, number % 8)))
    return found


def one_by_one(lists: Sequence[Any], source: Sequence[Features], verifier: Verifier) -> Any:
    return [[verifier(own, source[other]) for other in others] for own, others in lists]


@pytest.mark.parametrize(("workers", "chunk"), [(1, 512), (1, 1), (1, 10), (2, 30)])
def test_the_same_as_one_by_one(
    lists: Sequence[Any],
    source: Sequence[Features],
    workers: int,
    chunk: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "CHUNK", chunk)
    found = list(verify_lists(iter(lists), source, workers=workers))
    expected = one_by_one(lists, source, Verifier())
    assert len(found) == len(lists)
    for one, others in zip(found, expected, strict=True):
        assert one.inliers.dtype == np.int32
        assert one.surprises.dtype == np.float32
        assert one.inliers.tolist() == [other.inliers for other in others]
        assert one.surprises.tolist() == [np.float32(other.surprise) for other in others]
    most = max(one.surprises.max(initial=0) for one in found)
    assert most > 20  # some show the same place
    assert not found[7].inliers.any()  # without a feature, nothing fits


def test_another_verifier(lists: Sequence[Any], source: Sequence[Features]) -> None:
    verifier = create_verifier("affine")
    found = list(verify_lists(lists[:12], source, verifier, workers=1))
    expected = one_by_one(lists[:12], source, verifier)
    assert [one.inliers.tolist() for one in found] == [
        [other.inliers for other in others] for others in expected
    ]


def test_no_list(source: Sequence[Features]) -> None:
    assert list(verify_lists([], source, workers=2)) == []
    (found,) = verify_lists([(source[0], np.zeros(0, dtype=np.int64))], source)
    assert found.inliers.shape == found.surprises.shape == (0,)


class Counting:
    """Local features that know how often they were read."""

    def __init__(self, features: Sequence[Features]) -> None:
        self.features = features
        self.read: list[int] = []

    def __getitem__(self, image: int) -> Features:
        self.read.append(image)
        return self.features[image]


def test_what_a_chunk_needs_is_read_once(lists: Sequence[Any], source: Sequence[Features]) -> None:
    counting = Counting(source)
    list(verify_lists(lists, counting, workers=1))  # all in one chunk
    assert sorted(counting.read) == list(range(7))


@pytest.mark.parametrize("length", [3, 0])
def test_lists_are_taken_as_they_are_worked_on(
    source: Sequence[Features], monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    """A million images would not fit into memory, nor would those whose list is empty."""
    monkeypatch.setattr(module, "CHUNK", 6)
    taken = 0

    def many() -> Iterator[Any]:
        nonlocal taken
        while taken < 500:
            taken += 1
            yield place(taken, 3), np.arange(length)

    found = verify_lists(many(), source, workers=1)
    for _ in range(20):
        next(found)
    assert taken <= 20 + 3 * 6


def test_progress_reaches_the_end(
    lists: Sequence[Any], source: Sequence[Features], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK", 20)
    told: list[int] = []
    list(verify_lists(lists, source, workers=1, progress=told.append))
    assert told == sorted(set(told))
    assert told[-1] == 40
    assert len(told) > 4


@pytest.mark.parametrize("workers", [1, 2])
def test_different_kinds(
    source: Sequence[Features], workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK", 1)
    short = Features(source[0].keypoints, source[0].descriptors[:, :8])
    lists = [(source[0], np.array([1])), (short, np.array([2])), (source[1], np.array([1]))]
    with pytest.raises(InputError, match=r"(16 and 8|8 and 16) dimensions"):
        list(verify_lists(lists, source, workers=workers))
