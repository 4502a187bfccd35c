"""Work in threads: in order, never far ahead, and no error lost."""

from __future__ import annotations

import os
import threading

import pytest

from steeple.threads import available_cores, in_threads


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
