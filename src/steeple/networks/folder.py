"""A folder with a model in it, written whole or not at all."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from steeple.errors import InputError, StorageError

__all__ = ["check_free", "write_folder"]


def check_free(folder: Path) -> None:
    """Refuses a place where something is already.

    Raises:
        InputError: if the folder exists and is not empty, is a file or a link, or cannot be looked
            into.
    """
    try:
        taken = folder.is_symlink() or folder.exists()
        if taken and folder.is_dir() and not folder.is_symlink():
            taken = any(folder.iterdir())
    except OSError as error:
        raise InputError(
            f"{folder} cannot be looked into ({error.strerror}); choose another place for the model"
        ) from error
    if taken:
        raise InputError(f"{folder} exists and is not empty; choose another place for the model")


def write_folder(folder: Path, files: Mapping[str, bytes | Callable[[Path], None]]) -> None:
    """Writes files into a new folder.

    Args:
        folder: does not exist yet, or is empty.
        files: name -> content; or what writes it to a path, where those before it lie already
            beside. OSError if it cannot.

    Raises:
        InputError: if something is there already.
        StorageError: if it cannot be written; nothing is left behind.
    """
    check_free(folder)
    partial = folder.absolute().parent / f".steeple-{secrets.token_hex(8)}.part"
    try:
        try:
            partial.mkdir(parents=True)
            for name, content in files.items():
                place = partial / name
                place.write_bytes(content if isinstance(content, bytes) else b"")
                if not isinstance(content, bytes):
                    # What others write may be for its owner alone; it is to be like any other file.
                    mode = place.stat().st_mode
                    content(place)
                    place.chmod(mode)
            partial.replace(folder)  # over an empty folder, if there is one
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise StorageError(
            f"{folder}: the model cannot be written ({error.strerror or error}); "
            "make room there or choose another place"
        ) from error
