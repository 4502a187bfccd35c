"""The folder of a run, beside that of its model.

``settings.json``, ``log.jsonl``, ``checkpoints/``, and the page that the command writes. Needs no
PyTorch.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from steeple.errors import InputError, StorageError
from steeple.training.settings import Settings

__all__ = ["CHECKPOINTS", "read_run", "run_folder", "stored_settings", "write_run", "write_text"]

CHECKPOINTS = "checkpoints"
"""The folder of checkpoints, in that of the run."""

_RUN = "settings.json"


def run_folder(out: Path) -> Path:
    """Where the run of a model lies: beside it, as ``OUT.training``."""
    place = out.absolute()
    return place.with_name(f"{place.name}.training")


def read_run(folder: Path) -> dict[str, Any] | None:
    """What the run of a folder is, as `write_run` wrote it; None if there is none.

    Raises:
        InputError: if the file is damaged.
    """
    path = folder / _RUN
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read ({error}); remove {folder} and begin again"
        ) from error
    if not isinstance(stored, dict) or not isinstance(stored.get("settings"), dict):
        raise InputError(f"{path} is no description of a run; remove {folder} and begin again")
    return stored


def stored_settings(folder: Path) -> Settings:
    """The settings that a run began with.

    Raises:
        InputError: if there is no run, or its description is damaged.
    """
    run = read_run(folder)
    if run is None:
        raise InputError(f"{folder} holds no training to go on with; leave out --resume")
    return Settings.from_dict(run["settings"])


def write_run(folder: Path, run: Mapping[str, Any]) -> None:
    """Writes what a run is; the folder is made if it is not there.

    Raises:
        StorageError: if it cannot be written.
    """
    write_text(folder / _RUN, json.dumps(run, indent=2, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Writes a file of a run beside its place, forces it to the disk, and renames it.

    Raises:
        StorageError: if it cannot be written; an older one is still there.
    """
    partial = path.parent / f".steeple-{secrets.token_hex(8)}.part"
    try:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("x", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(
            f"{path} cannot be written ({(error.strerror or str(error)).lower()}); make room there "
            "or choose another place"
        ) from error
