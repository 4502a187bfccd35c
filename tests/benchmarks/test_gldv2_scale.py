"""The rehearsal at the size of GLD-v2: what it runs anew, what it refuses, and how it ends.

Its stages are not run: each leaves what the test says.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
OFFLINE = [
    "data",
    "neighbours",
    "search-training",
    "search-index",
    "votes-queries",
    "votes-index",
    "beliefs",
    "graph",
]
SCORES = dict.fromkeys(("public", "private", "all", "known", "unknown"), 30.0)


@pytest.fixture
def scale(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The script as a module."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield importlib.import_module("gldv2_scale")
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) == str(BENCHMARKS / f"{name}.py"):
            del sys.modules[name]


@pytest.fixture
def ran(
    scale: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., list[str]]:
    """Runs the script; which stages ran. `took` says what a stage takes, `codes` how it ends."""

    def run(
        *words: str, took: dict[str, float] | None = None, codes: dict[str, int] | None = None
    ) -> list[str]:
        stages: list[str] = []

        def measured(command: list[str]) -> Any:
            stage = command[command.index("--stage") + 1]
            stages.append(stage)
            figures = {**SCORES, "offline_s": 0.0, "online_ms": 1.0}
            own = (took or {}).get(stage, 100.0)
            code = (codes or {}).get(stage, 0)
            return scale.Measured(code, json.dumps(figures), 1.0, own, 30_000.0)

        monkeypatch.setattr(scale, "run_measured", measured)
        arguments = ["gldv2_scale.py", "--folder", str(tmp_path), *words]
        monkeypatch.setattr(sys, "argv", arguments)
        monkeypatch.setattr(scale.signal, "signal", lambda *_: None)
        scale.main()
        return stages

    return run


METHODS = ("--methods", "knn", "aqe")


def test_runs_what_has_not_run(ran: Callable[..., list[str]]) -> None:
    assert ran(*METHODS) == [*OFFLINE, "method knn", "method aqe"]
    assert ran("--methods", "knn", "aqe", "sort") == ["method sort"]
    assert ran(*METHODS) == []


@pytest.mark.parametrize(
    ("again", "runs"),
    [
        ("aqe", ["method aqe"]),
        ("neighbours", ["neighbours", "method knn", "method aqe"]),
        ("graph", ["graph", "method knn", "method aqe"]),
        ("search-index", ["search-index", "graph", "method knn", "method aqe"]),
        ("votes-index", ["votes-index", "beliefs", "method knn", "method aqe"]),
        (
            "search-training",
            ["search-training", "votes-index", "beliefs", "method knn", "method aqe"],
        ),
        ("data", [*OFFLINE, "method knn", "method aqe"]),
    ],
)
def test_again_takes_what_depends_on_it_along(
    ran: Callable[..., list[str]], tmp_path: Path, again: str, runs: list[str]
) -> None:
    ran("--methods", "knn", "aqe", "sort")
    shelf = tmp_path / "exact" / "shelf"
    shelf.mkdir()
    assert ran(*METHODS, "--again", again) == runs
    assert shelf.exists() == ("graph" not in runs)
    # What was not asked for this time is not what it was either.
    stale = again != "aqe"
    assert ran("--methods", "knn", "aqe", "sort") == (["method sort"] if stale else [])


def test_what_was_interrupted_goes_on(ran: Callable[..., list[str]], tmp_path: Path) -> None:
    """The marker of rows that are done stays; a stage that runs takes what depends on it along."""
    ran(*METHODS)
    folder = tmp_path / "exact"
    (folder / "stages" / "votes-index.json").unlink()
    (folder / "voters-index.done").write_text("8192")
    (folder / "graph.done").write_text("9")
    assert ran(*METHODS) == ["votes-index", "beliefs", "method knn", "method aqe"]
    assert (folder / "voters-index.done").read_text() == "8192"
    ran(*METHODS, "--again", "search-training")
    assert not (folder / "voters-index.done").exists()
    assert (folder / "graph.done").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--methods", "knn", "bogus"), "--methods bogus: no re-ranker is called 'bogus'"),
        (("--methods", "knn", "--again", "aqe"), "--again aqe: there is no such stage"),
    ],
)
def test_refuses_what_does_not_exist(
    ran: Callable[..., list[str]],
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    said: str,
) -> None:
    with pytest.raises(SystemExit) as ended:
        ran(*words)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_a_method_that_fails(
    ran: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="method aqe ended with exit code 3"):
        ran(*METHODS, codes={"method aqe": 3})
    out = capsys.readouterr().out
    assert "failed" in out
    assert "is the published one" not in out
    assert "too few of the published methods ran to compare their order" in out
    assert ran(*METHODS) == ["method aqe"]


def test_too_much_memory(ran: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    """Of its own; 30 GB of mapped files are shown and do not count."""
    ran(*METHODS, took={"graph": 16_384.0})
    out = capsys.readouterr().out
    assert "the most memory: 16,384 MB of its own, which counts, by graph" in out
    assert "30,000 MB with the pages of mapped files, which does not count" in out
    with pytest.raises(SystemExit, match="graph took 16,385 MB of its own: MORE THAN 16 GB"):
        ran(*METHODS, "--again", "graph", took={"graph": 16_385.0})
    with pytest.raises(SystemExit, match="graph took 16,385 MB"):  # nor is it forgotten
        ran(*METHODS)


def test_the_order(scale: ModuleType) -> None:
    assert scale.order_remarks({"knn": 1.0, "aqe": 2.0}) == [
        "the order of knn, aqe is the published one"
    ]
    assert scale.order_remarks({"knn": 2.0, "aqe": 1.0})[1] == "  knn 2.00 is above aqe 1.00"
