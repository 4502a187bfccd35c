"""Lines of JSON: appended, read again, cut back to a checkpoint; and event files if wanted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from steeple.errors import InputError, MissingExtraError, StorageError
from steeple.training import log as module
from steeple.training.log import LOG, Log, last_loss, read_log, validations


def fill(log: Log) -> None:
    for step in (10, 20, 30):
        epoch = 1 if step < 25 else 2
        log.write("step", step, epoch, loss=1 / step, rate=0.1, photos_per_second=9.5, seconds=1.0)
    log.write("validation", 30, 2, map=0.25, seconds=2.0)
    log.write("left_out", 30, 2, photo="a\n\u00fc.jpg", reason="gone", seconds=2.0)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    log = Log(tmp_path)
    fill(log)
    lines = read_log(tmp_path / LOG)
    assert [line["kind"] for line in lines] == ["step"] * 3 + ["validation", "left_out"]
    assert lines[0] == {
        "kind": "step",
        "step": 10,
        "epoch": 1,
        "loss": 0.1,
        "rate": 0.1,
        "photos_per_second": 9.5,
        "seconds": 1.0,
    }
    assert lines[-1]["photo"] == "a\n\u00fc.jpg"
    assert validations(lines) == [(2, 0.25)]
    assert last_loss(lines) == pytest.approx(1 / 30)
    assert last_loss([]) is None
    assert read_log(tmp_path / "nothing") == []
    log.close()
    assert [path.name for path in tmp_path.iterdir()] == [LOG]


def test_goes_on_from_a_step(tmp_path: Path) -> None:
    fill(Log(tmp_path))
    log = Log(tmp_path, step=20)
    log.write("step", 21, 1, loss=2.0)
    assert [line["step"] for line in read_log(tmp_path / LOG)] == [10, 20, 21]
    Log(tmp_path)
    assert read_log(tmp_path / LOG) == []


def test_a_line_that_was_cut_off(tmp_path: Path) -> None:
    fill(Log(tmp_path))
    path = tmp_path / LOG
    whole = path.read_text()
    path.write_text(whole[:-9])
    assert len(read_log(path)) == 4
    for broken in ("nonsense\n", "[1]\n", '{"step": "x"}\n'):
        path.write_text(broken + whole)
        with pytest.raises(InputError, match="line 1: no line of a log"):
            read_log(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="cannot be read"):
        read_log(path)


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log(tmp_path)

    def full(*_: Any, **__: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(StorageError, match=r"no space left on device.*--resume"):
        log.write("step", 1, 1, loss=1.0)
    with pytest.raises(StorageError, match="no space left"):
        Log(tmp_path)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_event_files(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = Log(tmp_path, tensorboard=True)
    fill(log)
    log.close()
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(e.step, pytest.approx(e.value)) for e in events.Scalars("loss")] == [
        (10, 0.1),
        (20, 0.05),
        (30, 1 / 30),
    ]
    assert [e.value for e in events.Scalars("mAP@100")] == [0.25]


def test_tensorboard_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(library: str, extra: str) -> None:
        raise MissingExtraError(f"this needs {library}")

    monkeypatch.setattr(module, "need", missing)
    with pytest.raises(MissingExtraError, match="needs tensorboard"):
        Log(tmp_path, tensorboard=True)
    assert json.dumps(read_log(tmp_path / LOG)) == "[]"
