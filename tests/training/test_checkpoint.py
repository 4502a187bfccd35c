"""Checkpoints: whole or not there, the same to the bit, and refused in a line otherwise."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from steeple.embedding.network import Architecture, new_network
from steeple.embedding.preprocessing import Colours
from steeple.errors import InputError, StorageError
from steeple.training import checkpoint as module
from steeple.training.checkpoint import (
    Position,
    checkpoints,
    latest_checkpoint,
    read_checkpoint,
    restore,
    save_checkpoint,
)
from steeple.training.heads import create_head
from steeple.training.learner import Trainee, new_trainee
from steeple.training.settings import ScheduleSettings

RUN = {"photos": "abc", "name": "\u00fc"}


def make(
    backbone: str = "test_efficientnet",
    classes: int = 5,
    sampled: float | None = None,
    ema: float = 0.9,
    seed: int = 0,
) -> Trainee:
    network = new_network(Architecture(backbone, dimension=6), seed=seed)
    head = create_head("arcface", classes, 6, sampled=sampled, seed=seed)
    settings = ScheduleSettings(freeze_batch_norm=False, ema=ema)
    return new_trainee(network, head, Colours(), settings, torch.device("cpu"))


def learn(trainee: Trainee, steps: int = 2, classes: int = 5) -> None:
    for _ in range(steps):
        images = torch.randint(0, 255, (4, 32, 48, 3), dtype=torch.uint8)
        loss = trainee.learner(images, torch.randint(0, classes, (4,)))
        torch.autograd.backward(loss)
        trainee.set_rate(0.1)
        trainee.optimizer.step()
        trainee.learner.head.step(0.1)
        trainee.optimizer.zero_grad()
        if trainee.average is not None:
            trainee.average.update()


@pytest.mark.parametrize("sampled", [None, 0.6])
def test_goes_on_as_if_nothing_had_happened(tmp_path: Path, sampled: float | None) -> None:
    torch.manual_seed(3)
    trainee = make(sampled=sampled)
    learn(trainee)
    position = Position(step=2, epoch=1, within=2, measured=1)
    path = save_checkpoint(tmp_path / "c", trainee, position, RUN, keep=2)
    learn(trainee)

    other = make(sampled=sampled, seed=9)
    torch.manual_seed(77)
    stored = read_checkpoint(path)
    assert (stored.position, stored.run, stored.path) == (position, RUN, path)
    restore(other, stored)
    learn(other)  # the same photos, since the generator goes on as well
    expected, found = trainee.learner.state_dict(), other.learner.state_dict()
    assert all(torch.equal(found[name], value) for name, value in expected.items())
    assert trainee.average is not None
    assert other.average is not None
    means = other.average.state()
    assert all(torch.equal(means[n], value) for n, value in trainee.average.state().items())
    assert other.average.updates == 4
    a, b = trainee.parameters(), other.parameters()
    assert a.keys() == b.keys()
    for name, value in a.items():
        momentum = trainee.optimizer.state[value]["momentum_buffer"]
        assert torch.equal(momentum, other.optimizer.state[b[name]]["momentum_buffer"])


def test_before_the_first_step(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path, make(), Position(), RUN, keep=1)
    other = make(seed=4)
    restore(other, read_checkpoint(path))
    assert not any(other.optimizer.state.values())


def test_keeps_the_newest(tmp_path: Path) -> None:
    trainee = make()
    (tmp_path / "step-notes.txt").write_text("mine")
    for step in (9, 10, 100_000_000, 11):
        save_checkpoint(tmp_path, trainee, Position(step=step), RUN, keep=3)
    names = [path.name for path in checkpoints(tmp_path)]
    assert names == [f"step-{step:08d}.safetensors" for step in (100_000_000, 11, 10)]
    assert latest_checkpoint(tmp_path).position.step == 100_000_000
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"classes": 7}, r"other landmarks: learner.head.rows.weight is of shape \(5, 6\) there"),
        ({"backbone": "test_vit"}, "is of another network"),
        ({"backbone": "test_resnet"}, "is of another network"),
        ({"sampled": 0.5}, "is of another network"),
        ({"ema": 0.0}, "is of another network: it has average"),
    ],
)
def test_of_something_else(tmp_path: Path, other: dict[str, object], words: str) -> None:
    path = save_checkpoint(tmp_path, make(), Position(), RUN, keep=1)
    trainee = make(**other)  # type: ignore[arg-type]
    before = {name: value.clone() for name, value in trainee.learner.state_dict().items()}
    with pytest.raises(InputError, match=words) as caught:
        restore(trainee, read_checkpoint(path))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    after = trainee.learner.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_files_that_are_no_checkpoints(tmp_path: Path) -> None:
    path = tmp_path / "step-00000001.safetensors"
    save_file({"a": torch.zeros(2)}, path)
    with pytest.raises(InputError, match="damaged, or no checkpoint"):
        read_checkpoint(path)
    save_file({"a": torch.zeros(2)}, path, metadata={"steeple": '{"format": 1}'})
    with pytest.raises(InputError, match="damaged, or no checkpoint"):
        read_checkpoint(path)
    said = '{"format": 99, "position": {}, "run": {}, "numbers": {}}'
    save_file({"a": torch.zeros(2)}, path, metadata={"steeple": said})
    with pytest.raises(InputError, match="of format 99, and this version reads 1"):
        read_checkpoint(path)
    with pytest.raises(InputError, match="no checkpoint to go on from; leave out --resume"):
        latest_checkpoint(tmp_path / "nowhere")


@pytest.mark.parametrize("cut", [0, 7, 200, 5000, -1])
def test_truncated(tmp_path: Path, cut: int) -> None:
    path = save_checkpoint(tmp_path, make(), Position(step=4), RUN, keep=1)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(InputError, match="is damaged") as caught:
        read_checkpoint(path)
    assert "\n" not in str(caught.value)


def test_names_the_damaged_and_the_sound(tmp_path: Path) -> None:
    trainee = make()
    for step in (1, 2, 3):
        save_checkpoint(tmp_path / "c", trainee, Position(step=step), RUN, keep=3)
    three, two, one = checkpoints(tmp_path / "c")
    for path in (two, three):
        path.write_bytes(b"")
    with pytest.raises(InputError) as caught:
        latest_checkpoint(tmp_path / "c")
    said = str(caught.value)
    assert said.startswith(f"{three} is damaged")
    assert said.endswith(f"to go on from {one.name} (step 1), remove {three} {two}")
    one.write_bytes(b"")
    with pytest.raises(InputError, match="no older one can be used"):
        latest_checkpoint(tmp_path / "c")


def test_interrupted_while_it_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainee = make()
    first = save_checkpoint(tmp_path, trainee, Position(step=1), RUN, keep=1)

    def interrupted(_: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_sync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(tmp_path, trainee, Position(step=2), RUN, keep=1)
    assert list(tmp_path.iterdir()) == [first]
    read_checkpoint(first)


def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    """As on a full disk, the system refuses to write on, in the middle of the file."""
    trainee = make()
    first = save_checkpoint(tmp_path, trainee, Position(step=1), RUN, keep=1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(StorageError) as caught:
            save_checkpoint(tmp_path, trainee, Position(step=2), RUN, keep=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    said = str(caught.value)
    assert "step-00000002.safetensors: the checkpoint cannot be written (" in said
    assert "step-00000001.safetensors is still there; make room" in said
    assert "\n" not in said
    assert list(tmp_path.iterdir()) == [first]
    read_checkpoint(first)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk in memory, with room for two checkpoints."""
    folder = tmp_path / "disk"
    folder.mkdir()
    size = save_checkpoint(tmp_path, make(), Position(), RUN, keep=1).stat().st_size * 5 // 2
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("this system does not let us mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_small_disk(disk: Path) -> None:
    trainee, step = make(), 0
    with pytest.raises(StorageError, match="is still there"):  # noqa: PT012 - sooner or later
        for step in range(1, 99):
            save_checkpoint(disk, trainee, Position(step=step), RUN, keep=99)
    assert step == 3
    kept = checkpoints(disk)
    assert set(disk.iterdir()) == set(kept)
    assert latest_checkpoint(disk).position.step == step - 1


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "c").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        save_checkpoint(tmp_path / "c", make(), Position(), RUN, keep=1)
