"""A training from beginning to end, and going on in the middle of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from steeple.embedding.choosing import create_embedder
from steeple.embedding.storage import load_model
from steeple.errors import InputError, NothingToDoError, StorageError
from steeple.networks.weights import read_weights
from steeple.training import checkpoint, session
from steeple.training.checkpoint import checkpoints, read_checkpoint
from steeple.training.interrupts import Interrupts, Stopped
from steeple.training.log import LOG, read_log
from steeple.training.run import train
from steeple.training.settings import Settings


def weights(model: Path) -> dict[str, torch.Tensor]:
    return read_weights(model / "model.safetensors")


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


class StopAt:
    """Progress that asks to stop after some steps, as Ctrl-C would."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
        self.left = step
        self.interrupts = Interrupts()
        monkeypatch.setattr(session, "Interrupts", lambda: self.interrupts)

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        self.left -= stage == "train"
        self.interrupts.asked |= self.left == 0


def test_a_model_comes_out(landmarks: Path, tiny: Settings, tmp_path: Path) -> None:
    said: list[tuple[str, int, int | None]] = []
    out = tmp_path / "model"
    report = train(
        landmarks,
        out,
        tiny.merged(epochs=4, ema=0.9),
        validation=landmarks,
        workers=1,
        progress=lambda *word: said.append(word),
    )
    assert (report.photos, report.landmarks, report.epochs) == (36, 4, 4)
    assert report.model == out
    assert report.failed == []
    lines = read_log(report.run / LOG)
    losses = [line["loss"] for line in lines if line["kind"] == "step"]
    assert losses[-1] < losses[0]
    # Thousands at most of this size: what lies between two looks is counted with its own time.
    assert all(line["photos_per_second"] < 1e5 for line in lines if line["kind"] == "step")
    assert [epoch for epoch, _ in report.validations] == [1, 2, 3, 4]
    assert report.validations[-1][1] > 0.9
    assert ("train", 4 * 36, 4 * 36) in said
    assert [path.name for path in checkpoints(report.run / "checkpoints")] == [
        f"step-{report.steps:08d}.safetensors",
        f"step-{report.steps - report.steps % 3 - 3 * (report.steps % 3 == 0):08d}.safetensors",
    ]

    model = load_model(out)
    card = model.card
    assert (card.name, card.licence, card.landmarks[0]) == ("model", "", "landmark 0")
    assert card.training["settings"]["schedule"]["epochs"] == 4
    assert card.training["validations"] == [list(pair) for pair in report.validations]
    assert (model.max_side, model.network.dimension) == (32, 16)
    # What was measured last is what was written.
    from steeple.training.validation import read_validation

    found = read_validation(landmarks).measure(create_embedder(str(out)), workers=1)
    assert found == pytest.approx(report.validations[-1][1], abs=1e-6)


@pytest.mark.parametrize(
    ("changes", "workers", "stop"),
    [
        ({}, 1, 4),
        ({"ema": 0.9, "sampled": 0.6, "accumulate": 2}, 1, 2),
        ({"kind": "subcentre-arcface", "ema": 0.9, "sampled": 0.6}, 2, 8),
        ({"optimizer": "adamw", "rate": 1e-3, "decay": 0.05}, 1, 6),
        ({"backbone": "test_vit", "learn_p": True, "precision": "bfloat16"}, 1, 5),
    ],
)
def test_going_on_gives_the_same_to_the_bit(
    landmarks: Path,
    tiny: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    workers: int,
    stop: int,
) -> None:
    settings = tiny.merged(**changes)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    validation = landmarks if workers == 1 else None  # processes take long to start
    train(landmarks, whole, settings, workers=workers, validation=validation)

    stopper = StopAt(monkeypatch, stop)
    with pytest.raises(Stopped, match=rf"step {stop} of \d+ is saved in .*--resume"):
        train(landmarks, parts, settings, workers=workers, progress=stopper, validation=validation)
    assert not parts.exists()
    monkeypatch.undo()
    torch.manual_seed(99)  # whatever the generators did meanwhile
    train(landmarks, parts, resume=True, workers=workers, validation=validation)

    assert same(weights(whole), weights(parts))
    ends = [
        read_checkpoint(checkpoints(tmp_path / f"{name}.training/checkpoints")[0])
        for name in ("whole", "parts")
    ]
    assert same(ends[0].tensors, ends[1].tensors)
    assert ends[0].numbers == ends[1].numbers
    logs = [read_log(tmp_path / f"{name}.training" / LOG) for name in ("whole", "parts")]
    measured = [[(x["epoch"], x["map"]) for x in log if x["kind"] == "validation"] for log in logs]
    assert measured[0] == measured[1]
    steps = [line["step"] for line in logs[1]]
    assert steps == sorted(steps)


def test_going_on_from_a_killed_run(landmarks: Path, tiny: Settings, tmp_path: Path) -> None:
    """The log is ahead of the newest checkpoint; what it says of later steps is written again."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    train(landmarks, whole, tiny, workers=1)
    train(landmarks, killed, tiny, workers=1)
    shutil.rmtree(killed)
    run = tmp_path / "killed.training"
    newest, older = checkpoints(run / "checkpoints")
    newest.unlink()
    assert read_checkpoint(older).position.within > 0  # in the middle of the second epoch
    report = train(landmarks, killed, tiny, resume=True, workers=1)
    assert same(weights(whole), weights(killed))
    steps = [line["step"] for line in read_log(run / LOG)]
    assert steps == sorted(set(steps))
    assert steps[-1] == report.steps


def test_stopped_during_validation(
    landmarks: Path, tiny: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopper = StopAt(monkeypatch, 10**6)

    def progress(stage: str, done: int, total: int | None) -> None:
        stopper.interrupts.asked |= stage == "validate"

    out, settings = tmp_path / "m", tiny.merged(ema=0.9)
    with pytest.raises(Stopped):
        train(landmarks, out, settings, workers=1, validation=landmarks, progress=progress)
    saved = read_checkpoint(checkpoints(tmp_path / "m.training/checkpoints")[0])
    assert (saved.position.epoch, saved.position.within, saved.position.measured) == (1, 0, 0)
    monkeypatch.undo()
    report = train(landmarks, out, resume=True, workers=1, validation=landmarks)
    assert [epoch for epoch, _ in report.validations] == [1, 2]
    train(landmarks, tmp_path / "whole", settings, workers=1, validation=landmarks)
    assert same(weights(tmp_path / "whole"), weights(out))


def test_from_a_model(landmarks: Path, tiny: Settings, tmp_path: Path, drawn: Any) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    train(landmarks, first, tiny.merged(dimension=12, p=2.5, learn_p=True), workers=1)
    city = drawn(tmp_path / "city", landmarks=3, photos=6, seed=7)
    adapted = tiny.merged(
        dimension=99,
        rate=1e-9,
        last_rate=0.0,
        freeze_batch_norm=True,
        epochs=1,
        checkpoint_every=1,
    )
    report = train(city, second, adapted, start_from=first, workers=1)
    assert report.landmarks == 3
    before, after = weights(first), weights(second)
    assert before.keys() == after.keys()
    for name, value in before.items():
        if not name.startswith("bn.") and "num_batches" not in name:  # ours learns its statistics
            torch.testing.assert_close(after[name], value, atol=1e-6, rtol=1e-5)
    card = load_model(second).card
    assert card.training["settings"]["model"]["dimension"] == 12
    assert card.landmarks == ("landmark 0", "landmark 1", "landmark 2")
    # To go on, the model that it began with is not needed any more.
    shutil.rmtree(second)
    shutil.rmtree(first)
    checkpoints(tmp_path / "second.training/checkpoints")[0].unlink()
    train(city, second, resume=True, workers=1)
    assert same(weights(second), after)


def test_from_a_file_of_weights(landmarks: Path, tiny: Settings, tmp_path: Path) -> None:
    import timm

    network = timm.create_model("test_efficientnet", num_classes=5)
    torch.save(network.state_dict(), tmp_path / "w.pth")
    settings = tiny.merged(weights=str(tmp_path / "w.pth"), rate=1e-9, last_rate=0.0, epochs=1)
    train(landmarks, tmp_path / "m", settings, workers=1)
    found = weights(tmp_path / "m")["trunk.network.conv_stem.weight"]
    torch.testing.assert_close(found, network.state_dict()["conv_stem.weight"])


def test_photos_that_cannot_be_read(tiny: Settings, tmp_path: Path, drawn: Any) -> None:
    """Their headers are whole, so that it only shows in the middle of an epoch."""
    root = drawn(tmp_path / "photos")
    broken = [root / "landmark 0" / f"{n}.jpg" for n in (0, 1)]
    for path in broken:
        path.write_bytes(path.read_bytes()[:-300])
    (root / "landmark 1" / "0.jpg").write_text("nothing")
    report = train(root, tmp_path / "m", tiny, workers=1)
    assert (report.photos, report.unreadable) == (35, 1)
    assert {Path(photo) for photo, _ in report.failed} >= {*broken, root / "landmark 1" / "0.jpg"}
    assert len(report.failed) == 3
    lines = [x for x in read_log(report.run / LOG) if x["kind"] == "left_out"]
    assert sorted(line["photo"] for line in lines) == sorted(map(str, broken))


def test_hopeless_photos(tiny: Settings, tmp_path: Path, drawn: Any) -> None:
    with pytest.raises(InputError, match="'landmark 0' is the only landmark"):
        train(drawn(tmp_path / "one", landmarks=1), tmp_path / "m", tiny, workers=1)
    with pytest.raises(InputError, match="no landmark has 2 photos or more"):
        train(drawn(tmp_path / "few", photos=1), tmp_path / "m", tiny, workers=1)
    (tmp_path / "none").mkdir()
    with pytest.raises(NothingToDoError):
        train(tmp_path / "none", tmp_path / "m", tiny, workers=1)
    root = drawn(tmp_path / "cut", landmarks=2, photos=4)
    for path in root.rglob("*.jpg"):
        path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(InputError, match="photos can be read"):
        train(root, tmp_path / "m", tiny, workers=1)
    assert not (tmp_path / "m").exists()


def test_refuses_to_go_on_with_something_else(
    landmarks: Path, tiny: Settings, tmp_path: Path, drawn: Any
) -> None:
    out = tmp_path / "m"
    with pytest.raises(InputError, match="no training to go on with; leave out --resume"):
        train(landmarks, out, resume=True, workers=1)
    with pytest.raises(InputError, match="no checkpoint to go on from"):
        train(landmarks, out, tiny, resume=True, workers=1)
    train(landmarks, out, tiny, workers=1)
    with pytest.raises(InputError, match="exists and is not empty"):
        train(landmarks, out, resume=True, workers=1)
    shutil.rmtree(out)
    with pytest.raises(InputError, match="holds an earlier training; go on with it by --resume"):
        train(landmarks, out, tiny, workers=1)
    with pytest.raises(InputError, match=r"with model.dimension = 16, not 24; give the settings"):
        train(landmarks, out, tiny.merged(dimension=24), resume=True, workers=1)
    with pytest.raises(InputError, match=r"trained with schedule.epochs = 2, not 3"):
        train(landmarks, out, tiny.merged(epochs=3), resume=True, workers=1)
    other = drawn(tmp_path / "other", landmarks=5)
    with pytest.raises(InputError, match="other photos or landmarks"):
        train(other, out, resume=True, workers=1)
    train(landmarks, out, tiny.merged(keep=5, checkpoint_every=1), resume=True, workers=1)


@pytest.mark.parametrize("damage", ["truncated", "empty", "not finite", "text"])
def test_a_damaged_checkpoint_is_named(
    landmarks: Path, tiny: Settings, tmp_path: Path, damage: str
) -> None:
    out = tmp_path / "m"
    train(landmarks, out, tiny, workers=1)
    shutil.rmtree(out)
    newest, older = checkpoints(tmp_path / "m.training/checkpoints")
    spoil(newest, damage)
    step = read_checkpoint(older).position.step
    with pytest.raises(InputError) as caught:
        train(landmarks, out, resume=True, workers=1)
    said = str(caught.value)
    assert f"{newest} is damaged" in said
    assert said.endswith(f"to go on from {older.name} (step {step}), remove {newest}")
    assert "\n" not in said
    spoil(older, damage)
    with pytest.raises(InputError, match=r"no older one can be used: remove .*m.training and begi"):
        train(landmarks, out, resume=True, workers=1)


def spoil(path: Path, damage: str) -> None:
    if damage == "not finite":
        from safetensors import safe_open
        from safetensors.torch import load_file, save_file

        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
        tensors = load_file(path)
        tensors["learner.network.fc.weight"][0, 0] = float("nan")
        save_file(tensors, path, metadata=metadata)
    else:
        content = {"truncated": path.read_bytes()[:-100], "empty": b"", "text": b"no tensors"}
        path.write_bytes(content[damage])


def test_no_space_for_a_checkpoint(
    landmarks: Path, tiny: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, written = checkpoint.save_file, []

    def full(tensors: Any, path: Path, metadata: Any) -> None:
        if written:
            path.write_bytes(b"a part of it")
            raise OSError(28, "No space left on device")
        written.append(path)
        real(tensors, path, metadata)

    monkeypatch.setattr(checkpoint, "save_file", full)
    out = tmp_path / "m"
    with pytest.raises(StorageError) as caught:
        train(landmarks, out, tiny, workers=1)
    assert "the checkpoint cannot be written (no space left on device)" in str(caught.value)
    assert "step-00000003.safetensors is still there" in str(caught.value)
    monkeypatch.undo()
    folder = tmp_path / "m.training/checkpoints"
    assert [path.name for path in folder.iterdir()] == ["step-00000003.safetensors"]
    train(landmarks, out, resume=True, workers=1)
    train(landmarks, tmp_path / "whole", tiny, workers=1)
    assert same(weights(out), weights(tmp_path / "whole"))


def test_a_loss_that_is_not_finite(landmarks: Path, tiny: Settings, tmp_path: Path) -> None:
    settings = tiny.merged(rate=1e30, clip=0.0, warmup=0, kind="softmax", checkpoint_every=1)
    with pytest.raises(InputError) as caught:
        train(landmarks, tmp_path / "m", settings, workers=1)
    said = str(caught.value)
    assert "the training has diverged" in said
    assert "smaller schedule.rate" in said
    assert "\n" not in said
    assert not (tmp_path / "m").exists()
    for path in checkpoints(tmp_path / "m.training/checkpoints"):
        read_checkpoint(path)  # which refuses what is not finite


def test_weights_that_cannot_be_used(landmarks: Path, tiny: Settings, tmp_path: Path) -> None:
    for changes, words in (
        ({"freeze_batch_norm": True}, "set it to false"),
        ({"weights": "nowhere.pth"}, "'nowhere.pth', which is no model and no file"),
        ({"precision": "float16"}, "needs a GPU"),
        ({"backbone": "nix"}, "no network 'nix'"),
    ):
        with pytest.raises(InputError, match=words):
            train(landmarks, tmp_path / "m", tiny.merged(**changes), workers=1)
    # Nothing was begun, so nothing has to be removed first.
    train(landmarks, tmp_path / "m", tiny.merged(epochs=1), workers=1)


def test_leaves_the_generators_and_threads_alone(
    landmarks: Path, tiny: Settings, tmp_path: Path
) -> None:
    torch.manual_seed(5)
    threads, expected = torch.get_num_threads(), torch.random.get_rng_state()
    train(landmarks, tmp_path / "m", tiny.merged(epochs=1), workers=2)
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.random.get_rng_state(), expected)
    run = json.loads((tmp_path / "m.training/settings.json").read_text())
    assert run["processes"] == 1
    assert np.isfinite(run["start"]["colours"]["mean"]).all()
