"""What can be said of a model without PyTorch: its header, and how large it is."""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from pathlib import Path

from steeple.embedding.storage import WEIGHTS, Header, read_header
from steeple.errors import InputError

__all__ = ["Inspection", "inspect_model"]

_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
_MOST = 100_000_000  # bytes that the description in a file of weights may have, as in safetensors


@dataclass(frozen=True)
class Inspection:
    """A model at a glance.

    Args:
        header: what ``model.json`` says.
        parameters: how many numbers training could change.
        bytes: of the file of weights.
    """

    header: Header
    parameters: int
    bytes: int


def inspect_model(folder: Path) -> Inspection:
    """Looks at the folder of a model, without reading its weights.

    Raises:
        InputError: if it holds none, or its weights are missing or damaged.
    """
    header = read_header(folder)
    file = folder / WEIGHTS
    try:
        with file.open("rb") as opened:
            (length,) = struct.unpack("<Q", opened.read(8))
            if length > _MOST:
                raise ValueError("it describes no tensors")
            described = json.loads(opened.read(length))
        parameters = sum(
            math.prod(tensor["shape"])
            for name, tensor in described.items()
            if name != "__metadata__" and not name.endswith(_STATISTICS)
        )
        size = file.stat().st_size
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}; make the model again") from error
    except (struct.error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{file} is damaged ({error}); make the model again") from error
    return Inspection(header, parameters, size)
