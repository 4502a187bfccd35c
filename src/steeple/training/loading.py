"""From photos on the disk to the images of a batch, in worker processes, ahead of the network.

Needs no PyTorch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from steeple.errors import ImageError, InputError
from steeple.processes import in_processes
from steeple.training.augmentation import AMOUNTS, draw_variation, read_varied
from steeple.training.batches import Batch
from steeple.training.photos import Ids, Sizes, TrainingSet
from steeple.training.settings import Settings

__all__ = ["LoadedBatch", "load_batches"]

Images: TypeAlias = npt.NDArray[np.uint8]

_HOPELESS = 64  # photos in succession that cannot be read: the disk is gone, not some photos


@dataclass(frozen=True)
class LoadedBatch:
    """Images that go through the network together.

    Args:
        images: (B, H, W, 3) uint8 RGB. B is less than the photos of the batch where some cannot be
            read; it may be 1, of which a batch norm learns nothing, or 0.
        targets: (B,) int64, their landmarks.
        failed: (path, reason) of the photos that cannot be read.
    """

    images: Images
    targets: Ids
    failed: list[tuple[str, str]] = field(default_factory=list)

    def __len__(self) -> int:
        """B, the number of images."""
        return len(self.images)


@dataclass(frozen=True)
class _Order:
    """What a worker needs to know of a batch."""

    numbers: Ids
    paths: Sequence[str]
    sizes: Sizes
    targets: Ids
    width: int
    height: int


def load_batches(
    batches: Sequence[Batch],
    training_set: TrainingSet,
    settings: Settings,
    epoch: int,
    workers: int | None = None,
) -> Iterator[LoadedBatch]:
    """Decodes and varies the photos of batches.

    One result per batch, in their order. Who begins in the middle of an epoch, or has another
    number of workers, gets the same images. Three batches a worker wait at most. Who does not take
    all of them should close the iterator, which ends the workers at once.

    Args:
        batches: of `epoch_batches`, or the last of them.
        training_set: the photos.
        settings: ``augmentation`` and ``seed`` of them count.
        epoch: from 0.
        workers: processes; None takes one per core, 1 works in this process, when asked for a
            batch.

    Raises:
        InputError: if 64 photos in succession, or all there are, cannot be read.
        MachineError: if a worker process is killed.
    """
    work = partial(
        _load, augmentation=settings.data.augmentation, seed=settings.run.seed, epoch=epoch
    )
    orders = (_order(batch, training_set) for batch in batches)
    in_vain, none = 0, True
    for place, loaded in enumerate(in_processes(work, orders, workers=workers), start=1):
        in_vain = 0 if len(loaded) else in_vain + len(loaded.failed)
        none = none and not len(loaded)
        if in_vain >= _HOPELESS or (none and place == len(batches)):
            raise InputError(
                f"none of the last {in_vain:,} photos can be read: {loaded.failed[-1][1]}"
            )
        yield loaded


def _order(batch: Batch, training_set: TrainingSet) -> _Order:
    return _Order(
        batch.numbers,
        [training_set.paths[number] for number in batch.numbers.tolist()],
        training_set.sizes[batch.numbers],
        training_set.targets[batch.numbers],
        batch.width,
        batch.height,
    )


def _load(order: _Order, augmentation: str, seed: int, epoch: int) -> LoadedBatch:
    """The worker's part."""
    images = np.empty((len(order.paths), order.height, order.width, 3), dtype=np.uint8)
    amounts, good, failed = AMOUNTS[augmentation], list[int](), list[tuple[str, str]]()
    for place, path in enumerate(order.paths):
        variation = draw_variation(amounts, seed, epoch, int(order.numbers[place]))
        wide, high = order.sizes[place].tolist()
        try:
            image = read_varied(path, (wide, high), order.width, order.height, variation)
        except ImageError as error:
            failed.append((path, str(error)))
            continue
        images[len(good)] = image
        good.append(place)
    return LoadedBatch(images[: len(good)], order.targets[good], failed)
