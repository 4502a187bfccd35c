"""Files of descriptors by their ending: ``.npy``, ``.h5``, ``.parquet``."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from steeple.arrays.files.content import Columns, Content, Names
from steeple.arrays.files.descriptors import FileDescriptors
from steeple.arrays.files.hdf5 import open_hdf5
from steeple.arrays.files.npy import open_npy
from steeple.arrays.files.parquet import open_parquet
from steeple.errors import InputError
from steeple.retrieval.offline.shelf import Arrays, Shelf

__all__ = ["ENDINGS", "DescriptorFile", "Where", "open_descriptors"]

ENDINGS = (".npy", ".h5", ".hdf5", ".parquet")
"""Of the files that can be read."""

_SAMPLES, _SAMPLE = 16, 1 << 12  # pieces of a file that its fingerprint looks at, and their bytes


@dataclass(frozen=True)
class Where:
    """A file, and what of it is meant.

    Args:
        path: the file.
        part: the dataset of an HDF5 file or the column of a Parquet file; None where it was not
            said.
    """

    path: Path
    part: str | None = None

    @classmethod
    def of(cls, text: str) -> Where:
        """Reads ``features.npy``, ``features.h5:index`` or ``features.parquet:descriptor``.

        Raises:
            InputError: if there is no such file, or it ends in nothing that is known.
        """
        path, part = Path(text), None
        if not path.exists() and ":" in text:
            before, _, after = text.rpartition(":")
            path, part = Path(before), after
        ending = path.suffix.lower()
        if path.is_dir():
            raise InputError(f"{path} is a folder; give a file of descriptors in it")
        if not path.is_file():
            raise InputError(f"{path}: no such file; give an array of descriptors")
        if ending not in ENDINGS:
            raise InputError(
                f"{path}: descriptors are read from {', '.join(ENDINGS)}; convert the file"
            )
        if ending == ".npy" and part is not None:
            raise InputError(f"{text}: an .npy file has no parts; give {path}")
        return cls(path, part)

    def open(self, like: Columns | None = None) -> Content:
        """Opens it.

        Args:
            like: the columns of another file, which those of a Parquet file must be.

        Raises:
            InputError: if it holds no descriptors.
            MissingExtraError: if a library for it is not installed.
        """
        ending = self.path.suffix.lower()
        if ending == ".npy":
            return open_npy(self.path)
        if ending == ".parquet":
            return open_parquet(self.path, self.part, like)
        return open_hdf5(self.path, self.part)

    def fingerprint(self) -> str:
        """Twelve digits that change when the file does: size, time, and samples of what it holds.

        Raises:
            OSError: if it cannot be read.
        """
        about = self.path.stat()
        digest = hashlib.blake2b(digest_size=6)
        digest.update(f"{about.st_size} {about.st_mtime_ns} {self.part}".encode())
        with self.path.open("rb") as file:
            for start in np.linspace(0, max(0, about.st_size - _SAMPLE), _SAMPLES).astype(int):
                file.seek(int(start))
                digest.update(file.read(_SAMPLE))
        return digest.hexdigest()


@dataclass(frozen=True)
class DescriptorFile:
    """An opened file of descriptors.

    Args:
        where: the file.
        descriptors: what it holds, not looked at yet.
        ids: those that it holds itself; None if it holds none.
        fingerprint: changes with the file and with how it is read.
        columns: those that the numbers of a descriptor lie in; None where they are in one.
    """

    where: Where
    descriptors: FileDescriptors
    ids: Names | None
    fingerprint: str
    columns: Columns | None = None


def open_descriptors(
    text: str,
    shelf: Shelf,
    *,
    normalize: bool = False,
    like: Columns | None = None,
    told: Callable[[int, int], None] | None = None,
) -> DescriptorFile:
    """Opens a file so that it can be sliced without loading it.

    What cannot be read in place, Parquet and HDF5 in chunks, is unpacked onto the shelf first.

    Args:
        text: the file, as `Where.of` reads it.
        shelf: where it is unpacked.
        normalize: divide each descriptor by its length as it is read.
        like: the columns of another file, whose descriptors these are compared with.
        told: hears how many descriptors are unpacked, and how many there are.

    Raises:
        InputError: if it holds no descriptors, or has other columns.
        MissingExtraError: if a library for it is not installed.
        StorageError: if there is no room to unpack it.
    """
    where = Where.of(text)
    content = where.open(like)
    fingerprint = where.fingerprint()
    if content.columns is not None:
        order = "\n".join(content.columns.names).encode()
        fingerprint += f"-{hashlib.blake2b(order, digest_size=4).hexdigest()}"
    array = content.array
    if array is None:
        FileDescriptors(np.empty(content.shape, np.float32), text)  # refuses what is empty

        def fill(arrays: Arrays) -> None:
            row = 0
            for piece in content.pieces():
                with np.errstate(over="ignore"):  # it becomes infinity, which is refused later
                    arrays["descriptors"][row : row + len(piece)] = piece
                row += len(piece)
                if told:
                    told(row, content.shape[0])

        layout = {"descriptors": (content.shape, "float32")}
        array = shelf.once(f"unpacked-{fingerprint}", layout, fill)["descriptors"]
    descriptors = FileDescriptors(array, text, normalize=normalize)
    if content.ids is not None and len(content.ids) != len(descriptors):
        raise InputError(
            f"{text}: {len(content.ids):,} ids for {len(descriptors):,} descriptors; "
            "write the file again"
        )
    kind = "-n" if normalize else ""
    return DescriptorFile(where, descriptors, content.ids, fingerprint + kind, content.columns)
