"""Chunks in worker processes: order, laziness, errors, death, and scripts without a guard."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from steeple.errors import MachineError
from steeple.processes import in_processes

SCRIPT = """
from steeple.processes import in_processes

def square(number):
    return number * number

print("start")
print(*in_processes(square, range(9), workers=2))
"""


Work = Callable[[Any], Any]


# Made inside of functions, so that they travel by value: workers cannot import the tests.
@pytest.fixture
def own_process() -> Work:
    return lambda chunk: os.getpid()


@pytest.fixture
def square() -> Work:
    def late(number: int) -> int:
        time.sleep(0.01 * (number % 3))  # later chunks may be ready first
        return number * number

    return late


@pytest.mark.parametrize("workers", [1, 2, 3, None])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 20])
def test_results_come_in_order(square: Work, workers: int | None, count: int) -> None:
    found = list(in_processes(square, range(count), workers=workers))
    assert found == [number * number for number in range(count)]


def test_arrays_come_back_as_they_were() -> None:
    chunks = [np.random.default_rng(seed).random((50, 3)) for seed in range(6)]
    for chunk, back in zip(chunks, in_processes(lambda one: one, chunks, workers=2), strict=True):
        np.testing.assert_array_equal(back, chunk)


class TestWhere:
    def test_one_worker_is_this_process(self, own_process: Work) -> None:
        assert set(in_processes(own_process, range(9), workers=1)) == {os.getpid()}

    @pytest.mark.parametrize("count", [0, 1])
    def test_a_single_chunk_starts_no_process(self, own_process: Work, count: int) -> None:
        found = list(in_processes(own_process, range(count), workers=4))
        assert found == [os.getpid()] * count

    def test_more_are_spread_over_others(self) -> None:
        def slow(chunk: int) -> int:
            time.sleep(0.1)
            return os.getpid()

        found = set(in_processes(slow, range(12), workers=2))
        assert len(found) == 2
        assert os.getpid() not in found

    def test_workers_are_gone_afterwards(self, own_process: Work) -> None:
        found = set(in_processes(own_process, range(6), workers=2))
        deadline = time.monotonic() + 20
        while any(alive(process) for process in found) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not any(alive(process) for process in found)

    def test_workers_keep_opencv_to_one_thread(self) -> None:
        def threads(chunk: int) -> int:
            import cv2

            return cv2.getNumThreads()

        assert set(in_processes(threads, range(4), workers=2)) == {1}

    def test_workers_leave_interrupts_to_the_parent(self) -> None:
        def blocked(chunk: int) -> bool:
            return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())

        assert set(in_processes(blocked, range(4), workers=2)) == {True}
        assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


class TestLaziness:
    @pytest.mark.parametrize("workers", [1, 2])
    def test_chunks_are_taken_as_needed_and_leaving_early_is_fine(
        self, own_process: Work, workers: int
    ) -> None:
        taken = 0

        def endless() -> Iterator[int]:
            nonlocal taken
            while True:
                taken += 1
                yield taken

        results = in_processes(own_process, endless(), workers=workers)
        next(results)
        # Three chunks waiting for each worker, and one more on its way.
        assert taken <= 3 * workers + 1
        for _ in range(50):
            next(results)
        assert taken <= 3 * workers + 51
        results.close()  # type: ignore[attr-defined]

    @pytest.mark.parametrize(("ahead", "waiting"), [(0, 6), (2, 6), (20, 20)])
    def test_as_many_are_on_their_way_as_somebody_wants(
        self, own_process: Work, ahead: int, waiting: int
    ) -> None:
        taken = []
        chunks = (taken.append(number) or number for number in range(1000))  # type: ignore[func-returns-value]
        results = in_processes(own_process, chunks, workers=2, ahead=ahead)
        next(results)
        assert len(taken) == waiting + 1
        results.close()  # type: ignore[attr-defined]

    def test_nothing_happens_before_the_first_is_asked_for(self) -> None:
        def fail(chunk: int) -> None:
            raise AssertionError

        in_processes(fail, iter([1, 2, 3]), workers=2)


class TestTrouble:
    @pytest.mark.parametrize("workers", [1, 2])
    def test_what_work_raises_is_not_hidden(self, workers: int) -> None:
        def fail(chunk: int) -> int:
            if chunk == 3:
                raise ZeroDivisionError("on purpose")
            return chunk

        results = in_processes(fail, range(9), workers=workers)
        assert [next(results) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(ZeroDivisionError, match="on purpose"):
            next(results)

    @pytest.mark.parametrize("workers", [1, 2])
    def test_nor_what_the_chunks_raise(self, square: Work, workers: int) -> None:
        def broken() -> Iterator[int]:
            yield from range(8)
            raise KeyError("no more")

        with pytest.raises(KeyError, match="no more"):
            list(in_processes(square, broken(), workers=workers))

    def test_a_killed_worker_is_one_clear_error(self) -> None:
        def die(chunk: int) -> None:
            os.kill(os.getpid(), signal.SIGKILL)

        with pytest.raises(MachineError, match="fewer than 2 workers") as caught:
            list(in_processes(die, range(9), workers=2))
        assert "\n" not in str(caught.value)

    def test_work_that_cannot_reach_a_worker_is_not_taken_for_want_of_memory(self) -> None:
        class Unreachable:
            def __reduce__(self) -> Any:
                return __import__, ("a module that nobody has",)

        with pytest.raises(BrokenProcessPool, match="un-serialize"):
            list(in_processes(lambda chunk: chunk, [Unreachable()] * 3, workers=2))


def test_a_script_without_a_main_guard(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "-W", "error", script],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.split("\n")[:2] == ["start", "0 1 4 9 16 25 36 49 64"]
