"""From files to descriptors, with the costly part in worker processes."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from steeple.embedding.base import RGB, Embedder
from steeple.errors import ImageError, MachineError
from steeple.images import read_image

__all__ = ["Prepared", "available_cores", "embed_files", "prepare_files"]

Floats: TypeAlias = npt.NDArray[np.float32]

_CHUNK = 8  # photos a worker takes at a time: some 0.3 s of work, so progress stays smooth
_TOGETHER = 64  # photos encoded, and reported, at a time
_AHEAD = 3  # chunks waiting per worker, which bounds memory whatever the number of photos


@dataclass(frozen=True)
class Prepared:
    """One photo after the worker's part.

    Args:
        path: where it lies.
        result: what the embedder's `prepare` returned; None if the photo could not be read.
        width: in pixels, as embedded.
        height: in pixels, as embedded.
        error: why it could not be read; None if it could.
    """

    path: Path
    result: Any
    width: int
    height: int
    error: ImageError | None = None


def available_cores() -> int:
    """The cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def prepare_files(
    paths: Iterable[Path],
    prepare: Callable[[RGB], Any],
    max_side: int,
    *,
    workers: int | None = None,
) -> Iterator[Prepared]:
    """Decodes photos and runs an embedder's `prepare` on each.

    Args:
        paths: the photos; consumed as the results are, never far ahead.
        prepare: what to do with each image; must be picklable.
        max_side: long side, in pixels, to which photos are shrunk.
        workers: processes; None takes one per core, 1 works in this process.

    Yields:
        One result per path, in the order of the paths whatever the number of workers. A photo that
        cannot be read yields its error.

    Raises:
        MachineError: if a worker process is killed, as the system does when memory runs out.
    """
    workers = workers or available_cores()
    chunks = _chunked(paths, _CHUNK)
    first = list(islice(chunks, 2))
    if workers == 1 or len(first) < 2:  # starting processes costs more than two chunks do
        for chunk in _chain(first, chunks):
            yield from _prepare_chunk(chunk, prepare, max_side)
        return
    yield from _in_processes(_chain(first, chunks), prepare, max_side, workers)


def _in_processes(
    chunks: Iterator[Sequence[Path]], prepare: Callable[[RGB], Any], max_side: int, workers: int
) -> Iterator[Prepared]:
    # loky rather than multiprocessing: its workers do not import the caller's main script, so a
    # plain script without an `if __name__ == "__main__"` guard works, and it notices their death.
    from loky import ProcessPoolExecutor
    from loky.backend import resource_tracker as lokys

    # Helper processes of the libraries. Starting, they would let interrupts through again.
    resource_tracker.ensure_running()
    lokys.ensure_running()
    executor = ProcessPoolExecutor(max_workers=workers, initializer=_start_worker)
    finished = False

    def submit(chunk: Sequence[Path]) -> Future[list[Prepared]]:
        with _interrupts_held_back():  # the first call starts the workers
            future: Future[list[Prepared]] = executor.submit(
                _prepare_chunk, chunk, prepare, max_side
            )
        return future

    try:
        waiting = deque(submit(chunk) for chunk in islice(chunks, workers * _AHEAD))
        while waiting:
            results = waiting.popleft().result()
            for chunk in islice(chunks, 1):
                waiting.append(submit(chunk))
            yield from results
        finished = True
    except BrokenProcessPool as error:
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


def _prepare_chunk(
    chunk: Sequence[Path], prepare: Callable[[RGB], Any], max_side: int
) -> list[Prepared]:
    results = []
    for path in chunk:
        try:
            image = read_image(path, max_side=max_side)
            results.append(Prepared(path, prepare(image), image.shape[1], image.shape[0]))
        except ImageError as error:
            results.append(Prepared(path, None, 0, 0, error))
    return results


def _chunked(paths: Iterable[Path], size: int) -> Iterator[list[Path]]:
    rest = iter(paths)
    while chunk := list(islice(rest, size)):
        yield chunk


def _chain(
    first: Iterable[Sequence[Path]], rest: Iterable[Sequence[Path]]
) -> Iterator[Sequence[Path]]:
    yield from first
    yield from rest


def embed_files(
    paths: Sequence[Path],
    embedder: Embedder,
    *,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Floats, list[tuple[Path, ImageError]]]:
    """Describes photos, decoding and `prepare` in worker processes.

    Args:
        paths: the photos.
        embedder: fitted.
        workers: processes; None takes one per core.
        progress: called with photos done and photos in all.

    Returns:
        (n, D) float32 descriptors, zeros for a photo that could not be read, and those photos with
        their errors.
    """
    out = np.zeros((len(paths), embedder.dimension), dtype=np.float32)
    errors: list[tuple[Path, ImageError]] = []
    results = prepare_files(paths, embedder.prepare, embedder.max_side, workers=workers)
    start = 0
    while batch := list(islice(results, _TOGETHER)):
        good = [place for place, result in enumerate(batch) if result.error is None]
        if good:
            encoded = embedder.encode([batch[place].result for place in good])
            out[start + np.array(good)] = encoded
        errors += [(result.path, result.error) for result in batch if result.error is not None]
        start += len(batch)
        if progress:
            progress(start, len(paths))
    return out, errors
