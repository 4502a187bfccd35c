"""A training under way: its steps, and what is done between them.

After each step: the log, a checkpoint if one is due, validation at the end of an epoch, and whether
somebody has asked to stop.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import Any, NoReturn

import torch

from steeple.embedding.card import Card
from steeple.embedding.learned import Learned
from steeple.embedding.model import Model
from steeple.errors import InputError
from steeple.progress import Progress
from steeple.training.checkpoint import Position, save_checkpoint
from steeple.training.folder import CHECKPOINTS
from steeple.training.interrupts import Interrupts, Stopped
from steeple.training.learner import Trainee
from steeple.training.log import Log
from steeple.training.loop import Step, train_steps
from steeple.training.plan import Plan
from steeple.training.starting import Start
from steeple.training.team import Team
from steeple.training.validation import Validation

__all__ = ["Session"]

_EVERY = 10  # steps from one line of the log to the next, and from one look at losses to the next


class _Cut(Exception):  # noqa: N818 - no error
    """A validation was cut short; it is done again when the training goes on."""


@dataclass
class Session:
    """What belongs to a training while it runs.

    Args:
        trainee: what learns.
        start: what it began as.
        plan: its steps.
        team: the processes that train together.
        position: how far it is.
        folder: of the run.
        log: where it says how far it is; None in all processes but the first.
        run: what the checkpoints belong to.
        validation: measured at the ends of epochs; None if there is none.
        workers: processes that read photos.
        progress: told of the stages ``train`` and ``validate``.
        seconds: that earlier parts of the training took.
    """

    trainee: Trainee
    start: Start
    plan: Plan
    team: Team
    position: Position
    folder: Path
    log: Log | None
    run: dict[str, Any]
    validation: Validation | None
    workers: int
    progress: Progress
    seconds: float = 0.0
    failed: dict[str, str] = field(default_factory=dict)
    _pending: list[Step] = field(default_factory=list)
    _saved: int = -1
    _began: float = field(default_factory=perf_counter)
    _told: float = field(default_factory=perf_counter)

    def train(self) -> None:
        """Trains to the end.

        Raises:
            Stopped: if it was interrupted; everything is saved.
            InputError: if the loss is no longer finite.
            MachineError: if the GPU has too little memory, or something cannot be written.
        """
        with Interrupts() as interrupts:
            self._measure(interrupts)  # if the last part was stopped just before
            steps = train_steps(
                self.trainee, self.plan, self.team, self.position, workers=self.workers
            )
            for step in steps:
                self._follow(step)
                self._stop_if_asked(interrupts)
                if self.position.within == 0:
                    self._measure(interrupts)
                    self._save()
                    self._stop_if_asked(interrupts)
            self._save()

    @property
    def checkpoints(self) -> Path:
        """Where the checkpoints lie."""
        return self.folder / CHECKPOINTS

    def elapsed(self) -> float:
        """Seconds of the whole training, earlier parts included."""
        return self.seconds + perf_counter() - self._began

    def model(self, card: Card) -> Model:
        """The network as it is now, as a model."""
        side = self.plan.settings.data.side
        return Model(self.trainee.network, card, self.start.colours, self.start.scales, side)

    def _follow(self, step: Step) -> None:
        """Takes note of a step."""
        self.position = step.position
        self._pending.append(step)
        for photo, reason in step.failed:
            self._left_out(photo, reason)
        if step.position.step % _EVERY == 0:
            self._look()
        every = self.plan.settings.run.checkpoint_every
        if every and step.position.step % every == 0:
            self._save()
        settings, steps = self.plan.settings, self.plan.steps
        total = settings.schedule.epochs * self.plan.in_epoch
        self.progress("train", round(total * step.position.step / steps), total)

    def _left_out(self, photo: str, reason: str) -> None:
        if photo not in self.failed:
            self.failed[photo] = reason
            self._write("left_out", photo=photo, reason=reason)

    def _look(self) -> None:
        """Reads the losses of the last steps, for which a GPU has to be waited for, and logs them.

        Raises:
            InputError: if one is not finite.
        """
        steps = [step for step in self._pending if step.loss is not None]
        self._pending.clear()
        if not steps:
            return
        losses = torch.stack([step.loss for step in steps if step.loss is not None]).tolist()
        for step, loss in zip(steps, losses, strict=True):
            if not math.isfinite(loss):
                raise InputError(
                    f"the loss is {loss} at step {step.position.step:,}: the training has "
                    "diverged; begin again with a smaller schedule.rate, a warmup, or clip "
                    f"(earlier checkpoints are in {self.checkpoints})"
                )
        now = perf_counter()
        photos = sum(step.photos for step in steps) * self.team.size
        self._write(
            "step",
            loss=sum(losses) / len(losses),
            rate=steps[-1].rate,
            photos_per_second=photos / max(now - self._told, 1e-9),
        )
        self._told = now

    def _save(self) -> None:
        """Writes a checkpoint, unless this step has one."""
        self._look()  # nothing that has diverged is kept
        if self.team.first and self._saved != self.position.step:
            keep = self.plan.settings.run.keep
            save_checkpoint(self.checkpoints, self.trainee, self.position, self.run, keep=keep)
        self._saved = self.position.step
        self.team.wait()
        self._told = perf_counter()

    def _stop_if_asked(self, interrupts: Interrupts) -> None:
        asked = interrupts.asked
        if self.team.size > 1:
            if self.position.step % _EVERY:
                return  # to agree, all have to wait for each other
            word = torch.tensor(float(asked), device=self.team.device)
            asked = bool(self.team.sum(word).item() > 0)
        if asked:
            self._stop()

    def _stop(self) -> NoReturn:
        self._save()
        raise Stopped(
            f"step {self.position.step:,} of {self.plan.steps:,} is saved in {self.checkpoints}; "
            "go on with the same command and --resume"
        )

    def _measure(self, interrupts: Interrupts) -> None:
        """Validates, if the end of an epoch was reached for which that is due and was not done."""
        epoch = self.position.epoch
        if self.position.within or self.position.measured >= epoch:
            return
        self._look()  # the time that follows is none of these steps'
        if self.validation is not None and self.team.first and self._due(epoch):
            try:
                found = self._precision(self.validation, self._noticing(interrupts))
            except _Cut:
                self._stop()
            self._write("validation", map=found)
        self.position = replace(self.position, measured=epoch)
        self._saved = -1
        self.team.wait()
        self._told = perf_counter()

    def _due(self, epoch: int) -> bool:
        every = self.plan.settings.run.validate_every
        return epoch == self.plan.settings.schedule.epochs or bool(every and epoch % every == 0)

    def _noticing(self, interrupts: Interrupts) -> Callable[[int, int], None]:
        """Progress of a validation, which is cut short where somebody asks to stop."""

        def progress(done: int, total: int) -> None:
            self.progress("validate", done, total)
            if interrupts.asked:
                raise _Cut

        return progress

    def _precision(self, validation: Validation, progress: Callable[[int, int], None]) -> float:
        """mAP@100 of the network as it is now, or of the average of its weights."""
        average = self.trainee.average
        with average.applied() if average else nullcontext():
            self.trainee.network.eval()
            try:
                embedder = Learned.of(self.model(Card("under way")))
                return validation.measure(embedder, workers=self.workers, progress=progress)
            finally:
                self.trainee.network.train()

    def _write(self, kind: str, **values: float | str) -> None:
        if self.log is not None:
            # Epochs that have begun; at the end of one, that one.
            epoch = self.position.epoch + (self.position.within > 0)
            self.log.write(
                kind, self.position.step, epoch, **values, seconds=round(self.elapsed(), 3)
            )
