"""The embedder that is a network: workers resize, the network describes batches of equal shape."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from steeple.embedding.describing import BATCH, describe_sized
from steeple.embedding.preprocessing import Sized
from steeple.embedding.ready import Ready
from steeple.embedding.storage import load_model, new_header, read_header, save_model
from steeple.errors import InputError, MachineError
from steeple.threads import available_cores

if TYPE_CHECKING:
    import torch

    from steeple.embedding.model import Model

__all__ = ["Learned"]

_ON_PROCESSOR = 8  # images a thread takes at a time: more are no faster there
_HOW = "how.json"  # what a collection has chosen that the model does not say: the precision
_LOADING = Lock()
_PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class Learned(Ready):
    """A model of ours as an embedder.

    PyTorch is needed, and the weights are read, when the first photo is described.

    Args:
        precision: what the network computes in: ``float32`` or ``bfloat16``.
        given: the model, where it lies nowhere yet.
    """

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
        if precision is not None and precision not in _PRECISIONS:
            raise InputError(f"no precision {precision!r}; there are: {', '.join(_PRECISIONS)}")
        sized = self.resized(scales, side)
        return replace(sized, precision=precision or self.precision)

    @property
    def kind(self) -> str:
        """``network``."""
        return "network"

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
        return self.held(256 if self.model.device.type == "cuda" else 64)

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
