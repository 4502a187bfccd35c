"""Every exception that steeple raises on purpose.

    SteepleError                    catch this one to catch them all
    ├── InputError                  what the caller gave cannot be used          (exit code 2)
    │   ├── ImageError              a photo cannot be decoded
    │   ├── LabelError              a label file or a label contradicts itself or the photos
    │   ├── CollectionError         a folder is no collection, damaged, locked, of another format
    │   └── ContentError            a download is not what was published         (exit code 1)
    ├── NothingToDoError            there was no work: no photos in the folder   (exit code 1)
    └── MachineError                the machine lacks something                  (exit code 3)
        ├── MissingExtraError       an optional library is not installed
        └── StorageError            no space, no permission, a read-only disk

A message is one line that names what is wrong, why, and the way out. The command line prints it as
it is; a traceback appears with ``--debug`` only.
"""

from __future__ import annotations

__all__ = [
    "CollectionError",
    "ContentError",
    "ImageError",
    "InputError",
    "LabelError",
    "MachineError",
    "MissingExtraError",
    "NothingToDoError",
    "SteepleError",
    "StorageError",
]


class SteepleError(Exception):
    """The base of every error that steeple raises on purpose."""

    exit_code = 2


class InputError(SteepleError, ValueError):
    """What the caller gave cannot be used."""


class ImageError(InputError):
    """A photo cannot be decoded; the message names the file and the reason."""


class LabelError(InputError):
    """A label file or a label contradicts itself or the photos."""


class CollectionError(InputError):
    """A folder is not a collection, is damaged, locked by another writer, or of another format."""


class ContentError(InputError):
    """What a server gave is not what was published: a check failed."""

    exit_code = 1


class NothingToDoError(SteepleError):
    """There was nothing to work on, for example no photo in the folder."""

    exit_code = 1


class MachineError(SteepleError):
    """The machine lacks what the work needs."""

    exit_code = 3


class MissingExtraError(MachineError):
    """A library that only an extra brings is not installed; the message names the extra."""


class StorageError(MachineError, OSError):
    """The disk is full, read-only, or does not let us in."""
