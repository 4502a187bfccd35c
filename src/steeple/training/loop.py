"""The loop: batches in, steps of gradient descent out.

    SGD with momentum: v <- momentum * v + g + decay * w,  w <- w - rate * v

with a rate of its own for every step (`steeple.training.schedule`). What is to be done with a step
- logging, checkpoints, validation - is for the caller to do between two of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import nn

from steeple.errors import MachineError
from steeple.training.checkpoint import Position
from steeple.training.learner import Trainee
from steeple.training.loading import LoadedBatch, load_batches
from steeple.training.plan import Plan
from steeple.training.schedule import learning_rate
from steeple.training.team import Team

__all__ = ["Step", "train_steps"]

_FEWEST = 2  # photos that a batch norm can learn from
_HALVES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class Step:
    """A step that was taken.

    Args:
        position: how far the training is now.
        rate: of learning.
        loss: scalar on the device, not yet waited for: the mean over the photos of this process;
            None where there was nothing to learn from.
        photos: of this process.
        failed: (path, reason) of photos that could not be read.
    """

    position: Position
    rate: float
    loss: torch.Tensor | None
    photos: int
    failed: tuple[tuple[str, str], ...]


def train_steps(
    trainee: Trainee, plan: Plan, team: Team, position: Position, *, workers: int
) -> Iterator[Step]:
    """Trains to the end of the plan, step by step.

    Args:
        trainee: what learns; in training mode.
        plan: the batches.
        team: the processes that train together.
        position: where to go on.
        workers: processes that read photos.

    Yields:
        Every step once it is done; nothing is in the middle of anything then, so it is the time to
        write a checkpoint, or to stop.

    Raises:
        InputError: if no photo of the first batches can be read.
        MachineError: if the GPU has too little memory, or a worker is killed.
    """
    stepper = _Stepper(trainee, plan, team)
    accumulate = plan.settings.schedule.accumulate
    for epoch in range(position.epoch, plan.settings.schedule.epochs):
        batches = plan.batches(epoch)[position.within * accumulate :]
        loaded: Any = load_batches(batches, plan.photos, plan.settings, epoch, workers)
        last = plan.steps_of(epoch)
        with closing(loaded):  # which ends the workers, where somebody stops in the middle
            while group := list(islice(loaded, accumulate)):
                rate = stepper.rate(position.step)
                loss = stepper.take(group, rate)
                position = position.stepped()
                if position.within == last:
                    position = position.finished()
                yield Step(
                    position,
                    rate,
                    loss,
                    sum(len(batch.targets) for batch in group),
                    tuple(failure for batch in group for failure in batch.failed),
                )


class _Stepper:
    """Takes single steps."""

    def __init__(self, trainee: Trainee, plan: Plan, team: Team) -> None:
        self._trainee = trainee
        self._team = team
        self._shared: nn.Module = team.share(trainee.learner)
        self._weights = list(trainee.parameters().values())
        self._settings = plan.settings.schedule
        self._steps = plan.steps

    def rate(self, step: int) -> float:
        """The rate of a step, from 0."""
        settings = self._settings
        return learning_rate(
            step,
            self._steps,
            rate=settings.rate,
            last=settings.last_rate,
            warmup=min(settings.warmup, self._steps),
        )

    def take(self, group: Sequence[LoadedBatch], rate: float) -> torch.Tensor | None:
        """One step from the batches of a group, each photo counting the same; returns the loss."""
        trainee, settings = self._trainee, self._settings
        batches = [batch for batch in map(self._filled, group) if batch is not None]
        total = sum(batch.counted for batch in batches)
        if not batches:
            return None
        losses = []
        for number, batch in enumerate(batches, start=1):
            with self._team.alone(self._shared, number < len(batches)):
                losses.append(self._learn(batch, batch.counted / max(total, 1)))
        if settings.clip:
            trainee.scaler.unscale_(trainee.optimizer)
            nn.utils.clip_grad_norm_(self._weights, settings.clip)
        trainee.set_rate(rate)
        trainee.scaler.step(trainee.optimizer)
        trainee.scaler.update()
        trainee.learner.head.step(rate * settings.head_rate)
        trainee.optimizer.zero_grad(set_to_none=True)
        if trainee.average is not None:
            trainee.average.update()
        return torch.stack(losses).sum()

    def _learn(self, batch: _Filled, share: float) -> torch.Tensor:
        """Adds the gradients of a batch; returns its part of the loss of the step."""
        device, half = self._team.device, _HALVES.get(self._settings.precision)
        try:
            images, targets = (_moved(array, device) for array in (batch.images, batch.targets))
            with torch.autocast(device.type, dtype=half, enabled=half is not None):
                loss: torch.Tensor = self._shared(images, targets) * share
            torch.autograd.backward(self._trainee.scaler.scale(loss))
        except torch.OutOfMemoryError as error:
            count, height, width = batch.images.shape[:3]
            raise MachineError(
                f"the GPU has too little memory for {count} photos of {width} x {height} pixels; "
                f"make schedule.batch smaller than {self._settings.batch} and schedule.accumulate "
                f"larger than {self._settings.accumulate} by the same factor: that learns the same"
            ) from error
        return loss.detach()

    def _filled(self, batch: LoadedBatch) -> _Filled | None:
        """A batch of two photos or more.

        One of fewer is left out; in a team, where the others wait for the gradients of everybody,
        it counts nothing.
        """
        if len(batch.targets) >= _FEWEST:
            return _Filled(batch.images, batch.targets, len(batch.targets))
        if self._team.size == 1:
            return None
        blank = np.zeros((_FEWEST, *batch.images.shape[1:]), dtype=np.uint8)
        return _Filled(blank, np.zeros(_FEWEST, dtype=np.int64), 0)


@dataclass(frozen=True)
class _Filled:
    """A batch that can be learned from: see `LoadedBatch`, and how many photos count."""

    images: Any
    targets: Any
    counted: int


def _moved(array: Any, device: torch.device) -> torch.Tensor:
    tensor = torch.from_numpy(array)
    if device.type == "cpu":
        return tensor
    return tensor.pin_memory().to(device, non_blocking=True)
