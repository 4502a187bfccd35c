"""What a value is that came out of a file which anyone may have written."""

from __future__ import annotations

from typing import TypeGuard

__all__ = ["is_number", "is_whole"]

_LARGEST = 1e300  # whole numbers may be too large for a float


def is_number(value: object) -> TypeGuard[float]:
    """Whether it is a finite number; JSON knows NaN, and Python takes True for 1."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < _LARGEST


def is_whole(value: object) -> TypeGuard[int]:
    """Whether it is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)
