"""Models on ONNX Runtime: for serving, without PyTorch.

The folder that `exporting.export_onnx` writes: ``model.json``, as of any model, and ``model.onnx``.
The graph takes ``images``, (B, H, W, 3) uint8 RGB of any size, as decoders give them: the colours
are normalised inside, so that no client can get them wrong and a quarter of the bytes travel. It
gives ``raw``, (B, D) float32, and ``descriptor``, the same L2-normalised. Several scales are put
together outside, as `Scales` says.
"""

from __future__ import annotations

import json
import multiprocessing
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from steeple.embedding.base import TOGETHER
from steeple.embedding.describing import describe_sized
from steeple.embedding.preprocessing import Sized
from steeple.embedding.ready import Ready
from steeple.embedding.storage import HEADER, Header, read_header
from steeple.errors import InputError, MachineError
from steeple.extras import need
from steeple.threads import available_cores

__all__ = ["DESCRIPTOR", "GRAPH", "IMAGES", "RAW", "Onnx", "header_text", "is_onnx", "new_session"]

GRAPH = "model.onnx"
"""The file of the graph, beside `HEADER`."""

IMAGES, RAW, DESCRIPTOR = "images", "raw", "descriptor"
"""The names of what the graph takes and gives."""

_FORMAT = 1  # of the header, which `read_header` checks


def is_onnx(folder: Path) -> bool:
    """Whether a folder is an exported model."""
    return (folder / HEADER).is_file() and (folder / GRAPH).is_file()


def header_text(header: Header) -> str:
    """What ``model.json`` says of an exported model."""
    stored = {"format": _FORMAT, "onnx": True, **asdict(header)}
    return json.dumps(stored, indent=2, ensure_ascii=False) + "\n"


def new_session(graph: bytes, name: str) -> Any:
    """ONNX Runtime, ready to run a graph.

    A thread per core, and one in a worker process. They sleep while they wait: spinning, as is the
    default, they would take the cores from the processes that decode photos.

    Args:
        graph: the content of a ``model.onnx``.
        name: what to call it in messages.

    Raises:
        InputError: if it is no graph, or none of ours.
        MissingExtraError: if ONNX Runtime is not installed.
    """
    runtime = need("onnxruntime", "onnx")
    state = need("onnxruntime.capi.onnxruntime_pybind11_state", "onnx")
    options = runtime.SessionOptions()
    worker = multiprocessing.parent_process() is not None
    options.intra_op_num_threads = 1 if worker else available_cores()
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # a plan of memory is good for one size of image only
    options.log_severity_level = 3  # errors
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    wanted = ("CUDAExecutionProvider", "CPUExecutionProvider")
    there = [one for one in wanted if one in runtime.get_available_providers()]
    try:
        session = runtime.InferenceSession(graph, options, providers=there)
    except (
        state.Fail,
        state.InvalidArgument,
        state.InvalidGraph,
        state.InvalidProtobuf,
        state.NotImplemented,
        state.RuntimeException,
    ) as error:
        raise InputError(
            f"{name} cannot be read ({_line(error)}); export the model again"
        ) from error
    gives = {output.name for output in session.get_outputs()}
    if [one.name for one in session.get_inputs()] != [IMAGES] or not {RAW, DESCRIPTOR} <= gives:
        raise InputError(f"{name} is no model of ours; write one with: steeple export MODEL")
    return session


@dataclass(frozen=True)
class Onnx(Ready):
    """An exported model as an embedder.

    ONNX Runtime is needed, and the graph is read, when the first photo is described.

    Args:
        folder: where it lies.
    """

    folder: Path

    @classmethod
    def open(cls, folder: Path) -> Onnx:
        """The embedder of an exported model's folder.

        Raises:
            InputError: if it holds none.
        """
        header = read_header(folder)
        return cls(header, folder.absolute(), header.scales, header.max_side)

    def looking(
        self, *, scales: str | None = None, side: int | None = None, precision: str | None = None
    ) -> Onnx:
        """The same model, looking at photos in another way.

        Args:
            scales: one of `SCALES`; None leaves them.
            side: long side of a photo at scale 1, in pixels; None leaves it.
            precision: ``float32``; an exported model knows no other.

        Raises:
            InputError: if there are no such scales, or a value is out of range.
        """
        if precision not in (None, "float32"):
            raise InputError(f"an exported model computes in float32, not in {precision!r}")
        return self.resized(scales, side)

    @property
    def kind(self) -> str:
        """``onnx``."""
        return "onnx"

    @cached_property
    def session(self) -> Any:
        """ONNX Runtime with the graph, read when it is first needed.

        Raises:
            InputError: if it is damaged.
            MissingExtraError: if ONNX Runtime is not installed.
        """
        need("onnxruntime", "onnx")
        file = self.folder / GRAPH
        try:
            graph = file.read_bytes()
        except OSError as error:
            raise InputError(f"{file}: {error.strerror}; export the model again") from error
        if sha256(graph).hexdigest() != self.header.sha256:
            raise InputError(
                f"{file} is damaged: it is not what was written; export the model again"
            )
        return new_session(graph, str(file))

    @property
    def together(self) -> int:
        """How many photos it is best given at a time: as many as memory holds, within reason."""
        return self.held(TOGETHER)

    def encode(self, prepared: Sequence[Sized]) -> npt.NDArray[np.float32]:
        """Descriptors of photos that `prepare` has resized: (n, D) float32, L2-normalised.

        Raises:
            InputError: if the model says nothing finite of a photo.
            MachineError: if ONNX Runtime gives up, as it does where memory runs out.
        """
        return describe_sized(self._describe, prepared, self.scales, self.dimension)

    def _describe(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        wanted = DESCRIPTOR if self.scales.normalise else RAW
        session, state = self.session, need("onnxruntime.capi.onnxruntime_pybind11_state", "onnx")
        try:
            return np.asarray(session.run([wanted], {IMAGES: images})[0], dtype=np.float32)
        except (state.Fail, state.RuntimeException) as error:
            count, height, width = images.shape[:3]
            raise MachineError(
                f"{self.name}: {count} photos of {width} x {height} pixels cannot be described "
                f"({_line(error)}); look at smaller ones ({self.name}:side=512)"
            ) from error

    def save(self, folder: Path) -> None:
        """Copies the model into an existing folder, with how it looks at photos."""
        inside = folder / "model"
        inside.mkdir()
        shutil.copyfile(self.folder / GRAPH, inside / GRAPH)
        header = replace(self.header, scales=self.scales, max_side=self.max_side)
        (inside / HEADER).write_text(header_text(header), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Onnx:
        """Reads what `save` wrote; the graph later."""
        if not is_onnx(folder / "model"):
            raise InputError(f"{folder / 'model'} is no exported model")
        return cls.open(folder / "model")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
