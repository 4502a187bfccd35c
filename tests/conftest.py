"""What the tests of several rooms share."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Before NumPy is imported: small matrix products of many tests, and the processes some of them
# start, otherwise wait for each other on a machine that is busy.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import HealthCheck, settings

# A busy machine is no failure, and what passed once passes again: a run never depends on luck.
# New examples are looked for on purpose, with --hypothesis-profile=explore.
settings.register_profile(
    "steeple",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile("steeple")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of photographs and ground truth beside the checkout, which not everyone has."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip(
            "the folder 'shared' with photographs and ground truth is not beside the checkout"
        )
    return folder


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A web server on this machine that breaks and lies as it is told: tests/served.py."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    with _served().serve() as server:
        yield server


@pytest.fixture
def page() -> Any:
    """What the server gives away: the class of tests/served.py."""
    return _served().Page


def _served() -> Any:
    if "served" not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            "served", Path(__file__).with_name("served.py")
        )
        assert spec is not None
        assert spec.loader is not None
        sys.modules["served"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules["served"])
    return sys.modules["served"]
