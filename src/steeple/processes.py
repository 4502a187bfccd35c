"""Work for every core: chunks of it in worker processes, results in order, memory bounded."""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from itertools import islice
from multiprocessing import resource_tracker
from typing import TypeVar

from steeple.errors import MachineError
from steeple.threads import available_cores

__all__ = ["in_processes"]

Chunk = TypeVar("Chunk")
Result = TypeVar("Result")

_AHEAD = 3  # chunks waiting per worker at least: they bound memory whatever the number of chunks


def in_processes(
    work: Callable[[Chunk], Result],
    chunks: Iterable[Chunk],
    *,
    workers: int | None = None,
    ahead: int = 0,
) -> Iterator[Result]:
    """Works on chunks, each in some worker process.

    Args:
        work: what to do with a chunk; it, the chunks and the results can be pickled.
        chunks: consumed as the results are, never far ahead.
        workers: processes; None takes one per core, 1 works in this process, and so does everybody
            where there are fewer than two chunks: starting processes costs more than those do.
        ahead: chunks that are worked on, or done and waiting, at a time, if that is more than each
            worker needs to be busy. Whoever takes n results and then has other things to do finds
            the next n ready where this is n or more.

    Yields:
        One result per chunk, in the order of the chunks whatever the number of workers.

    Raises:
        MachineError: if a worker process is killed, as the system does when memory runs out.
    """
    workers = workers or available_cores()
    rest = iter(chunks)
    first = list(islice(rest, 2))
    if workers == 1 or len(first) < 2:
        for chunk in _chain(first, rest):
            yield work(chunk)
        return
    yield from _distribute(work, _chain(first, rest), workers, max(ahead, workers * _AHEAD))


def _distribute(
    work: Callable[[Chunk], Result], chunks: Iterator[Chunk], workers: int, ahead: int
) -> Iterator[Result]:
    # loky rather than multiprocessing: its workers do not import the caller's main script, so a
    # plain script without an `if __name__ == "__main__"` guard works, and it notices their death.
    from loky import ProcessPoolExecutor
    from loky.backend import resource_tracker as lokys
    from loky.process_executor import TerminatedWorkerError

    # Helper processes of the libraries. Starting, they would let interrupts through again.
    resource_tracker.ensure_running()
    lokys.ensure_running()
    executor = ProcessPoolExecutor(max_workers=workers, initializer=_start_worker)
    finished = False

    def submit(chunk: Chunk) -> Future[Result]:
        with _interrupts_held_back():  # the first call starts the workers
            future: Future[Result] = executor.submit(work, chunk)
        return future

    try:
        waiting = deque(submit(chunk) for chunk in islice(chunks, ahead))
        while waiting:
            result = waiting.popleft().result()
            for chunk in islice(chunks, 1):
                waiting.append(submit(chunk))
            yield result
        finished = True
    except TerminatedWorkerError as error:
        raise MachineError(
            f"a worker process was killed, most likely for want of memory; "
            f"try fewer than {workers} workers (--workers)"
        ) from error
    finally:
        executor.shutdown(wait=True, kill_workers=not finished)


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Holds Ctrl-C back, and for good in the processes that are started meanwhile.

    It reaches every process of a terminal, and this one is the one to deal with it.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_worker() -> None:
    import cv2

    cv2.setNumThreads(1)  # one process per core is parallel enough


def _chain(first: Iterable[Chunk], rest: Iterable[Chunk]) -> Iterator[Chunk]:
    yield from first
    yield from rest
