"""What ``torch.save`` wrote, read without running anything that the file says.

PyTorch's own restricted unpickler does the reading. Published files hold NumPy arrays and objects
of scikit-learn beside the weights. NumPy's own functions for those are not let in: a made-up dtype
in a pickle can have them take bytes for addresses. Instead their names lead to the few lines here,
which understand plain numbers and nothing else. Needs the extra ``torch``.
"""

from __future__ import annotations

import pickle
import re
import struct
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from steeple.errors import InputError
from steeple.networks.weights import read_weights

__all__ = ["Estimator", "read_stored"]

_NUMBERS = frozenset({"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"})
_DAMAGED = (
    *(RuntimeError, EOFError, OSError, ValueError, KeyError, TypeError, IndexError),
    *(AttributeError, AssertionError, OverflowError, MemoryError, RecursionError, struct.error),
)
"""What PyTorch raises, here or there, over files that are no checkpoints, or cut short."""


class Estimator:
    """Stands for an object of scikit-learn: its attributes, and nothing that it could do."""


class _Dtype:
    """Stands for ``numpy.dtype``."""

    def __init__(self, text: str, *_: Any) -> None:
        if not isinstance(text, str) or text not in _NUMBERS:
            raise pickle.UnpicklingError(f"an array of {text!r}, which are no numbers")
        self.text, self.order = text, "<"

    def __setstate__(self, state: Any) -> None:
        _, order, *described = state
        if order not in ("<", ">", "|") or any(part is not None for part in described[:3]):
            raise pickle.UnpicklingError("an array of records, which are no numbers")
        self.order = order

    def read(self, raw: bytes) -> npt.NDArray[Any]:
        """(n,) numbers, in this machine's order of bytes."""
        found = np.frombuffer(raw, np.dtype(self.order + self.text))
        return found.astype(np.dtype(self.text))


class _Array:
    """Stands for ``numpy.ndarray``."""

    values: npt.NDArray[Any] = np.zeros(0)

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, columns_first, raw = state
        if not isinstance(dtype, _Dtype) or not isinstance(raw, bytes):
            raise pickle.UnpicklingError("an array of objects, which are no numbers")
        self.values = dtype.read(raw).reshape(shape, order="F" if columns_first else "C")


def _reconstruct(*_: Any) -> _Array:
    """Stands for NumPy's function that makes the array that is then filled."""
    return _Array()


def _empty(*given: Any) -> bytes:
    """Stands for ``bytes``, which is called for the content of an array without content."""
    if given:
        raise pickle.UnpicklingError("an object, which is no number")
    return b""


def _scalar(dtype: Any, raw: Any) -> bool | int | float:
    """Stands for NumPy's function that makes a single number."""
    if not isinstance(dtype, _Dtype) or not isinstance(raw, bytes):
        raise pickle.UnpicklingError("an object, which is no number")
    (value,) = dtype.read(raw).tolist()
    return value  # type: ignore[no-any-return]


_STANDING: list[Any] = [
    *((_reconstruct, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")),
    *((_scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
    (_empty, "builtins.bytes"),
    (_Array, "numpy.ndarray"),
    (_Dtype, "numpy.dtype"),
    *((Estimator, f"sklearn.decomposition.{module}.PCA") for module in ("pca", "_pca")),
]
"""What may be met in a file beside tensors: the name there, and what is taken for it."""


def read_stored(path: Path) -> dict[str, Any]:
    """What a checkpoint holds, with NumPy's arrays as such.

    Args:
        path: ``.safetensors``, or what ``torch.save`` wrote, in its new or its old format.

    Returns:
        Name -> tensor, number, text, array, `Estimator`, or more of the same.

    Raises:
        InputError: if the file cannot be read, or could only be read by running what it says.
    """
    if path.suffix == ".safetensors":
        return dict(read_weights(path))
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; give the file of a model") from error
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(_STANDING):
            warnings.simplefilter("ignore")  # what it may warn of, it also refuses
            stored = _plain(torch.load(path, map_location="cpu", weights_only=True))
    except pickle.UnpicklingError as error:
        raise InputError(_refusal(path, str(error))) from error
    except _DAMAGED as error:
        raise InputError(
            f"{path}: no checkpoint can be read; it is cut short, damaged or none: download it "
            "again, and unpack it if it came in an archive"
        ) from error
    if not isinstance(stored, dict):
        raise InputError(f"{path}: holds {type(stored).__name__}, not a dictionary of weights")
    return stored


def _refusal(path: Path, reason: str) -> str:
    """One line out of what PyTorch says, which fills a screen."""
    named = re.search(r"GLOBAL ([\w.]+)", reason)
    if named:
        return (
            f"{path}: holds {named[1]}, which only running code from the file could read, and that "
            "is refused; download it again if it was cut short, or get a file of weights alone"
        )
    own = re.match(r"an (?:array|object)[^;\n]*", reason.rpartition("Error: ")[2])
    what = own[0] if own else "what is no checkpoint, or a damaged one"
    return f"{path}: holds {what}; download it again, or give a file of weights alone"


def _plain(value: Any) -> Any:
    """Arrays in place of what stands for them, at any depth."""
    if isinstance(value, _Array):
        return value.values
    if isinstance(value, Estimator):
        value.__dict__.update({key: _plain(inner) for key, inner in vars(value).items()})
        return value
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple) and not isinstance(value, torch.Size):
        return type(value)(_plain(inner) for inner in value)
    return value
