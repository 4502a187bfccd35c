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

from steeple.embedding.pipeline import Prepared, available_cores, prepare_files
from steeple.embedding.sift import Sift
from steeple.errors import ImageError, MachineError

UNREADABLE = {3, 9, 19}

SCRIPT = """
import sys
from pathlib import Path
from steeple.embedding.pipeline import prepare_files
from steeple.embedding.sift import Sift

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
            assert photo.result.dtype == np.uint8

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
            np.testing.assert_array_equal(one.result, other.result)

    def test_paths_are_taken_as_needed_and_leaving_early_is_fine(self, files: list[Path]) -> None:
        taken = 0

        def endless() -> Iterator[Path]:
            nonlocal taken
            while True:
                taken += 1
                yield files[0]

        here = os.getpid()
        results = prepare_files(endless(), lambda image: os.getpid(), 140, workers=2)
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


def test_available_cores() -> None:
    assert 1 <= available_cores() <= (os.cpu_count() or 1)
