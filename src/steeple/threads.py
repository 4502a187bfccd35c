"""How many threads a matrix product gets.

BLAS and OpenMP start a thread per core for the smallest product and let them spin while they wait
for each other. With another process on those cores, a worker of ours or a neighbour's, ten times
the time goes into waiting. So small products run on one thread, and so does everything that runs
while worker processes have the cores.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from typing import TypeVar

from threadpoolctl import ThreadpoolController

__all__ = ["available_cores", "in_threads", "one_thread", "threads_for"]

Item = TypeVar("Item")
Result = TypeVar("Result")

_SMALL = 1 << 27  # multiply-adds, some 3 ms on one core; more is worth a second thread
_AHEAD = 2  # items waiting per thread, which bounds memory whatever the number of items


def available_cores() -> int:
    """The cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_threads(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Works on items, one thread a core: for work that NumPy and SciPy do without the interpreter.

    Args:
        work: what to do with an item; called from several threads at once.
        items: consumed as the results are, never far ahead.

    Yields:
        One result per item, in the order of the items.
    """
    cores = available_cores()
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(cores) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > _AHEAD * cores:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


@contextmanager
def one_thread() -> Iterator[None]:
    """Runs what is inside on one thread of BLAS and OpenMP."""
    with _controller().limit(limits=1):
        yield


@contextmanager
def threads_for(work: int) -> Iterator[None]:
    """Runs what is inside on one thread if it is little work.

    Args:
        work: multiply-adds.
    """
    if work < _SMALL:
        with one_thread():
            yield
    else:
        yield


@lru_cache(maxsize=1)
def _controller() -> ThreadpoolController:
    # A controller knows the libraries that are loaded when it is made.
    import faiss  # noqa: F401
    import numpy as np  # noqa: F401

    return ThreadpoolController()
