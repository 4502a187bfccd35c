"""The embedder that is a network: workers resize, the network describes batches of equal shape."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from steeple.embedding.preprocessing import SCALES, Scales, Sized
from steeple.embedding.storage import Header, load_model, new_header, read_header, save_model
from steeple.errors import InputError, MachineError
from steeple.threads import available_cores

if TYPE_CHECKING:
    import torch

    from steeple.embedding.model import Model

__all__ = ["Describe", "Learned", "describe_sized"]

BATCH = 32
"""Images of 512 x 512 pixels that go through a network together at most; of larger ones, fewer."""

Describe: TypeAlias = Callable[[npt.NDArray[np.uint8]], npt.ArrayLike]
"""What a network says of images of one size: (B, H, W, 3) uint8 RGB to (B, D) float32, or what will
be that when NumPy asks for it."""

Run: TypeAlias = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]
"""How a function is applied to batches: like `map`, and several at a time where that is faster."""

_ON_PROCESSOR = 8  # images a thread takes at a time: more are no faster there
_HELD = 1 << 28  # bytes of photos that wait to be described at most
_HOW = "how.json"  # what a collection has chosen that the model does not say: the precision
_LOADING = Lock()
_PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class Learned:
    """A model as an embedder. Nothing is learned from the collection's own photos.

    PyTorch is needed, and the weights are read, when the first photo is described.

    Args:
        header: what the model is.
        folder: where it lies; None for one that lies nowhere yet.
        scales: at which sizes photos are looked at.
        max_side: long side, in pixels, of a photo at scale 1.
        precision: what the network computes in: ``float32`` or ``bfloat16``.
        given: the model, where it lies nowhere yet.
    """

    header: Header
    folder: Path | None
    scales: Scales
    max_side: int
    precision: str = "float32"
    given: Model | None = None

    @classmethod
    def open(cls, folder: Path) -> Learned:
        """The embedder of a model's folder.

        Raises:
            InputError: if it holds none.
        """
        header = read_header(folder)
        return cls(header, folder.absolute(), header.scales, header.max_side)

    @classmethod
    def of(cls, model: Model) -> Learned:
        """The embedder of a model in memory."""
        return cls(new_header(model), None, model.scales, model.max_side, given=model)

    def looking(
        self, *, scales: str | None = None, side: int | None = None, precision: str | None = None
    ) -> Learned:
        """The same model, looking at photos in another way.

        Args:
            scales: one of `SCALES`; None leaves them.
            side: long side of a photo at scale 1, in pixels; None leaves it.
            precision: ``float32`` or ``bfloat16``; None leaves it.

        Raises:
            InputError: if there are no such scales, or a value is out of range.
        """
        if scales is not None and scales not in SCALES:
            raise InputError(f"no scales are called {scales!r}; there are: {', '.join(SCALES)}")
        if side is not None and not 32 <= side <= 8192:
            raise InputError(f"a side of {side} pixels cannot be looked at; give 32 to 8192")
        if precision is not None and precision not in _PRECISIONS:
            raise InputError(f"no precision {precision!r}; there are: {', '.join(_PRECISIONS)}")
        own = self.scales
        if scales is not None:
            # The power of the mean belongs to the model, whatever the sizes.
            own = replace(SCALES[scales], power=own.power)
        return replace(
            self,
            scales=own,
            max_side=side or self.max_side,
            precision=precision or self.precision,
        )

    @property
    def name(self) -> str:
        """The name on the model's card."""
        return self.header.card.name

    @property
    def kind(self) -> str:
        """``network``."""
        return "network"

    @property
    def dimension(self) -> int:
        """Length of a descriptor."""
        return self.header.dimension

    @property
    def learned_from(self) -> int:
        """0: of the collection's own photos, none."""
        return 0

    @property
    def prepare(self) -> Scales:
        """Resizes an image to every scale; runs in worker processes."""
        return self.scales

    def fit(
        self,
        prepared: Sequence[Sized],  # noqa: ARG002 - as all embedders
        *,
        landmarks: Sequence[str | None] | None = None,  # noqa: ARG002
        seed: int = 0,  # noqa: ARG002
    ) -> Learned:
        """There is nothing to learn: itself."""
        return self

    @property
    def model(self) -> Model:
        """The network, read when it is first needed, and once however many threads need it.

        Raises:
            InputError: if its weights are damaged.
            MachineError: if the GPU has too little memory for it.
            MissingExtraError: if PyTorch or timm is not installed.
        """
        with _LOADING:
            return self._model

    @cached_property
    def _model(self) -> Model:
        if self.given is not None:
            return replace(self.given, scales=self.scales, max_side=self.max_side)
        assert self.folder is not None
        return replace(load_model(self.folder), scales=self.scales, max_side=self.max_side)

    @property
    def together(self) -> int:
        """How many photos it is best given at a time: enough of each shape to fill a GPU."""
        bytes_each = 3 * self.max_side**2 * sum(factor**2 for factor in self.scales.factors)
        most = 256 if self.model.device.type == "cuda" else 64
        return max(8, min(most, int(_HELD / bytes_each)))

    def encode(self, prepared: Sequence[Sized]) -> npt.NDArray[np.float32]:
        """Descriptors of photos that `prepare` has resized: (n, D) float32, L2-normalised.

        Raises:
            InputError: if the network says nothing finite of a photo.
            MachineError: if there is too little memory for a single photo.
        """
        from steeple.networks.machine import run_batches

        device, batch = self.model.device, BATCH
        if device.type == "cpu":
            # A small request is shared out over all threads, too.
            images = len(prepared) * len(self.scales.factors)
            batch = max(1, min(_ON_PROCESSOR, images // available_cores()))
        return describe_sized(
            self._describe,
            prepared,
            self.scales,
            self.dimension,
            batch=batch,
            run=partial(run_batches, device=device),
        )

    def _describe(self, images: npt.NDArray[np.uint8]) -> npt.ArrayLike:
        import torch

        try:
            found = self._model.describe(images, self.precision)
            return _Later(found) if found.is_cuda else found.numpy()
        except RuntimeError as error:
            memory = isinstance(error, torch.OutOfMemoryError)
            if not memory and "DefaultCPUAllocator" not in str(error):
                raise
            if len(images) == 1:
                height, width = images.shape[1:3]
                raise MachineError(
                    f"there is too little memory for a photo of {width} x {height} pixels with "
                    f"{self.name}; look at smaller ones ({self.name}:side=512)"
                ) from error
        # Half a batch at a time, and half of that if need be.
        half = len(images) // 2
        return np.concatenate(
            [np.asarray(self._describe(images[:half])), np.asarray(self._describe(images[half:]))]
        )

    def save(self, folder: Path) -> None:
        """Writes the model, and how it looks at photos, into an existing folder."""
        save_model(self.model, folder / "model")
        how = {"precision": self.precision}
        (folder / _HOW).write_text(json.dumps(how) + "\n")

    @classmethod
    def load(cls, folder: Path) -> Learned:
        """Reads what `save` wrote; the weights later."""
        precision = json.loads((folder / _HOW).read_text())["precision"]
        return cls.open(folder / "model").looking(precision=str(precision))


class _Later:
    """What a GPU is still computing; NumPy waits for it when it wants the numbers."""

    def __init__(self, found: torch.Tensor) -> None:
        self._found = found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.asarray(self._found.cpu().numpy(), dtype=dtype)


def describe_sized(
    describe: Describe,
    photos: Sequence[Sized],
    scales: Scales,
    dimension: int,
    *,
    batch: int = BATCH,
    run: Run = map,
) -> npt.NDArray[np.float32]:
    """Descriptors of photos at several scales: batches by shape, one descriptor out of the scales.

    Args:
        describe: what a network says of images of one size.
        photos: each at every scale.
        scales: how the answers become one.
        dimension: D.
        batch: images of 512 x 512 pixels together at most; of larger ones, fewer.
        run: how `describe` is applied to the batches.

    Returns:
        (n, D) float32, L2-normalised.

    Raises:
        InputError: if what the network says is not finite.
    """
    places = list(_batches(photos, batch))
    # Batches are stacked as they are needed: while a GPU works on one, the next gets ready.
    answers = run(lambda some: describe(np.stack([photos[n][s] for n, s in some])), places)
    found = np.zeros((len(photos), len(scales.factors), dimension), dtype=np.float32)
    for some, answer in zip(places, list(answers), strict=True):
        numbers, which = zip(*some, strict=True)
        found[list(numbers), list(which)] = np.asarray(answer)
    mean = scales.mean(found)
    if not np.isfinite(mean).all():
        raise InputError(
            "the network gives numbers that are not finite; use another model, or "
            "precision=float32 if it was another"
        )
    length = np.linalg.norm(mean, axis=1, keepdims=True)
    return np.asarray(mean / np.maximum(length, 1e-12), dtype=np.float32)


def _batches(photos: Sequence[Sized], most: int) -> Iterator[list[tuple[int, int]]]:
    """Numbers of photos and of scales whose images are of one shape, the largest shapes first."""
    shapes: dict[tuple[int, ...], list[tuple[int, int]]] = defaultdict(list)
    for number, photo in enumerate(photos):
        for scale, image in enumerate(photo):
            shapes[image.shape].append((number, scale))
    # Threads that end together waste least: what takes longest comes first.
    for shape in sorted(shapes, key=lambda shape: shape[0] * shape[1], reverse=True):
        size = max(1, min(most, most * 512 * 512 // (shape[0] * shape[1])))
        for start in range(0, len(shapes[shape]), size):
            yield shapes[shape][start : start + size]
