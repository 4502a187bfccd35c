"""Where intermediate results lie: shelves by what they were computed from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from steeple.retrieval.shelf import MemoryShelf, Shelf

__all__ = ["Keep"]


class Keep:
    """A shelf for every combination of files; in a folder, or in memory.

    Args:
        folder: where shelves lie; None keeps everything in memory.
        create: makes a shelf of a folder.
    """

    def __init__(
        self, folder: Path | None = None, create: Callable[[Path], Shelf] | None = None
    ) -> None:
        self.folder = folder
        self._create = create
        self._shelves: dict[str, Shelf] = {}

    def shelf(self, key: str) -> Shelf:
        """The shelf of some files.

        Args:
            key: letters, digits and hyphens: the fingerprints of the files.
        """
        if key not in self._shelves:
            if self.folder is None or self._create is None:
                self._shelves[key] = MemoryShelf()
            else:
                self._shelves[key] = self._create(self.folder / key)
        return self._shelves[key]
