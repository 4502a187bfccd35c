"""Everything that has to be there before the first step: network, head, plan, log.

Which of it is new, and which comes from a checkpoint, is decided here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from steeple.errors import InputError
from steeple.progress import Progress
from steeple.training.checkpoint import (
    Checkpoint,
    Position,
    checkpoints,
    latest_checkpoint,
    restore,
)
from steeple.training.folder import CHECKPOINTS, write_run
from steeple.training.heads import create_head
from steeple.training.learner import Trainee, new_trainee
from steeple.training.log import LOG, Log, read_log
from steeple.training.photos import TrainingSet
from steeple.training.plan import Plan
from steeple.training.session import Session
from steeple.training.settings import Settings
from steeple.training.starting import Start, begin, begin_again, with_model
from steeple.training.team import Team
from steeple.training.validation import Validation, has_solution, read_validation

__all__ = ["Beginning", "Job", "open_session", "prepare"]


@dataclass(frozen=True)
class Job:
    """What is to be done.

    Args:
        source: of the photos.
        folder: of the run.
        settings: of the training.
        resume: whether an earlier part of the run goes on.
        validation: the folder that is measured on; None leaves it to the source.
        tensorboard: whether event files are written.
    """

    source: Path
    folder: Path
    settings: Settings
    resume: bool = False
    validation: Path | None = None
    tensorboard: bool = False


@dataclass(frozen=True)
class Beginning:
    """What a training begins with, or goes on from.

    Args:
        settings: of the training, ``[model]`` being what the model is.
        start: the network.
        checkpoint: of the earlier part; None at the very beginning.
        validation: what is measured; None if nothing is.
    """

    settings: Settings
    start: Start
    checkpoint: Checkpoint | None
    validation: Validation | None


def prepare(job: Job) -> Beginning:
    """Reads all that does not need the photos that are learned from.

    Raises:
        InputError: if there is a run already, or none to go on with; if settings, weights, a
            checkpoint or the validation cannot be used.
        MachineError: if published weights cannot be downloaded.
    """
    if checkpoints(job.folder / CHECKPOINTS) and not job.resume:
        raise InputError(
            f"{job.folder} holds an earlier training; go on with it by --resume, remove it, or "
            "choose another --out"
        )
    settings = with_model(job.settings)
    if job.resume:
        checkpoint = latest_checkpoint(job.folder / CHECKPOINTS)
        _check_settings(checkpoint, settings)
        start = begin_again(checkpoint.run["start"])
        return Beginning(settings, start, checkpoint, _validation(job))
    return Beginning(settings, begin(settings), None, _validation(job))


def open_session(
    job: Job,
    beginning: Beginning,
    photos: TrainingSet,
    team: Team,
    *,
    workers: int,
    progress: Progress,
) -> Session:
    """Puts network, head, plan and log together.

    Args:
        job: what is to be done.
        beginning: what it begins with.
        photos: to learn from.
        team: the processes that train together.
        workers: processes that read photos.
        progress: told of the stages ``train`` and ``validate``.

    Raises:
        InputError: if settings, photos and checkpoint do not go together.
        MissingExtraError: if TensorBoard is wanted and not installed.
        StorageError: if the folder of the run cannot be written.
    """
    settings, checkpoint = beginning.settings, beginning.checkpoint
    run = {
        "settings": settings.to_dict(),
        "photos": _digest(photos),
        "processes": team.size,
        "start": beginning.start.to_dict(),
    }
    trainee = _new_trainee(beginning.start, settings, len(photos.landmarks), team)
    plan = Plan(photos, settings, team.rank, team.size)
    plan.batches(0)  # fewer than there are processes are refused before anything is written
    position = Position()
    if checkpoint is not None:
        _check_photos(checkpoint, run)
        restore(trainee, checkpoint)
        position = checkpoint.position
    log, seconds = None, 0.0
    if team.first:
        if checkpoint is None:
            write_run(job.folder, {"source": str(job.source), **run})
        log = Log(job.folder, step=position.step, tensorboard=job.tensorboard)
        seconds = max((line["seconds"] for line in read_log(job.folder / LOG)), default=0.0)
    return Session(
        trainee=trainee,
        start=beginning.start,
        plan=plan,
        team=team,
        position=position,
        folder=job.folder,
        log=log,
        run=run,
        validation=beginning.validation,
        workers=workers,
        progress=progress,
        seconds=seconds,
    )


def _new_trainee(start: Start, settings: Settings, landmarks: int, team: Team) -> Trainee:
    head = create_head(
        settings.head.kind,
        landmarks,
        start.network.dimension,
        scale=settings.head.scale,
        margin=settings.head.margin,
        centres=settings.head.centres,
        sampled=settings.head.sampled or None,
        momentum=settings.schedule.momentum,
        decay=settings.schedule.decay,
        seed=settings.run.seed,
    )
    if team.size > 1 and settings.head.sampled:
        raise InputError(
            "head.sampled samples other landmarks in each of several processes, whose weights "
            "would differ; set it to 0, or train in one process"
        )
    return new_trainee(start.network, head, start.colours, settings.schedule, team.device)


def _validation(job: Job) -> Validation | None:
    if job.validation is not None:
        return read_validation(job.validation, seed=job.settings.run.seed)
    return read_validation(job.source) if has_solution(job.source) else None


def _digest(photos: TrainingSet) -> str:
    """32 hexadecimal digits that change with the photos, their labels and their order.

    Where they lie does not count: they may be moved while a run rests.
    """
    digest = hashlib.blake2b(digest_size=16)
    digest.update("\0".join(photos.landmarks).encode("utf-8", "surrogateescape"))
    digest.update(np.ascontiguousarray(photos.targets).tobytes())
    digest.update(np.ascontiguousarray(photos.sizes).tobytes())
    return digest.hexdigest()


def _check_settings(checkpoint: Checkpoint, settings: Settings) -> None:
    """Refuses to go on with other settings, naming the first."""
    old = Settings.from_dict(checkpoint.run["settings"])
    if settings.digest() != old.digest():
        raise InputError(
            f"{checkpoint.path} was trained with {_difference(old, settings)}; give the settings "
            "it began with, or leave them all out"
        )


def _check_photos(checkpoint: Checkpoint, run: Mapping[str, Any]) -> None:
    """Refuses to go on with other photos, or with another number of processes."""
    before = checkpoint.run
    if before["photos"] != run["photos"]:
        raise InputError(
            f"{checkpoint.path} was trained on other photos or landmarks than there are now; give "
            "those it began with, or begin again with another --out"
        )
    if before["processes"] != run["processes"]:
        raise InputError(
            f"{checkpoint.path} was trained by {before['processes']} processes, and now there are "
            f"{run['processes']}; start as many"
        )


def _difference(old: Settings, new: Settings) -> str:
    after = new.to_dict()
    for group, values in old.to_dict().items():
        for name, value in values.items():
            if after[group][name] != value and (group, name) not in _FREE:
                return f"{group}.{name} = {value!r}, not {after[group][name]!r}"
    return "other settings"


_FREE = {("run", name) for name in ("checkpoint_every", "validate_every", "keep")}
