"""Where networks run, and on how many threads.

A network on the processor has two ways to use several cores. One batch after another, each on all
threads, is PyTorch's own: the threads meet at the end of every layer, and spin while they wait for
the last of them. Where another process has one of the cores, such as a worker of ours that decodes
photos, all wait for the thread that it has pushed aside: 13 times slower was measured. The other
way is a batch per thread. Nobody waits for anybody, so that whatever time decoding takes is all
that is lost, and layers too small to share are no loss either.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from threading import Barrier, Lock
from typing import TYPE_CHECKING, TypeVar

from steeple.extras import need

if TYPE_CHECKING:
    import torch

__all__ = ["choose_device", "run_batches"]

Item = TypeVar("Item")
Result = TypeVar("Result")

_STARTING = Lock()


def choose_device() -> torch.device:
    """The first GPU, or the processor if there is none.

    In a worker process, this also leaves PyTorch one thread: with a worker per core, the cores are
    taken.

    Raises:
        MissingExtraError: if PyTorch is not installed.
    """
    need("torch", "torch")
    import torch

    if multiprocessing.parent_process() is not None:
        torch.set_num_threads(1)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def run_batches(
    work: Callable[[Item], Result], batches: Iterable[Item], device: torch.device
) -> list[Result]:
    """Sends batches through a network: on the processor, as many at a time as PyTorch has threads.

    Fewer batches than threads go one after another, each on all threads: that answers sooner.

    Args:
        work: what to do with a batch; changes nothing that is shared, and enters ``inference_mode``
            or ``autocast`` itself, as these belong to a thread.
        batches: of the network.
        device: where the network lies. A GPU is given one batch after another.

    Returns:
        One result per batch, in the order of the batches.
    """
    import torch

    batches = list(batches)
    threads = torch.get_num_threads()
    if device.type != "cpu" or threads == 1 or len(batches) < threads:
        return [work(batch) for batch in batches]
    with _STARTING:
        pool = _pool(threads)
    waiting = [pool.submit(work, batch) for batch in batches]
    try:
        return [future.result() for future in waiting]
    finally:  # of an error or Ctrl-C
        for future in waiting:
            future.cancel()


@lru_cache(maxsize=1)
def _pool(threads: int) -> ThreadPoolExecutor:
    """Threads on each of which PyTorch uses no others."""
    import torch

    pool = ThreadPoolExecutor(threads, "network")
    ready = Barrier(threads)

    def begin() -> None:
        torch.set_num_threads(1)
        torch.get_num_threads()  # or the first layer would ask what the number is for all threads
        ready.wait()

    for future in [pool.submit(begin) for _ in range(threads)]:
        future.result()
    # The number belongs to the thread that sets it, but those that start later take it over.
    torch.set_num_threads(threads)
    return pool
