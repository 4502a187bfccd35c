"""What the benchmarks share: the machine they ran on, the table they print, the JSON they write."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

__all__ = [
    "Measured",
    "alternate",
    "describe_machine",
    "median_ratio",
    "new_parser",
    "print_table",
    "report",
    "restart_with_threads",
    "run_measured",
]

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_LIBRARIES = ("numpy", "opencv-python-headless", "faiss-cpu", "scipy", "pillow", "torch")


def new_parser(description: str | None) -> argparse.ArgumentParser:
    """An argument parser with the option every benchmark has: ``--json OUT``."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures here as JSON")
    return parser


def restart_with_threads(threads: int) -> None:
    """Limits every library to so many threads.

    They read their limits when they are loaded, so this runs the script again where they differ.
    """
    wanted = dict.fromkeys(_THREAD_VARIABLES, str(threads))
    if any(os.environ.get(name) != value for name, value in wanted.items()):
        sys.stdout.flush()
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | wanted)


def alternate(rounds: int, *contestants: Callable[[], Any]) -> list[list[float]]:
    """Times functions in turn, so that a busy moment of the machine hits all of them.

    Args:
        rounds: how often each runs, after one round that does not count.
        contestants: what to time.

    Returns:
        Per contestant its seconds, one per round.
    """
    seconds: list[list[float]] = [[] for _ in contestants]
    for counts in [False] + [True] * rounds:
        for contestant, times in zip(contestants, seconds, strict=True):
            start = time.perf_counter()
            contestant()
            if counts:
                times.append(time.perf_counter() - start)
    return seconds


def median_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median over rounds of our time divided by theirs in the same round."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


@dataclass(frozen=True)
class Measured:
    """What a process of its own said, and what it took.

    Args:
        code: its exit code.
        output: what it printed.
        seconds: from its start to its end.
        own_mb: the most memory of its own that it was seen to have (RssAnon, every 20 ms).
        total_mb: the most resident memory it had (VmHWM), with the pages of mapped files, which
            the system takes back at will.
    """

    code: int
    output: str
    seconds: float
    own_mb: float
    total_mb: float


def run_measured(command: Sequence[str]) -> Measured:
    """Runs a command in a process of its own and watches its memory from outside.

    A thread inside would see nothing while a library works and holds the interpreter.
    """
    begun = time.perf_counter()
    peaks = {"RssAnon": 0.0, "VmHWM": 0.0}
    with tempfile.TemporaryFile("w+") as output:
        with subprocess.Popen(command, stdout=output) as process:
            try:
                while process.poll() is None:
                    for name, megabytes in _resident(process.pid).items():
                        peaks[name] = max(peaks[name], megabytes)
                    time.sleep(0.02)
            finally:
                process.kill()  # nothing, unless this process is being ended
        seconds = time.perf_counter() - begun
        output.seek(0)
        said = output.read()
    return Measured(process.returncode, said, seconds, peaks["RssAnon"], peaks["VmHWM"])


def describe_machine() -> dict[str, Any]:
    """Processor, cores, memory, versions, load and date."""
    libraries = {}
    for name in _LIBRARIES:
        try:
            libraries[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9, 1),
        "threads": os.environ.get(_THREAD_VARIABLES[0], "all"),
        "load": round(os.getloadavg()[0], 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        **libraries,
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def print_table(headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Prints rows under headings; the first column to the left, numbers to the right."""
    cells = [[str(heading) for heading in headings]]
    cells += [[f"{x:.4g}" if isinstance(x, float) else str(x) for x in row] for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headings))]
    cells.insert(1, ["-" * width for width in widths])
    for row in cells:
        rest = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        print("  ".join([row[0].ljust(widths[0]), *rest]))


def report(name: str, figures: dict[str, Any], out: Path | None) -> None:
    """Prints the machine and writes everything as JSON where a file is given."""
    machine = describe_machine()
    print()
    print(", ".join(f"{key} {value}" for key, value in machine.items()))
    if out is not None:
        content = {"benchmark": name, "figures": figures, "machine": machine}
        out.write_text(json.dumps(content, indent=2) + "\n")


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _resident(process: int) -> dict[str, float]:
    """Resident memory of a process in MB; nothing once it has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return {}
    pairs = (line.split(":", 1) for line in lines)
    return {
        name: int(value.split()[0]) / 1024 for name, value in pairs if name in ("RssAnon", "VmHWM")
    }
