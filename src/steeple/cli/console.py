"""How the command line talks: tables and JSON on stdout, progress and errors on stderr.

Names of files and landmarks may hold anything, ``[red]`` and ``:cat:`` included, so nothing in a
string is ever read as markup here; what is to be coloured comes as a `rich.text.Text`.
"""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text

from steeple.progress import Progress

__all__ = ["command", "console", "emit_json", "errors", "show_table", "shown_progress", "sure"]

console = Console(markup=False, emoji=False, highlight=False, soft_wrap=True)
errors = Console(markup=False, emoji=False, highlight=False, soft_wrap=True, stderr=True)

_STAGES = {
    "learn": "learning visual words",
    "embed": "describing photos",
    "vote": "voting",
    "verify": "verifying voters",
    "judge": "learning whom to believe",
    "queries": "describing queries",
    "match": "verifying queries",
    "attention": "learning attention",
    "reduction": "learning the reduction",
    "clean": "verifying labels",
    "render": "rendering the city",
    "database": "checking the database",
    "descriptors": "checking descriptors",
    "photos": "checking photos",
    "repair": "describing again",
}
_EVERY = 10.0  # seconds between lines where there is no terminal
_WIDE = 1_000_000  # columns where there is no terminal: nobody there wants an id in two pieces


def emit_json(data: Any) -> None:
    """Writes one JSON document to stdout, as it is: no wrapping, no colour."""
    text = json.dumps(data, ensure_ascii=False, indent=2) + "\n"
    try:
        text.encode(sys.stdout.encoding)
    except UnicodeEncodeError:  # a Latin-1 terminal, or the name of a file that is not UTF-8
        text = json.dumps(data, indent=2) + "\n"
    sys.stdout.write(text)
    sys.stdout.flush()  # a reader that has gone is noticed here, not when Python ends


def show_table(table: Table) -> None:
    """Prints a table, cut to the terminal; where there is none, every row is one line."""
    if console.is_terminal:
        console.print(table, soft_wrap=False)
    else:
        Console(markup=False, emoji=False, highlight=False, width=_WIDE).print(table)


def command(*words: object) -> str:
    """A command line of ours that can be pasted into this shell.

    Args:
        words: what follows the command's name.
    """
    called = Path(sys.argv[0])
    found = shutil.which("steeple") is not None or called.stem != "steeple"
    return shlex.join(["steeple" if found else str(called), *(str(word) for word in words)])


def sure(probability: float) -> str:
    """A probability as people say it: ``87 % sure``."""
    return f"{100 * probability:.0f} % sure"


@contextmanager
def shown_progress() -> Iterator[Progress]:
    """Shows the progress of long work: bars with rate and ETA on a terminal, lines elsewhere."""
    if errors.is_terminal:
        with _bars() as bars:
            yield _on(bars)
    else:
        yield _Lines()


class _Rate(ProgressColumn):
    """Photos per second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.1f}/s" if speed and task.total else "", style="cyan")


def _bars() -> Bars:
    return Bars(
        SpinnerColumn(),
        TextColumn("{task.description:<22}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=errors,
        transient=True,
    )


def _on(bars: Bars) -> Progress:
    tasks: dict[str, Any] = {}

    def progress(stage: str, done: int, total: int | None) -> None:
        if stage not in tasks:
            for earlier in tasks.values():  # a stage without a number ends when the next begins
                if bars.tasks[earlier].total is None:
                    bars.update(earlier, total=1, completed=1)
            tasks[stage] = bars.add_task(_STAGES.get(stage, f"re-ranking: {stage}"), total=total)
        bars.update(tasks[stage], completed=done, total=total)

    return progress


class _Lines:
    """Progress as lines: where a stage begins, ends, and every ten seconds between."""

    def __init__(self) -> None:
        self._stage = ""
        self._done = 0
        self._started = 0.0
        self._last = 0.0

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        now = monotonic()
        if stage != self._stage:
            self._stage, self._started = stage, now
        elif done == self._done or (done != total and now - self._last < _EVERY):
            return
        self._last, self._done = now, done
        line = _STAGES.get(stage, f"re-ranking: {stage}")
        if total:
            spent = now - self._started
            line += f": {done:,} of {total:,}"
            if done and spent >= 1:
                line += f", {done / spent:,.1f}/s, {spent * (total - done) / done:,.0f} s left"
        errors.print(line)
