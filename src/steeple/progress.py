"""How long work tells its caller how far it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

__all__ = ["Progress", "silent"]

Progress: TypeAlias = Callable[[str, int, int | None], None]
"""Called with the stage, the photos done, and their number, None while it is unknown."""


def silent(stage: str, done: int, total: int | None) -> None:
    """The progress of a caller who wants none."""
