"""The processes that train together, one for each GPU; mostly there is one.

Several are started by ``accelerate launch -m steeple train ...``. Each takes its part of the
batches; their gradients are averaged in every step, so that all of them have the same weights.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from typing import Any

import torch
from torch import nn

from steeple.extras import need
from steeple.networks.machine import choose_device
from steeple.threads import available_cores

__all__ = ["Team", "computing", "find_team"]

_PATIENCE = timedelta(hours=12)  # for the first process, which validates and writes for all


class Team:
    """This process among those that train together.

    Args:
        accelerator: Accelerate's; None where there is but one process.
    """

    def __init__(self, accelerator: Any = None) -> None:
        self._accelerator = accelerator
        self.device: torch.device = accelerator.device if accelerator else choose_device()

    @property
    def size(self) -> int:
        """How many there are."""
        return int(self._accelerator.num_processes) if self._accelerator else 1

    @property
    def rank(self) -> int:
        """Which of them this is, from 0."""
        return int(self._accelerator.process_index) if self._accelerator else 0

    @property
    def first(self) -> bool:
        """Whether this is the one that writes files and tells of the progress."""
        return self.rank == 0

    def workers(self) -> int:
        """How many processes should read photos for this one."""
        cores = available_cores()
        return max(1, cores // 4 if self.device.type == "cpu" else cores // self.size)

    def share(self, module: nn.Module) -> nn.Module:
        """What calls a module so that gradients are averaged over all processes."""
        return self._accelerator.prepare_model(module) if self._accelerator else module

    @contextmanager
    def alone(self, module: nn.Module, wanted: bool) -> Iterator[None]:
        """Inside, gradients of a shared module add up in this process only, if that is wanted."""
        with self._accelerator.no_sync(module) if self._accelerator and wanted else nullcontext():
            yield

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """The sum of a tensor over all processes, in each of them."""
        if self._accelerator is None:
            return values
        found: torch.Tensor = self._accelerator.reduce(values, reduction="sum")
        return found

    def wait(self) -> None:
        """Waits for all the others."""
        if self._accelerator is not None:
            self._accelerator.wait_for_everyone()


def find_team() -> Team:
    """The processes that a launcher has started together with this one, or this one alone.

    Raises:
        MissingExtraError: if there are several, and Accelerate is not installed.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        return Team()
    accelerate: Any = need("accelerate", "torch")
    patient = accelerate.InitProcessGroupKwargs(timeout=_PATIENCE)
    # The precision is ours to choose, whatever the user's configuration of Accelerate says.
    return Team(accelerate.Accelerator(mixed_precision="no", kwargs_handlers=[patient]))


@contextmanager
def computing(device: torch.device, workers: int, *, seed: int) -> Iterator[None]:
    """Inside, PyTorch is set up for training; afterwards all is as it was.

    Random generators begin at the seed. On a GPU, the fastest way to convolve is looked for: there
    are but a few shapes of batches. On the processor, worker processes are left their cores.
    Measured on two cores: beside one decoding process, two threads of OpenMP wait for each other 13
    times longer than one thread computes, because they spin. The command has them sleep instead
    (OMP_WAIT_POLICY), which only helps before PyTorch is imported.

    Args:
        device: where the network trains.
        workers: processes that read photos; a single one is this.
        seed: of the random generators.
    """
    threads, benchmark = torch.get_num_threads(), torch.backends.cudnn.benchmark
    if device.type == "cpu" and workers > 1:
        torch.set_num_threads(max(1, min(threads, available_cores() - workers)))
    torch.backends.cudnn.benchmark = True
    with torch.random.fork_rng(range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            torch.backends.cudnn.benchmark = benchmark
