"""How many threads a matrix product gets.

BLAS and OpenMP start a thread per core for the smallest product and let them spin while they wait
for each other. With another process on those cores, a worker of ours or a neighbour's, ten times
the time goes into waiting. So small products run on one thread, and so does everything that runs
while worker processes have the cores.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from threadpoolctl import ThreadpoolController

__all__ = ["one_thread", "threads_for"]

_SMALL = 1 << 27  # multiply-adds, some 3 ms on one core; more is worth a second thread


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
