"""steeple train: a model, what is said of it, Ctrl-C, and the guide that explains it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from socket import socket
from time import monotonic, sleep

import cv2
import numpy as np
import pytest

from steeple.embedding.storage import read_header
from steeple.training.settings import Settings

ROOT = Path(__file__).parents[2]
CONFIG = """
[model]
backbone = "test_efficientnet"
dimension = 8
weights = "random"
[data]
side = 32
[schedule]
epochs = 1
batch = 8
rate = 0.05
freeze_batch_norm = false
"""


@pytest.fixture(scope="module")
def landmarks(tmp_path_factory):
    """Twelve photos of three landmarks."""
    root, random = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for number in range(12):
        path = root / "abc"[number % 3] / f"[red]{number}.jpg"
        path.parent.mkdir(exist_ok=True)
        pattern = random.integers(0, 255, (5, 5, 3)).astype(np.uint8)
        cv2.imwrite(str(path), cv2.resize(pattern, (48, 40), interpolation=cv2.INTER_CUBIC))
    return root


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(CONFIG)
    return path


def test_a_model_and_its_page(steeple, landmarks, config, tmp_path):
    out = tmp_path / "model"
    words = ("train", landmarks, "--out", out, "--config", config, "--validation", landmarks)
    ran = steeple(*words, "--epochs", 2, "--workers", 1)
    assert ran.code == 0, ran.err
    for shown in ("12", "landmarks", "mAP@100, epoch 2", "report.html", "--embedder"):
        assert shown in ran.out
    assert read_header(out).card.landmarks == ("a", "b", "c")
    page = (tmp_path / "model.training" / "report.html").read_text()
    assert "Loss" in page
    assert "test_efficientnet" in page
    steeple(*words).refused(2, "exists and is not empty")


def test_as_json_and_from_a_model(steeple, landmarks, config, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    assert steeple("train", landmarks, "--out", first, "--config", config).code == 0
    (landmarks / "a" / "broken.jpg").write_text("nothing")
    try:
        ran = steeple("train", landmarks, "--out", second, "--from", first, "--side", 32, "--json")
    finally:
        (landmarks / "a" / "broken.jpg").unlink()
    said = ran.json
    assert (said["photos"], said["landmarks"], said["unreadable"]) == (12, 3, 1)
    assert said["epochs"] == 5  # without a file of settings
    assert said["failed"][0][0].endswith("broken.jpg")
    assert said["model"] == str(second)
    assert Path(said["page"]).is_file()
    assert read_header(second).dimension == 8


def test_says_what_is_wrong_in_a_line(steeple, landmarks, config, tmp_path):
    out = tmp_path / "m"
    steeple("train", landmarks, "--out", out, "--resume").refused(2, "leave out --resume")
    steeple("train", tmp_path / "gone", "--out", out, "--config", config).refused(2, "not exist")
    config.write_text(CONFIG + "rat = 3\n")
    steeple("train", landmarks, "--out", out, "--config", config).refused(2, "'rat'", "rate")
    assert not out.exists()


def test_ctrl_c_saves_and_resume_goes_on(steeple, landmarks, config, tmp_path, environment):
    out, whole = tmp_path / "m", tmp_path / "whole"
    words = ["train", str(landmarks), "--config", str(config), "--epochs", "40", "--workers", "1"]
    command = ["env", "--default-signal=INT", sys.executable, "-m", "steeple"]
    process = subprocess.Popen(
        [*command, *words, "--out", out],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment | {"OMP_NUM_THREADS": "1"},
    )
    log, end = tmp_path / "m.training" / "log.jsonl", monotonic() + 100
    while not (log.is_file() and log.stat().st_size) and monotonic() < end:
        sleep(0.01)
    process.send_signal(signal.SIGINT)
    said, errors = process.communicate(timeout=100)
    assert process.returncode == 130, errors
    assert said == ""
    found = re.search(r"step (\d+) of 80 is saved in .*checkpoints; go on with .*--resume", errors)
    assert found, errors
    assert errors.endswith("interrupted\n")
    assert "Traceback" not in errors
    assert not out.exists()
    steeple(*words, "--out", out).refused(2, "go on with it by --resume")
    assert steeple("train", landmarks, "--out", out, "--resume", "--workers", 1).code == 0
    assert steeple(*words, "--out", whole).code == 0
    assert (out / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def test_several_processes(landmarks, config, tmp_path, environment):
    """Two on the processor, as two GPUs would; one of them writes the model and speaks."""
    pytest.importorskip("accelerate")
    out = tmp_path / "m"
    words = ["train", landmarks, "--out", out, "--config", config, "--validation", landmarks]
    with socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    # What accelerate launch sets for GPUs.
    variables = {"WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": port}
    variables |= {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    team = [
        subprocess.Popen(
            [sys.executable, "-m", "steeple", *map(str, words), "--workers", "1", "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment | variables | {"RANK": rank, "LOCAL_RANK": rank},
        )
        for rank in "01"
    ]
    (first, errors), (second, others) = (process.communicate(timeout=400) for process in team)
    assert [process.returncode for process in team] == [0, 0], errors + others
    assert second == ""
    said = json.loads(first)
    assert said["steps"] == 1
    assert len(said["validations"]) == 1
    run = json.loads((tmp_path / "m.training" / "settings.json").read_text())
    assert run["processes"] == 2
    assert read_header(out).card.landmarks == ("a", "b", "c")


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.toml")), ids=lambda p: p.name)
def test_every_recipe_can_be_read_and_is_in_the_guide(path):
    Settings.read(path)
    assert f"configs/{path.name}" in (ROOT / "docs" / "training.md").read_text()


def test_the_guide_has_every_setting_and_its_default():
    guide = (ROOT / "docs" / "training.md").read_text()
    for group in fields(Settings):
        table = guide.split(f"| `[{group.name}]` |")[1].split("\n\n")[0]
        rows = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", table, re.MULTILINE))
        said = {name: json.loads(value.strip("`")) for name, value in rows.items()}
        assert said == {part.name: part.default for part in fields(group.default)}
