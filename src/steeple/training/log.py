"""What a training says while it runs: a line of JSON for every few steps, and for TensorBoard.

``log.jsonl`` holds a JSON document a line, its ``kind`` being ``step`` (step, epoch, loss, rate,
photos_per_second, seconds), ``validation`` (step, epoch, map, seconds) or ``left_out`` (step,
epoch, photo, reason). Steps count from 1 and are done; epochs count from 1; rates are the
network's; mAP is a fraction.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import fmean
from typing import Any

from steeple.errors import InputError, StorageError
from steeple.extras import need
from steeple.training.folder import write_text

__all__ = ["LOG", "Log", "last_loss", "read_log", "validations"]

LOG = "log.jsonl"
"""The name of the file in the folder of a run."""

_EVENTS = "tensorboard"  # the folder of event files
_SCALARS = {  # per kind: which of its numbers go to TensorBoard, under which name
    "step": {"loss": "loss", "rate": "rate", "photos_per_second": "photos per second"},
    "validation": {"map": "mAP@100"},
}


class Log:
    """Appends to the log of a run.

    Args:
        folder: of the run; exists.
        step: steps done in earlier parts of the run. What the log says of later ones is dropped:
            it was written after the checkpoint that the run goes on from.
        tensorboard: whether event files are written as well.

    Raises:
        MissingExtraError: if TensorBoard is wanted and not installed.
        StorageError: if it cannot be written.
    """

    def __init__(self, folder: Path, *, step: int = 0, tensorboard: bool = False) -> None:
        self._path = folder / LOG
        self._events: Any = None
        if tensorboard:
            need("tensorboard", "tensorboard")
            from torch.utils.tensorboard import SummaryWriter

            self._events = SummaryWriter(str(folder / _EVENTS), purge_step=step + 1)
        kept = [line for line in read_log(self._path) if line["step"] <= step] if step else []
        write_text(self._path, "".join(json.dumps(line) + "\n" for line in kept))

    def write(self, kind: str, step: int, epoch: int, **values: float | str) -> None:
        """Appends a line, and has it on its way to the disk.

        Args:
            kind: ``step``, ``validation`` or ``left_out``.
            step: steps done.
            epoch: from 1.
            values: whatever belongs to the kind.

        Raises:
            StorageError: if it cannot be written.
        """
        line = json.dumps({"kind": kind, "step": step, "epoch": epoch, **values})
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError as error:
            raise _full(self._path, error) from error
        if self._events is not None:
            for name, title in _SCALARS.get(kind, {}).items():
                self._events.add_scalar(title, values[name], step)

    def close(self) -> None:
        """Ends the event files."""
        if self._events is not None:
            self._events.close()


def read_log(path: Path) -> list[dict[str, Any]]:
    """The lines of a log; a last one that was cut off is left out.

    Args:
        path: the file; one that is not there has no lines.

    Raises:
        InputError: if a line before the last is no JSON.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}); remove it to begin another") from error
    found: list[dict[str, Any]] = []
    for number, line in enumerate(lines, start=1):
        document = _parsed(line)
        if document is not None:
            found.append(document)
        elif number < len(lines):
            raise InputError(f"{path} line {number}: no line of a log; remove it to go on")
    return found


def validations(lines: Sequence[Mapping[str, Any]]) -> list[tuple[int, float]]:
    """(epoch, mAP@100 as a fraction) of every validation in a log."""
    return [(line["epoch"], line["map"]) for line in lines if line["kind"] == "validation"]


def last_loss(lines: Sequence[Mapping[str, Any]]) -> float | None:
    """The mean loss of the last epoch in a log; None where there is none."""
    steps = [line for line in lines if line["kind"] == "step"]
    return fmean(s["loss"] for s in steps if s["epoch"] == steps[-1]["epoch"]) if steps else None


def _parsed(line: str) -> dict[str, Any] | None:
    with suppress(ValueError):
        document = json.loads(line)
        if isinstance(document, dict) and isinstance(document.get("step"), int):
            return document
    return None


def _full(path: Path, error: OSError) -> StorageError:
    reason = (error.strerror or str(error)).lower()
    return StorageError(
        f"{path}: the log cannot be written ({reason}); make room there and go on with --resume"
    )
