"""Ctrl-C that waits until nothing is in the middle of anything."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

__all__ = ["Interrupts", "Stopped"]


class Stopped(KeyboardInterrupt):
    """A training was interrupted, and can go on.

    Args:
        message: what was saved, and how to go on.
    """


class Interrupts:
    """Inside a ``with``, the first Ctrl-C is only noted; the second interrupts at once.

    Outside of the main thread, where no signal arrives, nothing is changed.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: Any = None

    def __enter__(self) -> Interrupts:
        """Begins to note."""
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Puts back what was there before."""
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
