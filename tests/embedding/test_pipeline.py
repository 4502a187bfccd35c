"""From files to prepared photos: order, processes, damage, and workers that die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from steeple.embedding.pipeline import Preparation, Prepared, describe_files, prepare_files
from steeple.embedding.vlad import SiftVlad
from steeple.errors import ImageError, MachineError
from steeple.geometry.features import Features
from steeple.geometry.sift import Sift
from steeple.geometry.strongest import Strongest
from steeple.images import read_image

UNREADABLE = {3, 9, 19}

SCRIPT = """
import sys
from pathlib import Path
from steeple.embedding.pipeline import prepare_files
from steeple.geometry.sift import Sift

print("start")
paths = sorted(Path(sys.argv[1]).iterdir())
print(len(list(prepare_files(paths, Sift(), 160, workers=2))))
"""


@pytest.fixture(scope="module")
def alone(files: list[Path]) -> list[Prepared]:
    return list(prepare_files(files, Sift(), 140, workers=1))


class TestOneProcess:
    def test_order_and_sizes(self, files: list[Path], alone: list[Prepared]) -> None:
        assert [photo.path for photo in alone] == files
        for number, photo in enumerate(alone):
            if number in UNREADABLE:
                continue
            height, width = 120 + 4 * number, 160
            assert max(photo.width, photo.height) == 140
            assert photo.width / photo.height == pytest.approx(width / height, rel=0.02)
            assert photo.error is None
            assert photo.result.descriptors.dtype == np.uint8
            assert photo.features is None  # nobody wanted them

    def test_unreadable_files_yield_their_error(
        self, files: list[Path], alone: list[Prepared]
    ) -> None:
        for number in UNREADABLE:
            photo = alone[number]
            assert photo.result is None
            assert (photo.width, photo.height) == (0, 0)
            assert isinstance(photo.error, ImageError)
            assert str(files[number]) in str(photo.error)

    def test_no_photo(self) -> None:
        assert list(prepare_files([], Sift(), 140)) == []

    def test_few_photos_start_no_process(self, files: list[Path]) -> None:
        here = os.getpid()
        results = list(prepare_files(files[:3], lambda image: os.getpid(), 140, workers=4))
        assert {photo.result for photo in results} == {here}

    def test_what_prepare_raises_is_not_hidden(self, files: list[Path]) -> None:
        def fail(image: Any) -> None:
            raise ZeroDivisionError("on purpose")

        with pytest.raises(ZeroDivisionError, match="on purpose"):
            list(prepare_files(files, fail, 140, workers=1))


class TestProcesses:
    def test_the_same_results_in_the_same_order(
        self, files: list[Path], alone: list[Prepared]
    ) -> None:
        together = list(prepare_files(files, Sift(), 140, workers=2))
        assert [photo.path for photo in together] == files
        for one, other in zip(alone, together, strict=True):
            assert (one.width, one.height) == (other.width, other.height)
            assert str(one.error) == str(other.error)
            assert type(one.error) is type(other.error)
            if one.error is None:
                np.testing.assert_array_equal(one.result.keypoints, other.result.keypoints)
                np.testing.assert_array_equal(one.result.descriptors, other.result.descriptors)

    def test_paths_are_taken_as_needed_and_leaving_early_is_fine(self, files: list[Path]) -> None:
        taken = 0

        def endless() -> Iterator[Path]:
            nonlocal taken
            while True:
                taken += 1
                yield files[0]

        here = os.getpid()
        results = prepare_files(endless(), lambda image: os.getpid(), 140, workers=2, ahead=8)
        assert next(results).result != here
        # Two workers, three chunks of eight waiting for each, and one more on its way.
        assert taken <= 8 * (2 * 3 + 1)
        for _ in range(100):
            next(results)
        assert taken <= 8 * (2 * 3 + 1) + 104
        results.close()  # type: ignore[attr-defined]

    def test_a_killed_worker_is_one_clear_error(self, files: list[Path]) -> None:
        def die(image: Any) -> None:
            os.kill(os.getpid(), signal.SIGKILL)

        with pytest.raises(MachineError, match="fewer than 2 workers") as caught:
            list(prepare_files(files, die, 140, workers=2))
        assert "\n" not in str(caught.value)

    def test_a_script_without_a_main_guard(self, files: list[Path], tmp_path: Path) -> None:
        script = tmp_path / "script.py"
        script.write_text(SCRIPT)
        done = subprocess.run(
            [sys.executable, "-W", "error", script, files[0].parent],
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.stderr == ""
        assert done.stdout.split() == ["start", "19"]


class Counting:
    """Local features: how often it was asked, and for images of which size."""

    name = "counting"

    def __init__(self, max_side: int) -> None:
        self.max_side = max_side
        self.asked: list[tuple[int, ...]] = []

    def __call__(self, image: Any) -> Features:
        self.asked.append(image.shape)
        rows = np.full((5, 3), image.shape[1], dtype=np.float32)
        return Features(rows, np.arange(20, dtype=np.uint8).reshape(5, 4))


class TestLocalFeatures:
    @pytest.mark.parametrize("side", [100, 140, 155])
    def test_one_decoding_serves_both(self, files: list[Path], side: int) -> None:
        extractor, seen = Counting(side), []

        def prepare(image: Any) -> int:
            seen.append(image.shape)
            return 7

        preparation = Preparation(prepare, 140, Strongest(extractor, 3))
        assert preparation.decoded_side == max(140, side)
        image = read_image(files[0], max_side=preparation.decoded_side)
        prepared = preparation(files[0], image)
        assert seen == [(105, 140, 3)]
        assert extractor.asked == [(round(side * 0.75), side, 3)]
        assert (prepared.result, prepared.width, prepared.height) == (7, 140, 105)
        assert prepared.features is not None
        assert prepared.features.keypoints.tolist() == [[side] * 3] * 3  # the strongest
        assert prepared.features.descriptors.tolist() == np.arange(12).reshape(3, 4).tolist()

    def test_what_both_look_for_is_found_once(self, files: list[Path]) -> None:
        finder = Counting(140)
        image = read_image(files[0], max_side=140)
        prepared = Preparation(finder, 140, Strongest(finder, 5))(files[0], image)
        assert len(finder.asked) == 1
        assert prepared.features is prepared.result  # so that it travels once
        shorter = Preparation(finder, 140, Strongest(finder, 2))(files[0], image)
        assert len(finder.asked) == 2
        assert shorter.features is not None
        assert (len(shorter.features), len(shorter.result)) == (2, 5)
        Preparation(finder, 130, Strongest(finder, 5))(files[0], image)
        assert len(finder.asked) == 4  # not at another size

    def test_the_default_embedder_and_local_features_are_one(self) -> None:
        embedder, extractor = SiftVlad(), Strongest(Sift(), 1000)
        preparation = Preparation.of(embedder, extractor)
        assert extractor.extractor == preparation.prepare
        assert extractor.max_side == preparation.max_side == preparation.decoded_side

    def test_in_processes(self, files: list[Path], alone: list[Prepared]) -> None:
        extractor = Strongest(Sift(), 20)
        prepared = prepare_files(files, Sift(), 640, extractor=extractor, workers=2)
        for path, photo in zip(files, prepared, strict=True):
            if photo.error is not None:
                assert photo.features is None
                continue
            expected = Sift()(read_image(path)).strongest(20)
            assert photo.features is not None
            np.testing.assert_array_equal(photo.features.keypoints, expected.keypoints)
            np.testing.assert_array_equal(photo.features.descriptors, expected.descriptors)


def test_describing_files(files: list[Path]) -> None:
    """Descriptors, local features and errors stay with their photos, whatever the batch."""
    from steeple.embedding import pipeline

    photos = [Sift()(read_image(path)) for path in files[:3]]
    embedder = SiftVlad().fit(photos)
    told = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "photos_together", lambda embedder: 8)
        found = describe_files(
            files,
            embedder,
            Strongest(Sift(), 30),
            workers=1,
            progress=lambda done, total: told.append((done, total)),
        )
    assert told == [(8, 20), (16, 20), (20, 20)]
    assert [path for path, _ in found.errors] == [files[number] for number in sorted(UNREADABLE)]
    assert found.features is not None
    for number, (vector, features) in enumerate(
        zip(found.descriptors, found.features, strict=True)
    ):
        if number in UNREADABLE:
            assert not vector.any()
            assert features is None
            continue
        expected = Sift()(read_image(files[number]))
        np.testing.assert_array_equal(vector, embedder.encode([expected])[0])
        assert features is not None
        np.testing.assert_array_equal(features.descriptors, expected.strongest(30).descriptors)
    without = describe_files(files[:2], embedder, None, workers=1)
    assert without.features is None
    np.testing.assert_array_equal(without.descriptors, found.descriptors[:2])
