"""Counts bytes that several threads bring."""

from __future__ import annotations

from threading import Lock

from steeple.progress import Progress

__all__ = ["Meter"]


class Meter:
    """Adds up what threads report and passes it on, one call at a time.

    Args:
        progress: told how far it is.
        stage: what is counted.
        done: how much there is already.
        total: how much there will be; None: unknown.
    """

    def __init__(self, progress: Progress, stage: str, done: int, total: int | None) -> None:
        self._progress = progress
        self._stage = stage
        self._done = done
        self._total = total
        self._lock = Lock()
        progress(stage, done, total)

    def add(self, amount: int) -> None:
        """Counts more; less than 0 takes back what turned out to be of no use."""
        with self._lock:
            self._done += amount
            self._progress(self._stage, self._done, self._total)
