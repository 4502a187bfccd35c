"""The examples run as they stand and print what they promise."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from steeple.demo import build_city

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(name: str, *arguments: str) -> str:
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_re_ranking_own_features_beats_similarity_alone() -> None:
    figures = dict(line.rsplit(" ", 1) for line in run("own_features.py").splitlines())
    knn, two_stage = (float(value) for value in figures.values())
    assert two_stage > knn + 5


@pytest.mark.parametrize("times", [1, 2])
def test_a_folder_becomes_an_answer(times: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("example")
    city = build_city(root / "city", photos=20, size=160, workers=1)
    query = next((city.root / "test").rglob("*.jpg"))
    for _ in range(times):  # the second run opens what the first has built
        printed = run(
            "folder_to_answer.py", str(city.root), str(query), str(root / "places")
        ).splitlines()
    assert printed[-1].split()[1] in {"retrieved", "sorted", "inserted"}
    assert ("photos" in printed[0]) == (times == 1)
