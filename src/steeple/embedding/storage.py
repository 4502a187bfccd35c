"""A model as a folder: JSON that says what it is, and its weights as safetensors.

Nothing in it is ever run: no pickle, no code.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, replace
from functools import partial
from hashlib import file_digest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steeple.embedding.card import Card
from steeple.embedding.preprocessing import Colours, Scales
from steeple.embedding.values import is_whole
from steeple.errors import InputError
from steeple.extras import need
from steeple.networks.folder import write_folder

if TYPE_CHECKING:
    import torch

    from steeple.embedding.model import Model

__all__ = [
    "HEADER",
    "WEIGHTS",
    "Header",
    "is_model",
    "load_model",
    "new_header",
    "read_header",
    "save_model",
]

HEADER, WEIGHTS = "model.json", "model.safetensors"
"""The two files of a model."""

_FORMAT = 1
_LONGEST = 1 << 16  # numbers of a descriptor, pixels of a side; more is a mistake


@dataclass(frozen=True)
class Header:
    """What ``model.json`` says.

    Args:
        architecture: the fields of `Architecture`.
        dimension: of the descriptors.
        max_side: long side, in pixels, of a photo at scale 1.
        colours: what the network expects.
        scales: at which sizes a photo is looked at.
        card: where the model comes from.
        sha256: of the file of weights, as hexadecimal digits.
    """

    architecture: dict[str, Any]
    dimension: int
    max_side: int
    colours: Colours
    scales: Scales
    card: Card
    sha256: str


def is_model(folder: Path) -> bool:
    """Whether a folder calls itself a model."""
    return (folder / HEADER).is_file()


def read_header(folder: Path) -> Header:
    """What kind of model a folder holds, without PyTorch and without reading its weights.

    Raises:
        InputError: if it holds none, or one that this version does not understand.
    """
    try:
        stored = json.loads((folder / HEADER).read_text(encoding="utf-8"))
        if not isinstance(stored, dict) or not is_whole(stored.get("format")):
            raise ValueError("it names no format")
        if stored["format"] != _FORMAT:
            raise ValueError(f"it is of format {stored['format']}, this version reads {_FORMAT}")
        return _parsed(stored)
    except FileNotFoundError as error:
        raise InputError(
            f"{folder} holds no model; make one: steeple train PHOTOS --out {folder}"
        ) from error
    except KeyError as error:
        raise InputError(
            f"{folder / HEADER} cannot be read (it says nothing of {error}); make the model again"
        ) from error
    except (OSError, ValueError, TypeError) as error:
        raise InputError(
            f"{folder / HEADER} cannot be read ({error}); make the model again"
        ) from error


def _parsed(stored: dict[str, Any]) -> Header:
    """The header of a JSON document; KeyError, ValueError or TypeError if something is wrong."""
    for name in ("dimension", "max_side"):
        if not is_whole(stored[name]) or not 1 <= stored[name] <= _LONGEST:
            raise ValueError(f"{name} is {stored[name]!r}, not 1 to {_LONGEST}")
    if not re.fullmatch("[0-9a-f]{64}", stored["sha256"]):
        raise ValueError(f"sha256 is {stored['sha256']!r}, not 64 hexadecimal digits")
    for name in ("architecture", "colours", "scales", "card"):
        if not isinstance(stored[name], dict):
            raise TypeError(f"{name} is {stored[name]!r}")
    colours, scales, card = (dict(stored[name]) for name in ("colours", "scales", "card"))
    for part, name in (
        (colours, "mean"),
        (colours, "std"),
        (scales, "factors"),
        (card, "landmarks"),
    ):
        if not isinstance(part[name], list):
            raise TypeError(f"{name} is {part[name]!r}")
        part[name] = tuple(part[name])
    return Header(
        architecture=stored["architecture"],
        dimension=stored["dimension"],
        max_side=stored["max_side"],
        colours=Colours(**colours),
        scales=Scales(**scales),
        card=Card(**card),
        sha256=stored["sha256"],
    )


def new_header(model: Model) -> Header:
    """The header of a model whose weights lie nowhere yet."""
    return Header(
        architecture=asdict(model.network.architecture),
        dimension=model.network.dimension,
        max_side=model.max_side,
        colours=model.colours,
        scales=model.scales,
        card=model.card,
        sha256="",
    )


def save_model(model: Model, folder: Path) -> None:
    """Writes a model into a new folder, whole or not at all.

    Raises:
        InputError: if something is there already.
        StorageError: if it cannot be written.
    """

    def write_header(path: Path) -> None:
        header = replace(new_header(model), sha256=_digest(path.with_name(WEIGHTS)))
        stored = {"format": _FORMAT, **asdict(header)}
        path.write_text(json.dumps(stored, indent=2) + "\n", encoding="utf-8")

    write_folder(folder, {WEIGHTS: partial(_write_weights, model.network), HEADER: write_header})


def _write_weights(network: torch.nn.Module, path: Path) -> None:
    """Writes weights from where they lie, without their file in memory; OSError if it cannot."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    tensors = {name: value.cpu().contiguous() for name, value in network.state_dict().items()}
    try:
        save_file(tensors, path)
    except SafetensorError as error:
        raise OSError(" ".join(str(error).split())) from error


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()


def load_model(folder: Path) -> Model:
    """Reads what `save_model` wrote.

    Raises:
        InputError: if the folder holds no model, a damaged one, or one of another network.
        MissingExtraError: if PyTorch or timm is not installed.
    """
    header = read_header(folder)
    for library in ("torch", "timm", "safetensors"):
        need(library, "torch")
    from steeple.embedding.model import Model, on_device
    from steeple.embedding.network import Architecture, new_network
    from steeple.networks.weights import fill, read_weights

    file = folder / WEIGHTS
    try:
        found = _digest(file)
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}; make the model again") from error
    if found != header.sha256:
        raise InputError(f"{file} is damaged: it is not what was written; make the model again")
    try:
        network = new_network(Architecture(**header.architecture))
    except (TypeError, InputError) as error:
        raise InputError(
            f"{folder / HEADER} describes no network ({error}); make the model again"
        ) from error
    if network.dimension != header.dimension:
        raise InputError(
            f"{folder / HEADER} speaks of {header.dimension} numbers, but its network gives "
            f"{network.dimension}; make the model again"
        )
    fill(network, read_weights(file), str(file))
    return Model(on_device(network), header.card, header.colours, header.scales, header.max_side)
