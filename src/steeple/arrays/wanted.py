"""What is to come out of it, and whether it can."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from steeple.arrays.files.ids import beside_of
from steeple.arrays.files.opening import Where
from steeple.arrays.inputs import Sources
from steeple.datasets.whole import target_of
from steeple.errors import InputError, StorageError

__all__ = ["Wanted"]


@dataclass(frozen=True)
class Wanted:
    """What is to come out of it; at least one of these.

    Args:
        submission: CSV of ``id,images``, of the last method.
        recognition: CSV of ``id,landmarks``, of the votes.
        solution: what the rankings are scored with.
        recognition_solution: what the votes are scored with.
    """

    submission: Path | None = None
    recognition: Path | None = None
    solution: Path | None = None
    recognition_solution: Path | None = None

    @property
    def votes(self) -> bool:
        """Whether the queries are to be named."""
        return self.recognition is not None or self.recognition_solution is not None

    @property
    def written(self) -> tuple[Path, ...]:
        """The files that are to be written."""
        return tuple(path for path in (self.submission, self.recognition) if path is not None)

    def check(self) -> None:
        """Sees to it that hours of work do not end in a typing error.

        Raises:
            InputError: if nothing is wanted, or two results by one name, or one where something
                else than a file is.
            StorageError: if nothing can be written where a file is to be.
        """
        if not (self.written or self.solution or self.recognition_solution):
            raise InputError(
                "nothing is to come out of it; give --out submission.csv, or --solution to see "
                "figures"
            )
        for path in self.written:
            place = target_of(path).parent
            if not place.is_dir():
                raise InputError(
                    f"{path} is no place for a CSV; give a file in a folder that exists"
                )
            try:
                with tempfile.TemporaryFile(dir=place):
                    pass
            except OSError as error:
                raise StorageError(
                    f"{path}: nothing can be written there ({error.strerror}); choose another "
                    "folder"
                ) from error
        if len({path.resolve() for path in self.written}) < len(self.written):
            raise InputError(f"{self.submission} is to be two results; give each its own file")

    def spare(self, sources: Sources) -> None:
        """Sees to it that no result replaces what it is computed from.

        Args:
            sources: the files that are read.

        Raises:
            InputError: if one does, or a file of descriptors is not there.
        """
        read = {path.resolve() for path in self._read(sources)}
        for path in self.written:
            if path.resolve() in read:
                raise InputError(f"{path} is read, and would be replaced; give another --out")

    def _read(self, sources: Sources) -> Iterator[Path]:
        for text in sources.descriptors.values():
            path = Where.of(text).path
            yield from (path, beside_of(path))
        yield from sources.ids.values()
        for given in (sources.labels, self.solution, self.recognition_solution):
            if given is not None:
                yield given
