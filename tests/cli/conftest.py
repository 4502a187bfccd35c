"""One small city and one collection of it for all verbs, and two ways to run them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from steeple.cli.app import main
from steeple.collection import Collection
from steeple.demo import City, build_city

STEEPLE = Path(sys.executable).with_name("steeple")


@dataclass(frozen=True)
class Ran:
    """What a command left: its exit code and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on stdout."""
        assert "\x1b" not in self.out
        return json.loads(self.out)

    def refused(self, code: int, *words: str) -> None:
        """Checks that it ended in one line about these words, on stderr, and said nothing else."""
        lines = [line for line in self.err.splitlines() if line.startswith("error: ")]
        assert self.code == code, self
        assert self.out == ""
        assert len(lines) == 1, self.err
        assert self.err.splitlines()[-1] == lines[0], self.err
        assert "Traceback" not in self.err
        for word in words:
            assert word in lines[0]


@pytest.fixture
def steeple(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Runs the command in this process."""

    def run(*words: object) -> Ran:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        said = capsys.readouterr()
        return Ran(int(ended.value.code or 0), said.out, said.err)

    return run


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """The environment for a process of its own: nobody's colours, widths or buffering."""
    odd = ("FORCE_COLOR", "PYTHONUNBUFFERED", "COLUMNS", "PYTHONIOENCODING", "NO_COLOR")
    return {name: value for name, value in os.environ.items() if name not in odd}


@pytest.fixture(scope="session")
def shell(environment: dict[str, str]) -> Callable[..., Ran]:
    """Runs the real command in a process of its own."""

    def run(*words: object, cwd: Path | None = None, **variables: str) -> Ran:
        done = subprocess.run(
            [STEEPLE, *map(str, words)],
            capture_output=True,
            text=True,
            cwd=cwd,
            env=environment | variables,
            timeout=120,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture(scope="session")
def city(tmp_path_factory: pytest.TempPathFactory) -> City:
    """Rendered photos in GLD-v2 layout; nobody may change them."""
    out = tmp_path_factory.mktemp("city") / "city"
    return build_city(out, photos=44, size=200, seed=3, workers=1)


@pytest.fixture(scope="session")
def built(city: City, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The collection of the city; nobody may change it."""
    folder = tmp_path_factory.mktemp("built") / "places"
    Collection.build(city.root, folder, workers=1)[0].close()
    return folder


@pytest.fixture
def places(built: Path, tmp_path: Path) -> Path:
    """A copy of the collection, to be changed."""
    return shutil.copytree(built, tmp_path / "places")


@pytest.fixture(scope="session")
def photos(city: City) -> list[Path]:
    """The queries of the city: photos that the collection does not have."""
    return sorted((city.root / "test").rglob("*.jpg"))
