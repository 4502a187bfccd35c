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
from threading import Lock, local
from typing import Any, TypeVar

from threadpoolctl import OpenBLASController, ThreadpoolController

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
    """Runs what is inside on one thread of BLAS and OpenMP.

    May stand inside itself, where it costs nothing, and in several threads at once. OpenMP counts
    for each thread of ours apart. The number that BLAS uses belongs to the process: it is one until
    the last of ours has left, and a large product of another has to do with one in the meantime.
    """
    if getattr(_THIS, "limited", False):
        yield
        return
    openmp = _controller().select(user_api="openmp")
    before = openmp.limit()  # noted first: a BLAS that runs on OpenMP changes it as well
    _BLAS.enter()
    try:
        openmp.limit(limits=1)
        _THIS.limited = True
        yield
    finally:
        _THIS.limited = False
        _BLAS.leave()
        before.restore_original_limits()


@contextmanager
def threads_for(work: int) -> Iterator[None]:
    """Runs what is inside on one thread if it is little work; otherwise on those it has now.

    Args:
        work: multiply-adds.
    """
    if work < _SMALL:
        with one_thread():
            yield
    else:
        yield


class _Blas:
    """The threads of BLAS in this process: the first to limit them sets, the last restores.

    If everybody saved and restored for himself, the second would save what the first has set, and
    restore that for good.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._inside = 0
        self._limited: Any = None

    def enter(self) -> None:
        with self._lock:
            if not self._inside:
                _take_over()
                self._limited = _controller().select(user_api="blas").limit(limits=1)
            self._inside += 1

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                _take_over()
                self._limited.restore_original_limits()
                _take_over()


_BLAS = _Blas()
_THIS = local()  # what is so in this thread alone


def _take_over() -> None:
    """Lets whoever comes next set the threads of BLAS.

    From 3.8 on, threadpoolctl ignores all threads but the one that was the first to set them. Ours
    take turns under a lock, and the last to leave is seldom the first to come.
    """
    release = getattr(OpenBLASController, "clear_controlling_thread", None)
    if release is not None:
        release(force=True)


@lru_cache(maxsize=1)
def _controller() -> ThreadpoolController:
    # A controller knows the libraries that are loaded when it is made.
    import faiss  # noqa: F401
    import numpy as np  # noqa: F401

    return ThreadpoolController()
