"""What an embedder is, and how one is stored.

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

__all__ = [
    "EMBEDDERS",
    "READERS",
    "RGB",
    "TOGETHER",
    "Embedder",
    "load_embedder",
    "photos_together",
    "save_embedder",
]

RGB: TypeAlias = npt.NDArray[np.uint8]
"""An image: (H, W, 3) uint8, upright."""


TOGETHER = 64
"""Photos that `encode` is given at a time, where the embedder does not ask for another number."""


class Embedder(Protocol):
    """Turns images into descriptors: (n, dimension) float32, L2-normalised."""

    @property
    def name(self) -> str:
        """What to call it, such as ``sift-vlad``."""

    @property
    def kind(self) -> str:
        """Which of `EMBEDDERS` and `READERS` reads it again."""

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

    def fit(
        self,
        prepared: Sequence[Any],
        *,
        landmarks: Sequence[str | None] | None = None,
        seed: int = 0,
    ) -> Embedder:
        """A copy of this embedder that has learned from prepared images.

        Args:
            prepared: per image, what `prepare` returned.
            landmarks: per image its landmark, None where nobody knows; None if nobody asked.
            seed: of every random choice.
        """

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


def _network() -> type[Embedder]:
    from steeple.embedding.learned import Learned

    return Learned


def _onnx() -> type[Embedder]:
    from steeple.embedding.onnx import Onnx

    return Onnx


def _ensemble() -> type[Embedder]:
    from steeple.embedding.ensemble import Ensemble

    return Ensemble


def _reduced() -> type[Embedder]:
    from steeple.embedding.reduction import Reduced

    return Reduced


EMBEDDERS: dict[str, Callable[[], type[Embedder]]] = {"sift-vlad": _sift_vlad}
"""Embedders that can be made from nothing, by name. An entry imports its module when asked for."""

READERS: dict[str, Callable[[], type[Embedder]]] = {
    "network": _network,
    "onnx": _onnx,
    "ensemble": _ensemble,
    "reduced": _reduced,
}
"""The other kinds of embedders, which are made from something and only read again by kind."""


def photos_together(embedder: Embedder) -> int:
    """How many photos `encode` is best given at a time: its ``together``, if it has one."""
    return int(getattr(embedder, "together", TOGETHER))


def save_embedder(embedder: Embedder, folder: Path) -> None:
    """Writes an embedder into a new folder that `load_embedder` understands."""
    folder.mkdir(parents=True)
    embedder.save(folder)
    (folder / "embedder.json").write_text(json.dumps({"name": embedder.kind}) + "\n")


def load_embedder(folder: Path) -> Embedder:
    """Reads what `save_embedder` wrote.

    Raises:
        CollectionError: if the folder holds no embedder or a damaged one.
        MissingExtraError: if it needs an extra that is not installed.
    """
    try:
        kind = json.loads((folder / "embedder.json").read_text())["name"]
        known = EMBEDDERS | READERS
        if kind not in known:
            raise InputError(f"it is of kind {kind!r}, which this version does not know")
        return known[kind]().load(folder)
    except CollectionError:  # of an embedder inside this one, and it says which
        raise
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
