"""Where networks run, and on how many threads."""

from __future__ import annotations

import multiprocessing
from typing import TYPE_CHECKING

from steeple.extras import need

if TYPE_CHECKING:
    import torch

__all__ = ["choose_device"]


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
