"""What steeple runs on: versions, optional extras, cores, memory, free disk."""

from __future__ import annotations

import os
import platform
import re
import shutil
from importlib import metadata
from pathlib import Path

__all__ = ["environment"]

_LIBRARIES = {
    "NumPy": "numpy",
    "SciPy": "scipy",
    "OpenCV": "opencv-python-headless",
    "FAISS": "faiss-cpu",
    "Pillow": "pillow",
}
_GB = 1e9


def environment(folder: Path | None = None) -> dict[str, str]:
    """Describes this machine and this installation, for people and for reports of faults.

    Args:
        folder: whose disk to look at; the current folder by default.

    Returns:
        Name -> text, in the order to show them.
    """
    import sqlite3

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    free = shutil.disk_usage(folder or Path.cwd()).free
    return {
        "steeple": _version("steeple"),
        "Python": platform.python_version(),
        **{name: _version(package) for name, package in _LIBRARIES.items()},
        "SQLite": sqlite3.sqlite_version,
        **{f"extra {name}": _extra(name, needs) for name, needs in _extras().items()},
        "system": platform.platform(),
        "cores": str(cores),
        "memory": _memory(),
        "free disk": f"{free / _GB:.1f} GB",
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _extras() -> dict[str, list[str]]:
    """The extras of this installation and the packages that each of them brings."""
    try:
        lines = metadata.requires("steeple") or []
    except metadata.PackageNotFoundError:
        return {}
    extras: dict[str, list[str]] = {}
    for line in lines:
        # PEP 508, as wheels carry it: pillow-heif>=1.0; extra == 'heif'
        match = re.match(r"([\w.-]+).*;.*\bextra\s*==\s*['\"]([\w-]+)['\"]", line)
        if match:
            extras.setdefault(match[2], []).append(match[1])
    return extras


def _extra(name: str, packages: list[str]) -> str:
    found = {package: _version(package) for package in packages}
    if "not installed" in found.values():
        return f"not installed; pip install 'steeple[{name}]'"
    return ", ".join(f"{package} {version}" for package, version in found.items())


def _memory() -> str:
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return "unknown"
    return f"{total / _GB:.1f} GB"
