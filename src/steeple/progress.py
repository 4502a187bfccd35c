"""How long work tells its caller how far it is, and how long it took."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import TypeAlias

__all__ = ["Progress", "Stopwatch", "silent"]

Progress: TypeAlias = Callable[[str, int, int | None], None]
"""Called with the stage, the photos done, and their number, None while it is unknown."""


def silent(stage: str, done: int, total: int | None) -> None:
    """The progress of a caller who wants none."""


@dataclass
class Stopwatch:
    """Wall time by stage.

    Args:
        seconds: stage -> seconds, in the order the stages ended.
    """

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times what happens inside; a stage that fails is not kept."""
        start = perf_counter()
        yield
        self.seconds[name] = perf_counter() - start
