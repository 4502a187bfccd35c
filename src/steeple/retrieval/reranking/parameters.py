"""Re-rankers as text: a name, and the parameters that differ from what they are by default."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import partial
from typing import Any, TypeAlias, get_type_hints

from steeple.errors import InputError
from steeple.retrieval.reranking.base import Reranker

__all__ = ["Factory", "Parameter", "parameters", "parse_link"]

Factory: TypeAlias = Callable[..., Reranker]
"""The dataclass of a re-ranker, or a `functools.partial` of one that fixes some of its fields."""

_KINDS: Mapping[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
}
_MOST = (1 << 31) - 1  # of what a whole number counts; NumPy and the disk know no more
_BOOLS = {"true": True, "yes": True, "false": False, "no": False}


@dataclass(frozen=True)
class Parameter:
    """One field of a re-ranker that text can set.

    Args:
        name: of the field.
        kind: bool, int or float.
        default: its value where nobody sets it.
    """

    name: str
    kind: type
    default: Any

    def __str__(self) -> str:
        default = str(self.default)
        return f"{self.name}={default.lower() if self.kind is bool else default}"

    def read(self, text: str) -> bool | int | float:
        """The value that a text states.

        Raises:
            InputError: if it is of another kind, NaN, or a count too small or too large.
        """
        value: bool | int | float
        try:
            value = _BOOLS[text.strip().lower()] if self.kind is bool else self.kind(text)
        except (KeyError, ValueError) as error:
            raise InputError(f"{self.name} is {_KINDS[self.kind]}, not {text.strip()!r}") from error
        if math.isnan(value):
            raise InputError(f"{self.name} is NaN; it must be a number")
        # Whole numbers among parameters count images, neighbours or rounds, and where none of
        # them is possible that is the default.
        if self.kind is int and value < min(1, self.default):
            raise InputError(f"{self.name} is {value}; it must be at least {min(1, self.default)}")
        if self.kind is int and value > _MOST:
            raise InputError(f"{self.name} is {value}; it must be at most {_MOST}")
        return value


def parameters(factory: Factory) -> dict[str, Parameter]:
    """What can be set of a re-ranker: the numbers and switches among its fields.

    Args:
        factory: what makes it.

    Returns:
        The parameters by name, in the order of the fields; without what the factory fixes.
    """
    kind: Any = factory.func if isinstance(factory, partial) else factory
    fixed = factory.keywords if isinstance(factory, partial) else {}
    hints = get_type_hints(kind)
    return {
        field.name: Parameter(field.name, hints[field.name], field.default)
        for field in fields(kind)
        if hints[field.name] in _KINDS and field.name not in fixed
    }


def parse_link(text: str, factories: Mapping[str, Factory]) -> Reranker:
    """The re-ranker that a text such as ``aqe:alpha=0:n=5`` describes.

    Args:
        text: a name, and any number of ``:parameter=value``.
        factories: what makes the re-rankers, by name.

    Raises:
        InputError: if there is no such name or parameter, a value is of the wrong kind or
            impossible, or a parameter is given twice.
    """
    name, *given = (part.strip() for part in text.split(":"))
    if name not in factories:
        raise InputError(f"no re-ranker is called {name!r}; there are: {', '.join(factories)}")
    known = parameters(factories[name])
    try:
        return factories[name](**_values(given, known))
    except InputError as error:
        raise InputError(f"re-ranker {name}: {error}") from error


def _values(given: list[str], known: Mapping[str, Parameter]) -> dict[str, bool | int | float]:
    """The values of ``parameter=value`` texts."""
    there_are = ", ".join(map(str, known.values())) or "none"
    values: dict[str, bool | int | float] = {}
    for item in given:
        key, equals, value = (part.strip() for part in item.partition("="))
        if not equals:
            raise InputError(
                f"{item!r} is no parameter; write NAME:PARAMETER=VALUE (its parameters: "
                f"{there_are})"
            )
        if key not in known:
            raise InputError(f"there is no parameter {key!r}; its parameters: {there_are}")
        if key in values:
            raise InputError(f"{key} is given twice; give it once")
        values[key] = known[key].read(value)
    return values
