"""The weights of networks: files of them, and those that are published."""

from __future__ import annotations

import pickle
import re
import socket
import urllib.request
import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from steeple.errors import InputError, MachineError

if TYPE_CHECKING:
    import torch

__all__ = ["fill", "imagenet_file", "read_weights"]

_NESTED = ("state_dict", "model", "state_dict_ema")  # where training scripts put the weights


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Reads a state dict without running anything that the file says.

    Args:
        path: ``.safetensors``, or what ``torch.save`` wrote.

    Returns:
        Name -> tensor, on the processor.

    Raises:
        InputError: if the file cannot be read or holds no tensors.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what it may warn of, it also refuses
            stored = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError, EOFError, ValueError, KeyError) as error:
        raise InputError(f"{path}: no weights can be read ({_line(error)})") from error
    except (RuntimeError, pickle.UnpicklingError) as error:
        # What PyTorch says here fills a screen.
        raise InputError(
            f"{path}: not a file of weights, or one that holds more than weights; "
            "give a .safetensors, or a .pth of a state dict"
        ) from error
    for name in _NESTED:
        stored = stored[name] if isinstance(stored, dict) and name in stored else stored
    tensors = _tensors(stored)
    if not tensors:
        raise InputError(f"{path}: holds no weights; give the file of a state dict")
    return tensors


def _tensors(stored: Any) -> dict[str, torch.Tensor]:
    import torch

    if not isinstance(stored, dict):
        return {}
    return {
        str(name).removeprefix("module."): value  # as DataParallel calls them
        for name, value in stored.items()
        if isinstance(value, torch.Tensor)
    }


def fill(module: torch.nn.Module, weights: Mapping[str, torch.Tensor], source: str) -> None:
    """Puts weights into a network; what they have beside it, such as a classifier, is left.

    Args:
        module: the network.
        weights: name -> tensor.
        source: what to call them in messages.

    Raises:
        InputError: if one is missing, of another shape, or not finite.
    """
    wanted = module.state_dict()
    missing = []
    for name, value in wanted.items():
        found = _named(weights, name)
        if found is None:
            if not name.endswith("num_batches_tracked"):
                missing.append(name)
            continue
        if found.shape != value.shape:
            raise InputError(
                f"{source}: {name} is of shape {tuple(found.shape)}, but the network has "
                f"{tuple(value.shape)}; name the network that the weights belong to"
            )
        if not found.isfinite().all():
            raise InputError(f"{source}: {name} is not finite; the file is damaged, replace it")
        wanted[name] = found
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise InputError(
            f"{source}: {missing[0]}{more} missing; name the network that the weights belong to"
        )
    module.load_state_dict(wanted)


def _named(weights: Mapping[str, torch.Tensor], name: str) -> torch.Tensor | None:
    # Cut at a stage, timm calls "stages_0." what is "stages.0." in the whole network.
    return weights.get(name, weights.get(re.sub(r"^([a-z]+)_(\d+)(?=\.)", r"\1.\2", name)))


def imagenet_file(config: Mapping[str, Any], name: str) -> Path:
    """The file of timm's published weights, downloaded unless it was before.

    Args:
        config: timm's ``pretrained_cfg`` of the network.
        name: of the network.

    Raises:
        InputError: if nobody has published weights of this network.
        MachineError: if they cannot be downloaded.
    """
    from huggingface_hub import constants, hf_hub_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    repository = config.get("hf_hub_id")
    if not repository:
        raise InputError(f"no weights of {name} are published; give a file of them")
    file = config.get("hf_hub_filename") or "model.safetensors"
    with suppress(LocalEntryNotFoundError):
        return Path(hf_hub_download(repository, file, local_files_only=True))
    try:
        _check_host(str(constants.ENDPOINT))
        return Path(hf_hub_download(repository, file))
    except Exception as error:  # every layer of the network has errors of its own
        raise MachineError(
            f"the weights of {name} ({repository}) cannot be downloaded ({_line(error)}); connect "
            "to the internet once, or give a file of them instead of 'imagenet'"
        ) from error


def _check_host(url: str) -> None:
    # Without a network, the client itself would try again for most of a minute.
    if not urllib.request.getproxies():
        socket.getaddrinfo(urlsplit(url).hostname, None)


def _line(error: Exception) -> str:
    return " ".join((str(error) or type(error).__name__).split())
