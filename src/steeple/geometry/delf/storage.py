"""A DELF model as a folder: a JSON file that says what it is, and a file of tensors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from steeple.errors import InputError
from steeple.geometry.delf.attention import new_attention
from steeple.geometry.delf.reduction import Reduction
from steeple.networks.backbone import Backbone, load_backbone
from steeple.networks.folder import write_folder
from steeple.networks.weights import fill, read_weights

if TYPE_CHECKING:
    import torch

__all__ = ["Header", "Model", "is_delf", "load_delf", "read_header", "save_delf"]

_FORMAT = 1
_HEADER, _TENSORS = "delf.json", "delf.safetensors"


@dataclass(frozen=True)
class Model:
    """All that was learned.

    Args:
        backbone: gives the feature maps.
        attention: says which cells count; None where it was not trained.
        reduction: to the descriptors' dimension.
    """

    backbone: Backbone
    attention: torch.nn.Module | None
    reduction: Reduction


@dataclass(frozen=True)
class Header:
    """What ``delf.json`` says.

    Args:
        format: of the folder.
        backbone: timm's name of the network.
        stride: of its feature map, in pixels.
        mean: (3,) of the colours that the network expects.
        std: (3,) their standard deviations.
        attention: whether it was trained.
        dimension: of the descriptors.
        digest: BLAKE2b of the file of tensors, 16 bytes as hexadecimal digits.
    """

    format: int
    backbone: str
    stride: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    attention: bool
    dimension: int
    digest: str


def is_delf(folder: Path) -> bool:
    """Whether a folder calls itself a DELF model."""
    return (folder / _HEADER).is_file()


def save_delf(model: Model, folder: Path) -> None:
    """Writes a model into a new folder, whole or not at all.

    Raises:
        InputError: if something is there already.
        StorageError: if it cannot be written.
    """
    from safetensors.torch import save

    data = save({name: value.contiguous().cpu() for name, value in _tensors(model).items()})
    backbone = model.backbone
    header = Header(
        format=_FORMAT,
        backbone=backbone.name,
        stride=backbone.receptive.stride,
        mean=tuple(backbone.mean),
        std=tuple(backbone.std),
        attention=model.attention is not None,
        dimension=model.reduction.basis.shape[1],
        digest=_digest(data),
    )
    text = json.dumps(asdict(header), indent=2) + "\n"
    write_folder(folder, {_TENSORS: data, _HEADER: text.encode()})


def read_header(folder: Path) -> Header:
    """What kind of model a folder holds, without reading its tensors.

    Raises:
        InputError: if it holds none, or one that this version does not understand.
    """
    try:
        stored = json.loads((folder / _HEADER).read_text(encoding="utf-8"))
        if not isinstance(stored, dict) or not isinstance(stored.get("format"), int):
            raise ValueError("it names no format")
        if stored["format"] != _FORMAT:
            raise ValueError(f"it is of format {stored['format']}, this version reads {_FORMAT}")
        header = Header(**stored)
        _check_types(header)
        return replace(header, mean=tuple(header.mean), std=tuple(header.std))
    except FileNotFoundError as error:
        raise InputError(
            f"{folder} holds no DELF model; make one: steeple delf PHOTOS --out {folder}"
        ) from error
    except (OSError, ValueError, TypeError) as error:
        raise InputError(
            f"{folder / _HEADER} cannot be read ({error}); make the model again"
        ) from error


def _check_types(header: Header) -> None:
    kinds = {"backbone": str, "stride": int, "attention": bool, "dimension": int, "digest": str}
    wrong = [name for name, kind in kinds.items() if not isinstance(getattr(header, name), kind)]
    for name in ("mean", "std"):
        values = getattr(header, name)
        triple = isinstance(values, list) and len(values) == 3
        if not triple or not all(isinstance(value, float) for value in values):
            wrong.append(name)
    if wrong:
        raise ValueError(f"{wrong[0]} is {getattr(header, wrong[0])!r}")


def load_delf(folder: Path) -> Model:
    """Reads what `save_delf` wrote.

    Raises:
        InputError: if the folder holds no model, a damaged one, or one of another network.
        MissingExtraError: if PyTorch or timm is not installed.
    """
    header = read_header(folder)
    backbone = load_backbone(header.backbone, stride=header.stride, weights="random")
    file = folder / _TENSORS
    try:
        digest = _digest(file.read_bytes())
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}; make the model again") from error
    if digest != header.digest:
        raise InputError(f"{file} is damaged: it is not what was written; make the model again")
    weights = read_weights(file)
    fill(backbone.network, _below("backbone.", weights), str(file))
    attention = None
    if header.attention:
        attention = new_attention(backbone.channels).to(backbone.device).eval()
        fill(attention, _below("attention.", weights), str(file))
    return Model(
        replace(backbone, mean=header.mean, std=header.std),
        attention,
        _reduction(weights, (backbone.channels, header.dimension), file),
    )


def _reduction(
    weights: Mapping[str, torch.Tensor], shape: tuple[int, int], file: Path
) -> Reduction:
    mean, basis = weights.get("reduction.mean"), weights.get("reduction.basis")
    if mean is None or basis is None or mean.shape != shape[:1] or basis.shape != shape:
        raise InputError(f"{file}: no reduction to {shape[1]} dimensions; make the model again")
    arrays = [np.asarray(tensor.numpy(), dtype=np.float32) for tensor in (mean, basis)]
    if not all(np.isfinite(array).all() for array in arrays):
        raise InputError(f"{file}: the reduction is not finite; make the model again")
    return Reduction(*arrays)


def _tensors(model: Model) -> dict[str, torch.Tensor]:
    import torch

    parts: dict[str, Any] = {"backbone": model.backbone.network, "attention": model.attention}
    tensors = {
        f"{part}.{name}": value
        for part, module in parts.items()
        if module is not None
        for name, value in module.state_dict().items()
    }
    tensors["reduction.mean"] = torch.from_numpy(model.reduction.mean)
    tensors["reduction.basis"] = torch.from_numpy(model.reduction.basis)
    return tensors


def _below(prefix: str, weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in weights.items()
        if name.startswith(prefix)
    }


def _digest(data: bytes) -> str:
    return blake2b(data, digest_size=16).hexdigest()
