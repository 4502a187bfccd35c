"""Which of the whitenings that lie in a file beside the network is taken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from steeple.embedding.checkpoints.stored import Stored

__all__ = ["NONE", "choose"]

NONE = "none"
"""The name that asks for no whitening."""

T = TypeVar("T")


def choose(
    stored: Stored, there: Mapping[str, T], asked: str | None, usual: str
) -> tuple[str, T] | None:
    """One of several whitenings.

    Args:
        stored: the file that they lie in.
        there: name -> whitening.
        asked: for which the user asks; `NONE` for none; None takes the usual one.
        usual: the name of the one that the publishers' own figures are of.

    Returns:
        Name and whitening; None for none.

    Raises:
        InputError: if there is none of the name that is asked for.
    """
    if asked == NONE or (asked is None and not there):
        return None
    name = asked or (usual if usual in there else sorted(there)[0])
    if name not in there:
        known = f"it has: {', '.join(sorted(there))}" if there else "it has none"
        raise stored.refuse(f"has no whitening {name!r}; {known}")
    return name, there[name]
