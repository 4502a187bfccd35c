"""The one guard before optional libraries."""

from __future__ import annotations

import importlib
from types import ModuleType

from steeple.errors import MissingExtraError

__all__ = ["need"]


def need(module: str, extra: str) -> ModuleType:
    """Imports a library that only an extra brings.

    Args:
        module: its name for ``import``.
        extra: the extra of steeple that brings it.

    Returns:
        The module.

    Raises:
        MissingExtraError: if it is not installed, or is but cannot be loaded.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        library = module.partition(".")[0]
        missing = isinstance(error, ModuleNotFoundError) and error.name in (library, module)
        reason = "is not installed" if missing else f"cannot be loaded ({error})"
        raise MissingExtraError(
            f"this needs {library}, which {reason}; pip install 'steeple[{extra}]'"
        ) from error
