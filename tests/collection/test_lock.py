"""One writer at a time, who is named, and whose death frees the lock."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from steeple.collection.lock import writer_lock
from steeple.errors import CollectionError

HOLD = """
import sys, time
from pathlib import Path
from steeple.collection.lock import writer_lock
with writer_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def hold_elsewhere(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLD, str(folder)]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def test_the_second_writer_is_told_who_the_first_is(tmp_path: Path) -> None:
    with hold_elsewhere(tmp_path) as holder:
        try:
            with (
                pytest.raises(CollectionError, match=f"process {holder.pid} on ") as caught,
                writer_lock(tmp_path),
            ):
                pass
            assert "wait until it is done" in str(caught.value)
            assert "\n" not in str(caught.value)
        finally:
            holder.send_signal(signal.SIGKILL)
            holder.wait()
            assert (tmp_path / "writer.json").exists()  # it had no time to tidy up
        with writer_lock(tmp_path):
            assert json.loads((tmp_path / "writer.json").read_text())["process"] == os.getpid()
    assert not (tmp_path / "writer.json").exists()


def test_in_one_process_too(tmp_path: Path) -> None:
    with (
        writer_lock(tmp_path),
        pytest.raises(CollectionError, match=f"process {os.getpid()}"),
        writer_lock(tmp_path),
    ):
        pass


def test_it_waits_if_told_to(tmp_path: Path) -> None:
    entered = threading.Event()

    def hold() -> None:
        with writer_lock(tmp_path):
            entered.set()
            time.sleep(0.3)

    other = threading.Thread(target=hold)
    other.start()
    entered.wait()
    with writer_lock(tmp_path, wait=20):
        pass
    other.join()


def test_it_is_freed_by_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError), writer_lock(tmp_path):
        raise KeyError
    with writer_lock(tmp_path):
        pass


@pytest.mark.parametrize("text", ["", "{", "[]x"])
def test_a_holder_that_cannot_be_read(tmp_path: Path, text: str) -> None:
    with writer_lock(tmp_path):
        (tmp_path / "writer.json").write_text(text)
        with pytest.raises(CollectionError, match="another process"), writer_lock(tmp_path):
            pass
