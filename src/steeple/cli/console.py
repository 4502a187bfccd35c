"""How the command line talks: tables and JSON on stdout, progress and errors on stderr.

Names of files and landmarks may hold anything, ``[red]`` and ``:cat:`` included, so nothing in a
string is ever read as markup here; what is to be coloured comes as a `rich.text.Text`.
"""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
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

__all__ = [
    "command",
    "console",
    "emit_json",
    "errors",
    "show_left_out",
    "show_table",
    "shown_progress",
    "size_text",
    "sure",
]

console = Console(markup=False, emoji=False, highlight=False, soft_wrap=True)
errors = Console(markup=False, emoji=False, highlight=False, soft_wrap=True, stderr=True)

_STAGES = {
    "learn": "learning from photos",
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
    "lists": "learning the index",
    "index": "building the index",
    "recall": "measuring recall",
    "measure": "measuring the search",
    "graph": "finding neighbours",
    "neighbourhoods": "finding neighbourhoods",
    "dba": "augmenting descriptors",
    "diffusion": "diffusing",
    "read": "reading descriptors",
    "convert": "unpacking descriptors",
    "voters": "finding voters",
    "neighbours": "searching the index",
    "query-voters": "naming queries",
    "background": "measuring contrast",
    "sizes": "asking for sizes",
    "train": "training",
    "validate": "validating",
    "download": "downloading",
    "unpack": "unpacking archives",
}
_IN_BYTES = frozenset({"download"})
_LISTED = 10  # photos named of those left out; --json names all
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


def show_left_out(photos: Sequence[tuple[str, str]], title: str = "left out") -> None:
    """Prints which photos were left out and why: the first of them, and how many more.

    Args:
        photos: path and reason of each.
        title: what became of them.
    """
    if not photos:
        return
    console.print(f"{len(photos):,} {title}:", style="yellow")
    for photo, reason in photos[:_LISTED]:
        text = reason if photo in reason else f"{photo}: {reason}"
        console.print(f"  {text}")
    if len(photos) > _LISTED:
        console.print(f"  and {len(photos) - _LISTED:,} more; --json names all")


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


def size_text(size: float) -> str:
    """Bytes as people say them, in powers of ten: ``1.9 GB``."""
    for unit in ("B", "kB", "MB"):
        if round(size, 1 if unit != "B" else 0) < 1000:
            return f"{size:,.{unit != 'B':d}f} {unit}"
        size /= 1000
    return f"{size:,.1f} GB"


@contextmanager
def shown_progress() -> Iterator[Progress]:
    """Shows the progress of long work: bars with rate and ETA on a terminal, lines elsewhere."""
    if errors.is_terminal:
        with _bars() as bars:
            yield _on(bars)
    else:
        yield _Lines()


class _Count(MofNCompleteColumn):
    """Photos, or bytes, done and to be done."""

    def render(self, task: Task) -> Text:
        if not task.fields.get("in_bytes"):
            return super().render(task)
        done = size_text(task.completed)
        text = f"{done}/{size_text(task.total)}" if task.total else done
        return Text(text, style="progress.download")


class _Rate(ProgressColumn):
    """Photos, or bytes, per second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        if not speed or not task.total:
            return Text("")
        text = size_text(speed) if task.fields.get("in_bytes") else f"{speed:,.1f}"
        return Text(f"{text}/s", style="cyan")


def _bars() -> Bars:
    return Bars(
        SpinnerColumn(),
        TextColumn("{task.description:<22}"),
        BarColumn(),
        _Count(),
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
            tasks[stage] = bars.add_task(
                _STAGES.get(stage, f"re-ranking: {stage}"),
                total=total,
                completed=done,  # what an earlier run has done is no speed of this one
                in_bytes=stage in _IN_BYTES,
            )
        bars.update(tasks[stage], completed=done, total=total)

    return progress


class _Lines:
    """Progress as lines: where a stage begins, ends, and every ten seconds between."""

    def __init__(self) -> None:
        self._stages: dict[str, _Stage] = {}
        self._last = ""

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        now = monotonic()
        known = self._stages.get(stage)
        again = stage != self._last and known is not None and known.ended
        self._last = stage
        if known is None or again:
            # Bytes that an earlier run brought took no time of this one.
            before = done if stage in _IN_BYTES else 0
            known = self._stages[stage] = _Stage(now, now, before, done)
        elif done == known.done or (done != total and now - known.told < _EVERY):
            return
        known.told, known.done = now, done
        known.ended = done == total or (total is None and stage not in _IN_BYTES)
        errors.print(known.line(stage, total))


@dataclass
class _Stage:
    """Where a stage began and what was last said of it; two stages may go on at once."""

    began: float
    told: float
    first: int
    done: int
    ended: bool = False

    def line(self, stage: str, total: int | None) -> str:
        line = _STAGES.get(stage, f"re-ranking: {stage}")
        say = size_text if stage in _IN_BYTES else "{:,}".format
        if total is None and stage in _IN_BYTES:
            return f"{line}: {say(self.done)}"
        if not total:
            return line
        line += f": {say(self.done)} of {say(total)}"
        spent, done = self.told - self.began, self.done - self.first
        if done and spent >= 1:
            rate = size_text(done / spent) if stage in _IN_BYTES else f"{done / spent:,.1f}"
            line += f", {rate}/s, {spent * (total - self.done) / done:,.0f} s left"
        return line
