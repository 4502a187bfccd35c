"""Checkpoints: everything a training needs to go on as if it had never stopped.

One safetensors file each, so that nothing in it is ever run: tensors under ``learner.``,
``momentum.``, ``average.`` and ``random.``, and the rest as JSON in its header. A file is written
beside its place, forced to the disk and renamed, so that under its name it is whole or not there.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from steeple.errors import InputError, StorageError
from steeple.training.learner import Trainee

__all__ = [
    "Checkpoint",
    "Position",
    "checkpoints",
    "latest_checkpoint",
    "read_checkpoint",
    "restore",
    "save_checkpoint",
]

_FORMAT = 1
_MOMENTA = ("momentum_buffer", "exp_avg", "exp_avg_sq")  # SGD's, and the two of AdamW
_KEY = "steeple"  # of the JSON in the header of the file
_NAME = re.compile(r"step-(\d{8,})\.safetensors")


@dataclass(frozen=True)
class Position:
    """How far a training is.

    Args:
        step: steps done.
        epoch: epochs done.
        within: steps done of the next one.
        measured: epochs after which validation was done, or was not due.
    """

    step: int = 0
    epoch: int = 0
    within: int = 0
    measured: int = 0

    def stepped(self) -> Position:
        """After one more step."""
        return replace(self, step=self.step + 1, within=self.within + 1)

    def finished(self) -> Position:
        """After the last step of an epoch."""
        return replace(self, epoch=self.epoch + 1, within=0)


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds.

    Args:
        path: of the file.
        position: how far the training was.
        run: what it belongs to: settings, photos, processes, as the run describes itself.
        tensors: name -> tensor, on the processor.
        numbers: the state of the scaler, of the average, and of AdamW.
    """

    path: Path
    position: Position
    run: dict[str, Any]
    tensors: dict[str, torch.Tensor]
    numbers: dict[str, Any]


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of a folder, the newest first."""
    found = [
        (int(m[1]), path) for path in folder.glob("step-*") if (m := _NAME.fullmatch(path.name))
    ]
    return [path for _, path in sorted(found, reverse=True)]


def save_checkpoint(
    folder: Path, trainee: Trainee, position: Position, run: Mapping[str, Any], *, keep: int
) -> Path:
    """Writes a checkpoint, then removes all but the newest.

    Args:
        folder: of the checkpoints; made if it is not there.
        trainee: what has learned so far.
        position: how far it is.
        run: what it belongs to; JSON.
        keep: checkpoints that stay.

    Returns:
        The file.

    Raises:
        StorageError: if it cannot be written; earlier ones are still there.
    """
    path = folder / f"step-{position.step:08d}.safetensors"
    header = {
        "format": _FORMAT,
        "position": asdict(position),
        "run": dict(run),
        "numbers": {
            "scaler": trainee.scaler.state_dict(),
            "updates": trainee.average.updates if trainee.average else 0,
            "steps": _steps(trainee),
        },
    }
    partial = folder / f".steeple-{secrets.token_hex(8)}.part"
    try:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            save_file(_tensors(trainee), partial, metadata={_KEY: json.dumps(header)})
            _sync(partial)
            partial.replace(path)
            _sync(folder)
        finally:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
    except (OSError, SafetensorError) as error:
        raise _unwritten(path, error) from error
    for old in checkpoints(folder)[keep:]:
        with suppress(OSError):  # one too many is no reason to stop
            old.unlink()
    return path


def _tensors(trainee: Trainee) -> dict[str, torch.Tensor]:
    found = {f"learner.{name}": value for name, value in trainee.learner.state_dict().items()}
    for name, parameter in trainee.parameters().items():
        state = trainee.optimizer.state[parameter]
        found |= {f"{part}.{name}": state[part] for part in _MOMENTA if part in state}
    if trainee.average is not None:
        found |= {f"average.{name}": value for name, value in trainee.average.state().items()}
    # Nothing draws from the generators of Python and NumPy: order and augmentation have their own,
    # made anew for every epoch and photo. Layers such as dropout draw from those of PyTorch.
    found["random.cpu"] = torch.get_rng_state()
    if torch.cuda.is_available():
        found |= {f"random.cuda.{n}": s for n, s in enumerate(torch.cuda.get_rng_state_all())}
    return {name: value.detach().cpu().contiguous() for name, value in found.items()}


def _steps(trainee: Trainee) -> float:
    """The steps that AdamW has counted, every weight having been there at each; 0 of others."""
    states = trainee.optimizer.state.values()
    return max((float(state["step"]) for state in states if "step" in state), default=0.0)


def _sync(path: Path) -> None:
    place = os.open(path, os.O_RDONLY)
    try:
        os.fsync(place)
    finally:
        os.close(place)


def _unwritten(path: Path, error: Exception) -> StorageError:
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    earlier = checkpoints(path.parent)
    kept = f"; {earlier[0].name} is still there" if earlier else ""
    return StorageError(
        f"{path}: the checkpoint cannot be written ({' '.join(reason.lower().split())}){kept}; "
        "make room there and go on with --resume"
    )


def latest_checkpoint(folder: Path) -> Checkpoint:
    """Reads the newest checkpoint of a folder.

    Raises:
        InputError: if there is none, or it is damaged. Then the newest one that is not is named,
            but not taken: that steps are lost is for somebody to know.
    """
    found = checkpoints(folder)
    if not found:
        raise InputError(f"{folder} holds no checkpoint to go on from; leave out --resume")
    try:
        return read_checkpoint(found[0])
    except InputError as error:
        sound = _first_sound(found[1:])
        if sound is None:
            way_out = f"no older one can be used: remove {folder.parent} and begin again"
        else:
            path, step = sound
            damaged = " ".join(str(name) for name in found[: found.index(path)])
            way_out = f"to go on from {path.name} (step {step:,}), remove {damaged}"
        raise InputError(f"{error}; {way_out}") from error


def _first_sound(paths: Sequence[Path]) -> tuple[Path, int] | None:
    """The first checkpoint that can be read, and its step."""
    for path in paths:
        with suppress(InputError):
            return path, read_checkpoint(path).position.step
    return None


def read_checkpoint(path: Path) -> Checkpoint:
    """Reads a checkpoint.

    Raises:
        InputError: if it is truncated, no checkpoint of this version, or holds what is not finite.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})[_KEY])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        known = header["format"]
        position = Position(**header["position"])
        run, numbers = dict(header["run"]), dict(header["numbers"])
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path} is damaged, or no checkpoint ({reason})") from error
    if known != _FORMAT:
        raise InputError(f"{path} is of format {known}, and this version reads {_FORMAT}")
    for name, value in tensors.items():
        if not value.isfinite().all():
            raise InputError(f"{path} is damaged: {name} is not finite")
    return Checkpoint(path, position, run, tensors, numbers)


def restore(trainee: Trainee, checkpoint: Checkpoint) -> None:
    """Puts everything back as it was when a checkpoint was written, random generators included.

    Raises:
        InputError: if it is of another network or other landmarks; nothing is changed then.
    """
    parameters = trainee.parameters()
    weights = _part(checkpoint, "learner", trainee.learner.state_dict())
    momenta = {part: _part(checkpoint, part, parameters, some=True) for part in _MOMENTA}
    mean = _part(checkpoint, "average", trainee.average.state() if trainee.average else {})
    trainee.learner.load_state_dict(weights)
    for part, found in momenta.items():
        for name, value in found.items():
            # As the optimizer itself would make it: in the layout of the parameter.
            momentum = torch.empty_like(parameters[name]).copy_(value)
            trainee.optimizer.state[parameters[name]][part] = momentum.detach()
            if part == "exp_avg":
                steps = torch.tensor(float(checkpoint.numbers["steps"]))
                trainee.optimizer.state[parameters[name]]["step"] = steps
    if trainee.average is not None:
        trainee.average.restore(mean, int(checkpoint.numbers["updates"]))
    trainee.scaler.load_state_dict(checkpoint.numbers["scaler"])
    torch.set_rng_state(checkpoint.tensors["random.cpu"])
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            state = checkpoint.tensors.get(f"random.cuda.{number}")
            if state is not None:
                torch.cuda.set_rng_state(state, number)


def _part(
    checkpoint: Checkpoint, part: str, wanted: Mapping[str, torch.Tensor], *, some: bool = False
) -> dict[str, torch.Tensor]:
    """The tensors under a name, of exactly the names and shapes that are wanted, or of some."""
    prefix = f"{part}."
    found = {
        name.removeprefix(prefix): value
        for name, value in checkpoint.tensors.items()
        if name.startswith(prefix)
    }
    for name in sorted(found.keys() ^ wanted.keys()):
        if name in found or not some:
            has, knows = ("has", "does not know") if name in found else ("lacks", "needs")
            raise InputError(
                f"{checkpoint.path} is of another network: it {has} {prefix}{name}, which this one "
                f"{knows}; give the settings it began with"
            )
    for name, value in found.items():
        if value.shape != wanted[name].shape:
            raise InputError(
                f"{checkpoint.path} is of another network, or of other landmarks: {prefix}{name} "
                f"is of shape {tuple(value.shape)} there and {tuple(wanted[name].shape)} here; "
                "give the settings and the photos it began with"
            )
    return found
