"""A collection that is open: its images, and one consistent view of them at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from steeple.collection.approximate import CurrentIndex
from steeple.collection.embedders import stored_embedder, stored_extractor
from steeple.collection.store import Image, LocalStore
from steeple.collection.view import View
from steeple.embedding.base import Embedder
from steeple.errors import InputError
from steeple.geometry.strongest import Strongest

__all__ = ["OpenCollection"]


class OpenCollection:
    """What every `Collection` can tell of itself.

    Args:
        store: where it is stored.
    """

    def __init__(self, store: LocalStore) -> None:
        self._store = store
        self._embedder: Embedder | None = None
        self._extractor: Strongest | None = None
        self._view: View | None = None
        self._index = CurrentIndex(store.folder)

    @classmethod
    def open(cls, folder: Path | str) -> Self:
        """Opens an existing collection; takes the same time whatever its size.

        Raises:
            CollectionError: if it is no collection, or one of another format.
        """
        return cls(LocalStore(Path(folder)))

    def close(self) -> None:
        """Lets go of the collection's files."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        """How many images the collection has."""
        return len(self._store)

    def __iter__(self) -> Iterator[Image]:
        """Every image, without loading them all."""
        return iter(self._store)

    def __contains__(self, image: object) -> bool:
        """Whether the collection has an image of this id."""
        return isinstance(image, str) and image in self._store.find([image])

    def __getitem__(self, image: str) -> Image:
        """The image of an id.

        Raises:
            InputError: if there is none.
        """
        found = self._store.find([image]).get(image)
        if found is None:
            raise InputError(f"{self.folder} has no image {image!r}")
        return found

    @property
    def folder(self) -> Path:
        """Where the collection lies."""
        return self._store.folder

    @property
    def embedder(self) -> Embedder:
        """What describes its photos, as far as it has learned."""
        if self._embedder is None or self._embedder.learned_from is None:
            self._embedder = stored_embedder(self._store)
        return self._embedder

    @property
    def extractor(self) -> Strongest | None:
        """What finds the local features of its photos; None if it keeps none.

        Raises:
            CollectionError: if its model is damaged.
            MachineError: if it needs an extra, or weights, that are not there.
        """
        if self._extractor is None:
            self._extractor = stored_extractor(self._store)
        return self._extractor

    @contextmanager
    def view(self, *, exact: bool = False) -> Iterator[View]:
        """One consistent view of the collection; see `View`.

        Args:
            exact: search exactly, even if there is an approximate index.
        """
        with self._store.snapshot() as columns:
            view = self._view
            if view is not None and view.columns is not columns:
                view = None
            if not exact:
                index = self._index.get()
                if view is None or view.approximate is not index:
                    view = View.of(self._store, columns, index)
            elif view is None:  # and the index, which is not needed, is not read
                view = View.of(self._store, columns, None)
            self._view = view
            yield view.exactly if exact else view

    def index_ids(self) -> list[str]:
        """The ids of the index images, in the order that rankings of a `view` count them."""
        return self._store.index_ids()

    def landmark_names(self, numbers: Iterable[int]) -> dict[int, str]:
        """The names of landmarks by the numbers that votes carry."""
        return self._store.landmark_names(numbers)

    def _fitted(self) -> Embedder:
        if self.embedder.learned_from is None:
            raise InputError(
                f"{self.folder} is empty; add photos with: steeple add {self.folder} PHOTOS"
            )
        return self.embedder
