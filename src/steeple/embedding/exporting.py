"""A model as an ONNX graph, checked against PyTorch before anything is written.

Needs the extras ``torch`` and ``onnx``.
"""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from steeple.embedding.onnx import DESCRIPTOR, GRAPH, IMAGES, RAW, header_text, new_session
from steeple.embedding.storage import HEADER, new_header
from steeple.errors import InputError
from steeple.extras import need
from steeple.networks.folder import check_free, write_folder

if TYPE_CHECKING:
    import torch

    from steeple.embedding.model import Model

__all__ = ["CHECKED", "TOLERANCE", "Export", "export_onnx"]

TOLERANCE = 1e-4
"""Largest difference allowed between a number of PyTorch's descriptor and of ONNX Runtime's."""

CHECKED = ((1, 224, 288), (2, 160, 128), (3, 97, 131))
"""Random images that an export is checked on: how many, height and width in pixels."""

_TRACED = 2, 128, 160  # images, height, width that the exporter sees; none of them stays fixed
_LARGEST = (1 << 31) - (1 << 24)  # bytes of weights that a file of ONNX has room for


@dataclass(frozen=True)
class Export:
    """What an export came to.

    Args:
        bytes: of the graph's file.
        opset: version of ONNX that it needs.
        difference: largest one from PyTorch, over the numbers of L2-normalised descriptors.
    """

    bytes: int
    opset: int
    difference: float


def export_onnx(model: Model, folder: Path) -> Export:
    """Writes a model as ONNX into a new folder, whole or not at all.

    Args:
        model: the model; its weights are copied, and stay where they are.
        folder: does not exist yet, or is empty.

    Raises:
        InputError: if something is there already, the network cannot be exported, or what comes
            out differs from PyTorch by more than `TOLERANCE`.
        StorageError: if it cannot be written.
        MissingExtraError: if a library for it is not installed.
    """
    for library in ("onnx", "onnxscript", "onnxruntime"):
        need(library, "onnx")
    check_free(folder)
    name = model.card.name
    weights = sum(p.numel() * p.element_size() for p in model.network.parameters())
    if weights > _LARGEST:
        raise InputError(
            f"{name} has {weights / 1e9:.1f} GB of weights, and a file of ONNX has room for 2.1; "
            "export a smaller network"
        )
    network = _graph_of(model)
    graph, opset = _traced(network, name)
    difference = _largest_difference(network, graph, name)
    if not difference <= TOLERANCE:  # NaN included
        raise InputError(
            f"{name} as ONNX differs from PyTorch by {difference:.1e}, more than {TOLERANCE:.0e}; "
            "use the model itself, or export another network"
        )
    header = replace(new_header(model), sha256=sha256(graph).hexdigest())
    write_folder(folder, {GRAPH: graph, HEADER: header_text(header).encode()})
    return Export(len(graph), opset, difference)


def _graph_of(model: Model) -> torch.nn.Module:
    """Pixels to descriptors as one module on the processor, colours included."""
    import torch
    from torch.nn import functional

    class Whole(torch.nn.Module):
        mean: torch.Tensor
        std: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            network = copy.deepcopy(model.network).cpu().eval()
            self.network = network.to(memory_format=torch.contiguous_format)
            self.reversed = model.colours.channels == "BGR"
            self.register_buffer("mean", torch.tensor(model.colours.mean) * 255)
            self.register_buffer("std", torch.tensor(model.colours.std) * 255)

        def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            pixels = images.flip(-1) if self.reversed else images
            normal = (pixels.float() - self.mean) / self.std
            raw = self.network.raw(normal.permute(0, 3, 1, 2))
            return raw, functional.normalize(raw, dim=1)

    return Whole().eval()


def _traced(network: torch.nn.Module, name: str) -> tuple[bytes, int]:
    """The graph of a module, of any number of images of any size, and its version of ONNX."""
    import torch
    from torch.export import Dim

    count, height, width = _TRACED
    try:
        with _quiet():
            program = torch.onnx.export(
                network,
                (torch.zeros(count, height, width, 3, dtype=torch.uint8),),
                dynamo=True,
                dynamic_shapes={"images": {0: Dim.DYNAMIC, 1: Dim.DYNAMIC, 2: Dim.DYNAMIC}},
                input_names=[IMAGES],
                output_names=[RAW, DESCRIPTOR],
                verbose=False,
                external_data=False,
            )
            assert program is not None
            proto = program.model_proto
    except (torch.onnx.errors.OnnxExporterError, RuntimeError) as error:
        reason = " ".join((str(error) or type(error).__name__).split())
        raise InputError(
            f"{name} cannot be exported ({reason[:200]}); use the model itself, or another network"
        ) from error
    opset = max(one.version for one in proto.opset_import if one.domain in ("", "ai.onnx"))
    return bytes(proto.SerializeToString()), int(opset)


def _largest_difference(network: torch.nn.Module, graph: bytes, name: str) -> float:
    """Between the L2-normalised descriptors of random images, over all numbers."""
    import torch

    session = new_session(graph, f"{name} as ONNX")
    random = np.random.default_rng(0)
    differences = []
    for count, height, width in CHECKED:
        images = random.integers(0, 256, (count, height, width, 3), dtype=np.uint8)
        with torch.inference_mode():
            expected = network(torch.from_numpy(images))[1].numpy()
        found = session.run([DESCRIPTOR], {IMAGES: images})[0]
        differences.append(float(np.abs(found - expected).max()))
    return float(np.max(differences))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the exporter from talking: it prints, logs and warns of what it deals with itself."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
