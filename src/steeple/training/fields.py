"""Fields of dataclasses that know what may stand in them."""

from __future__ import annotations

import difflib
import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field, fields
from typing import TYPE_CHECKING, Any, TypeVar

from steeple.errors import InputError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["check_fields", "choice", "known", "number"]

Number = TypeVar("Number", int, float)

_BOUNDS: dict[str, tuple[Callable[[float, float], bool], str]] = {
    "least": (operator.ge, "{:g} or more"),
    "above": (operator.gt, "above {:g}"),
    "most": (operator.le, "{:g} or less"),
    "below": (operator.lt, "below {:g}"),
}
_HUGE = 10**300  # TOML has integers of any length, of which floats have no room for the longest
_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def number(
    default: Number,
    *,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    below: float | None = None,
) -> Number:
    """A field for a finite number.

    Args:
        default: its usual value; where that is an integer, only integers are allowed.
        least: the smallest that is allowed.
        above: what it must exceed.
        most: the largest that is allowed.
        below: what it must stay below.
    """
    bounds = {"least": least, "above": above, "most": most, "below": below}
    metadata = {name: bound for name, bound in bounds.items() if bound is not None}
    return field(default=default, metadata=metadata)


def choice(default: str, choices: Sequence[str]) -> str:
    """A field for one of some words."""
    return field(default=default, metadata={"choices": tuple(choices)})


def check_fields(settings: DataclassInstance, group: str) -> None:
    """Sees to it that every field has the type of its usual value, and is in its range.

    A whole number may stand where a number is wanted, and becomes a float.

    Args:
        settings: of a dataclass all of whose fields have defaults.
        group: named before the field in messages.

    Raises:
        InputError: if one has not, or is not.
    """
    for part in fields(settings):
        name, value, kind = f"{group}.{part.name}", getattr(settings, part.name), type(part.default)
        if kind is float and type(value) is int:
            value = float(value) if abs(value) < _HUGE else math.inf
            object.__setattr__(settings, part.name, value)
        if type(value) is not kind:
            raise InputError(f"{name} is {value!r}; it must be {_WORDS[kind]}")
        if value != part.default and (fault := _fault(value, part.metadata)):
            raise InputError(f"{name} is {value!r}; it must be {fault}")


def known(name: str, names: Iterable[str], what: str) -> None:
    """Refuses a name that is none of those there are, and says which is like it.

    Args:
        name: the name.
        names: those there are.
        what: they are names of.

    Raises:
        InputError: if it is none of them.
    """
    names = list(names)
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        way_out = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
        raise InputError(f"{name!r} is not {what}; {way_out}")


def _fault(value: Any, allowed: Mapping[str, Any]) -> str:
    """What a value would have to be, if it is not."""
    if isinstance(value, str):
        choices = allowed.get("choices", (value,))
        if value not in choices:
            return f"one of {', '.join(choices)}"
        return "" if value else "a text of one character or more"
    if isinstance(value, float) and not math.isfinite(value):
        return "a finite number"
    for bound, (holds, words) in _BOUNDS.items():
        if bound in allowed and not holds(value, allowed[bound]):
            return words.format(allowed[bound])
    return ""
