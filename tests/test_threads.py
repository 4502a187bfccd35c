"""Work in threads: in order, never far ahead, and no error lost."""

from __future__ import annotations

import os
import threading
from typing import Any

import pytest
from threadpoolctl import threadpool_limits

from steeple import threads
from steeple.threads import available_cores, in_threads, one_thread, threads_for


def test_results_come_in_the_order_of_the_items():
    events = [threading.Event() for _ in range(20)]

    def work(item):
        if item % 2 == 0 and available_cores() > 1:  # waits until a later item is done
            assert events[item + 1].wait(10)
        events[item].set()
        return item * item

    assert list(in_threads(work, range(20))) == [item * item for item in range(20)]


def test_items_are_not_taken_far_ahead():
    taken = []

    def items():
        for item in range(1000):
            taken.append(item)
            yield item

    results = in_threads(lambda item: item, items())
    assert next(results) == 0
    assert len(taken) <= 4 * available_cores() + 2
    results.close()
    assert len(taken) < 1000


def test_an_error_reaches_the_caller():
    def work(item):
        if item == 7:
            raise ValueError("seven")
        return item

    with pytest.raises(ValueError, match="seven"):
        list(in_threads(work, range(100)))


def test_available_cores():
    assert 1 <= available_cores() <= (os.cpu_count() or 1)


def test_no_items_no_results():
    assert list(in_threads(str, [])) == []


def known() -> list[dict[str, Any]]:
    """What is known of libraries that were loaded when the first limit was set."""
    return threads._controller().info()


def blas() -> list[int]:
    return [lib["num_threads"] for lib in known() if lib["user_api"] == "blas"]


def shared() -> set[int]:
    """Those of the libraries that have one number for all threads."""
    return {lib["num_threads"] for lib in known() if lib.get("threading_layer") == "pthreads"}


def openmp() -> list[int]:
    """Those of the thread that asks."""
    return [lib["num_threads"] for lib in known() if lib["user_api"] == "openmp"]


@pytest.fixture
def two_threads():
    """BLAS and OpenMP on two threads, however many cores there are."""
    with threadpool_limits(limits=2):
        assert set(blas()) == set(openmp()) == {2}
        yield


class TestOneThread:
    def test_limits_and_restores(self, two_threads):
        with one_thread():
            assert set(blas()) == set(openmp()) == {1}
        assert set(blas()) == set(openmp()) == {2}

    def test_inside_itself(self, two_threads):
        with one_thread():
            with one_thread():
                assert set(blas()) == set(openmp()) == {1}
            assert set(blas()) == set(openmp()) == {1}
            with threads_for(1 << 40):  # large work gets no more than there is
                assert set(blas()) == set(openmp()) == {1}
            with threads_for(1):
                assert set(blas()) == set(openmp()) == {1}
            assert set(blas()) == set(openmp()) == {1}
        assert set(blas()) == set(openmp()) == {2}

    def test_small_work_gets_one_and_large_work_all(self, two_threads):
        with threads_for(1):
            assert set(blas()) == {1}
        with threads_for(1 << 40):
            assert set(blas()) == set(openmp()) == {2}

    def test_an_error_restores_as_well(self, two_threads):
        with pytest.raises(ValueError, match="inside"), one_thread():
            raise ValueError("inside")
        assert set(blas()) == set(openmp()) == {2}

    @pytest.mark.parametrize("first_to_leave", [0, 1])
    def test_the_last_of_two_threads_restores(self, two_threads, first_to_leave):
        """In whatever order they leave: blas() is the process's, openmp() each thread's own."""
        inside = [threading.Event(), threading.Event()]
        leave = [threading.Event(), threading.Event()]
        left = [[], []]

        def work(number):
            before = openmp()
            with one_thread():
                assert set(openmp()) == {1}
                inside[number].set()
                assert leave[number].wait(10)
            left[number].append(openmp() == before)

        both = [threading.Thread(target=work, args=(number,)) for number in (0, 1)]
        for number, thread in enumerate(both):
            thread.start()
            assert inside[number].wait(10)
        leave[first_to_leave].set()
        both[first_to_leave].join()
        assert shared() <= {1}
        leave[1 - first_to_leave].set()
        both[1 - first_to_leave].join()
        assert left == [[True], [True]]
        assert set(blas()) == set(openmp()) == {2}

    def test_many_threads_at_once(self, two_threads):
        def work():
            for _ in range(50):
                with one_thread(), threads_for(1):
                    pass

        many = [threading.Thread(target=work) for _ in range(6)]
        for thread in many:
            thread.start()
        for thread in many:
            thread.join()
        assert set(blas()) == set(openmp()) == {2}
        with one_thread():
            assert set(blas()) == {1}
