"""How people write down an embedder: names, parameters, ensembles, a reduction.

    sift-vlad
    small:side=640
    sift-vlad+small:weight=0.5
    sift-vlad+small,reduce:dim=256:whiten=pca

Members are joined by ``+``, parameters follow by colons, and what is done to the descriptors
afterwards follows a comma. The names of folders may hold any of these.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from steeple.errors import InputError

__all__ = ["Member", "Recipe", "parse_recipe", "with_reduction"]

_REDUCED = re.compile(r"(?P<inner>.+),\s*reduce(?P<given>(?::[^:,]*)*)\s*", re.DOTALL)


@dataclass(frozen=True)
class Member:
    """One embedder.

    Args:
        name: its name, or a folder.
        parameters: as they were written.
    """

    name: str
    parameters: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """As it is written."""
        return self.name + _written(self.parameters)


@dataclass(frozen=True)
class Recipe:
    """Everything that a text says.

    Args:
        members: one, or those of an ensemble.
        reduction: the parameters of what is done to the descriptors; None if nothing is.
    """

    members: tuple[Member, ...]
    reduction: dict[str, str] | None = None

    def __str__(self) -> str:
        """As it is written."""
        text = "+".join(map(str, self.members))
        return text if self.reduction is None else f"{text},reduce{_written(self.reduction)}"

    def renamed(self, name: Callable[[str], str]) -> Recipe:
        """The same with other names for its members."""
        return replace(self, members=tuple(replace(m, name=name(m.name)) for m in self.members))


def parse_recipe(text: str, is_folder: Callable[[str], bool]) -> Recipe:
    """What a text says.

    Args:
        text: as people write it.
        is_folder: whether a text is the name of a folder with an embedder in it; such a name is
            taken whole, whatever it holds.

    Raises:
        InputError: if a name is missing, or a parameter is none or given twice.
    """
    text = text.strip()
    if is_folder(text):
        return Recipe((Member(text),))
    reduction = None
    if found := _REDUCED.fullmatch(text):
        text = found["inner"]
        reduction = _parameters("reduce", found["given"].split(":")[1:])
    pieces = text.split("+")
    members: list[Member] = []
    while pieces:
        # As many pieces as make the name of a folder; otherwise one.
        counts = range(len(pieces), 0, -1)
        count = next((n for n in counts if _member("+".join(pieces[:n]), is_folder, any_=False)), 1)
        member = _member("+".join(pieces[:count]), is_folder, any_=True)
        assert member is not None
        members.append(member)
        del pieces[:count]
    return Recipe(tuple(members), reduction)


def with_reduction(text: str, dimension: int | None, whitening: str) -> str:
    """The text of an embedder whose descriptors are reduced, or whitened, or neither.

    Args:
        text: of an embedder.
        dimension: how many numbers a descriptor is to have; None keeps as many as there are.
        whitening: ``none``, ``pca`` or ``supervised``.

    Raises:
        InputError: if the text asks for a reduction already.
    """
    if dimension is None and whitening == "none":
        return text
    if _REDUCED.fullmatch(text):
        raise InputError(f"{text!r} says already how it is reduced; say it in one place")
    size = "" if dimension is None else f":dim={dimension}"
    return f"{text},reduce{size}:whiten={whitening}"


def _member(text: str, is_folder: Callable[[str], bool], *, any_: bool) -> Member | None:
    """A name and its parameters; None if `any_` is not wanted and the name is no folder's."""
    pieces = text.strip().split(":")
    for count in range(len(pieces), 0, -1):
        name = ":".join(pieces[:count]).strip()
        rest = ":".join(pieces[count:])
        if "+" not in rest and is_folder(name):  # what has a + in it is of another member
            return Member(name, _parameters(name, pieces[count:]))
    if not any_:
        return None
    name = pieces[0].strip()
    if not name:
        raise InputError(
            f"{text!r} names no embedder; write sift-vlad, small, the folder of a model, a network "
            "of timm, or several of them joined by +"
        )
    return Member(name, _parameters(name, pieces[1:]))


def _parameters(name: str, given: list[str]) -> dict[str, str]:
    """The values of ``parameter=value`` texts."""
    values: dict[str, str] = {}
    for item in given:
        key, equals, value = (part.strip() for part in item.partition("="))
        if not (key and equals and value) or key in values:
            raise InputError(
                f"{name}: {item!r} is no parameter, or given twice; write {name}:NAME=VALUE"
            )
        values[key] = value
    return values


def _written(parameters: dict[str, str]) -> str:
    return "".join(f":{key}={value}" for key, value in parameters.items())
