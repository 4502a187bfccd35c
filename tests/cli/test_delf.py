"""steeple delf: a model from photos, and what is said of it."""

from __future__ import annotations

import json
import shutil

import pytest
import typer

from steeple.cli.delf import delf
from steeple.errors import InputError
from steeple.geometry.delf import open_delf

QUICK = ("--backbone", "resnet18", "--weights", "random")


@pytest.fixture
def run(capsys):
    """Runs the verb alone; errors come through as exceptions."""
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(delf)

    def run(*words):
        capsys.readouterr()
        app([str(word) for word in words], standalone_mode=False)
        return capsys.readouterr().out

    return run


@pytest.fixture
def folder(photos, tmp_path):
    """Four photos of two landmarks in subfolders."""
    for number, photo in enumerate(photos[:4]):
        place = tmp_path / "photos" / "ab"[number % 2] / f"{number}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(photo, place)
    return tmp_path / "photos"


def test_attention_from_landmarks(run, folder, tmp_path):
    said = run(folder, "--out", tmp_path / "m", "--epochs", 1, *QUICK)
    assert f"{tmp_path / 'm'}: learned from 4 photos" in said
    assert "tells 2 landmarks apart" in said
    assert open_delf(tmp_path / "m").name == "delf"


def test_without_training_as_json(run, folder, tmp_path):
    (folder / "[red]broken.jpg").write_text("no photo")
    words = (folder, "--out", tmp_path / "m", "--no-attention", "--json", "--photos", 9, *QUICK)
    said = json.loads(run(*words))
    assert (said["model"], said["photos"], said["losses"]) == (str(tmp_path / "m"), 4, [])
    assert said["failed"][0][0] == str(folder / "[red]broken.jpg")


def test_refuses_what_it_cannot_use(run, folder, tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        run(tmp_path / "gone", "--out", tmp_path / "m", *QUICK)
    with pytest.raises(InputError, match="no network 'nix'"):
        run(folder, "--out", tmp_path / "m", "--backbone", "nix")
    with pytest.raises(InputError, match="not empty"):
        run(folder, "--out", folder, *QUICK)
    shutil.rmtree(folder / "b")
    with pytest.raises(InputError, match="--no-attention"):
        run(folder, "--out", tmp_path / "m", *QUICK)
    assert not (tmp_path / "m").exists()
