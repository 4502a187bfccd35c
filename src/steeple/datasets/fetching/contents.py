"""Files that are opened with their own readers before they are believed.

A page that asks to log in, or to pay, comes with the right status and the right size. What is no
table of the data set, or no ground truth, is not kept as one.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from steeple.datasets.gldv2.tables import read_rows
from steeple.datasets.revisited import Revisited

__all__ = ["Check", "ground_truth", "table"]

Check: TypeAlias = Callable[[Path, Callable[[], None]], None]
"""Reads a file, calling the second argument now and then, which may stop it; raises LabelError."""


def table(*columns: str) -> Check:
    """The check of a table of GLD-v2: every line is read, and none is kept.

    Ids are not collected, which would need a gigabyte for the largest table; that they are unique
    is seen when it is used.

    Args:
        columns: those that it has to have.
    """

    def check(path: Path, keep_going: Callable[[], None]) -> None:
        for _ in read_rows(path, *columns):
            keep_going()

    return check


def ground_truth(name: str) -> Check:
    """The check of the ground truth of Revisited Oxford or Paris, a file of its published name.

    Args:
        name: of the data set.
    """

    def check(path: Path, _: Callable[[], None]) -> None:
        Revisited.read(path.parent, name)

    return check
