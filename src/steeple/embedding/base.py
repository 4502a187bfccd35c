"""What an embedder is, and the table of their names.

An embedder turns an image into a descriptor in two steps, because they run in different places:
`prepare` is the costly part per image and runs in worker processes (for SIFT-VLAD: the local
features), `encode` turns what was prepared into descriptors, many at a time, where the model lies.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from steeple.errors import CollectionError, InputError

__all__ = ["EMBEDDERS", "RGB", "Embedder", "create_embedder", "load_embedder", "save_embedder"]

RGB: TypeAlias = npt.NDArray[np.uint8]
"""An image: (H, W, 3) uint8, upright."""


class Embedder(Protocol):
    """Turns images into descriptors: (n, dimension) float32, L2-normalised."""

    @property
    def name(self) -> str:
        """The name it is asked for by, such as ``sift-vlad``."""

    @property
    def dimension(self) -> int:
        """Length of a descriptor."""

    @property
    def max_side(self) -> int:
        """Long side, in pixels, to which a photo is shrunk before `prepare` sees it."""

    @property
    def learned_from(self) -> int | None:
        """How many photos `fit` has seen; None if it was never fitted and needs to be."""

    @property
    def prepare(self) -> Callable[[RGB], Any]:
        """The part that runs per image in a worker process; it and its results can be pickled."""

    def fit(self, prepared: Sequence[Any], *, seed: int) -> Embedder:
        """A copy of this embedder that has learned from prepared images."""

    def encode(self, prepared: Sequence[Any]) -> npt.NDArray[np.float32]:
        """Descriptors of prepared images: (n, dimension) float32, L2-normalised."""

    def save(self, folder: Path) -> None:
        """Writes what was learned into an existing folder."""

    @classmethod
    def load(cls, folder: Path) -> Embedder:
        """Reads what `save` wrote."""


def _sift_vlad() -> type[Embedder]:
    from steeple.embedding.vlad import SiftVlad

    return SiftVlad


EMBEDDERS: dict[str, Callable[[], type[Embedder]]] = {"sift-vlad": _sift_vlad}
"""The embedders by name. Each entry imports its module when it is asked for."""


def create_embedder(name: str) -> Embedder:
    """A new embedder, not fitted yet.

    Raises:
        InputError: if no embedder has this name.
    """
    return _find(name)()


def save_embedder(embedder: Embedder, folder: Path) -> None:
    """Writes an embedder into a new folder that `load_embedder` understands."""
    folder.mkdir(parents=True)
    embedder.save(folder)
    (folder / "embedder.json").write_text(json.dumps({"name": embedder.name}) + "\n")


def load_embedder(folder: Path) -> Embedder:
    """Reads what `save_embedder` wrote.

    Raises:
        CollectionError: if the folder holds no embedder or a damaged one.
    """
    try:
        name = json.loads((folder / "embedder.json").read_text())["name"]
        return _find(name).load(folder)
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        EOFError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise CollectionError(
            f"{folder} holds no readable embedder ({error}); build the collection again"
        ) from error


def _find(name: str) -> type[Embedder]:
    if name not in EMBEDDERS:
        raise InputError(f"no embedder is called {name!r}; there is: {', '.join(EMBEDDERS)}")
    return EMBEDDERS[name]()
