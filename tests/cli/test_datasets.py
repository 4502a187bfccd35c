"""steeple datasets: what people see of it, and are asked."""

from __future__ import annotations

import io
import os
import pickle
import pty
import random
import signal
import subprocess
import sys
import tarfile
from time import sleep
from types import SimpleNamespace

import pytest
from rich.console import Console

from steeple.cli import console as talk
from steeple.cli.reference import cli_reference
from steeple.datasets.fetching import DATASETS

FILES = ("oxbuild_images-v1.tgz", "gnd_roxford5k.pkl")
TRUTH = pickle.dumps(
    {
        "imlist": [f"{number:0100}" for number in range(12)],
        "qimlist": ["q"],
        "gnd": [{"bbx": [0.0, 0.0, 9.0, 9.0], "easy": [0], "hard": [], "junk": [1]}],
    }
)


@pytest.fixture
def oxford(served, page):
    """A mirror of roxford5k with two photos."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name in ("all_souls_000000.jpg", "[red]x.jpg"):
            member = tarfile.TarInfo(name)
            data = random.Random(name).randbytes(200_000)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    served.pages["oxbuild_images-v1.tgz"] = page(stream.getvalue())
    served.pages["gnd_roxford5k.pkl"] = page(TRUTH)
    return served


def test_the_list_names_all_of_them(steeple):
    out = steeple("datasets", "list").out
    for dataset in DATASETS:
        assert f"{dataset.name}: " in out
        assert dataset.page in out
        for part in dataset.parts:
            assert part.licence in out
    assert "about 500.0 GB" in out
    assert "4,132,914" in out
    assert "unknown" in out


def test_the_list_as_json(steeple):
    listed = {one["name"]: one for one in steeple("datasets", "list", "--json").json["datasets"]}
    assert set(listed) == {dataset.name for dataset in DATASETS}
    train = listed["gldv2"]["parts"][0]
    assert train == {
        "name": "train",
        "photos": 4_132_914,
        "files": 500,
        "bytes": 500 * 10**9,
        "licence": train["licence"],
        "servers": ["https://s3.amazonaws.com/google-landmark/"],
    }
    assert listed["roxford5k"]["parts"][0]["bytes"] is None


def test_a_download(steeple, oxford, tmp_path):
    words = ("datasets", "download", "roxford5k", "--out", tmp_path, "--mirror", oxford.url)
    ran = steeple(*words, "--yes")
    assert ran.code == 0
    size = len(oxford.pages["oxbuild_images-v1.tgz"].data) + len(TRUTH)
    for said in ("licence of photos: ", "Flickr", "to download: 2 files, ", "disk needed: "):
        assert said in ran.err
    assert f"downloading: {talk.size_text(size)} of {talk.size_text(size)}" in ran.err
    assert "unpacking archives: 1 of 1" in ran.err
    assert "2 files came" in ran.out
    assert "2 photos unpacked" in ran.out
    assert {path.name for path in (tmp_path / "jpg").iterdir()} == {
        "all_souls_000000.jpg",
        "[red]x.jpg",
    }
    again = steeple(*words)  # nothing is left to be agreed to
    assert again.code == 1
    assert "0 files came (0 B), 0 photos unpacked; 2 files were there" in again.out


def test_a_download_as_json(steeple, oxford, tmp_path):
    words = ("--out", tmp_path, "--split", "metadata", "--mirror", oxford.url, "--yes", "--json")
    assert steeple("datasets", "download", "roxford5k", *words).json == {
        "dataset": "roxford5k",
        "out": str(tmp_path),
        "files": 1,
        "there": 0,
        "bytes": len(TRUTH),
        "photos": 0,
    }
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["gnd_roxford5k.pkl"]
    again = steeple("datasets", "download", "roxford5k", *words)
    assert (again.code, again.json["files"], again.json["there"]) == (1, 0, 1)


def test_without_a_terminal_there_must_be_a_yes(steeple, oxford, tmp_path):
    out = tmp_path / "out"
    ran = steeple("datasets", "download", "roxford5k", "--out", out, "--mirror", oxford.url)
    ran.refused(2, "nobody is there to agree", "--yes")
    assert "licence of photos: " in ran.err
    assert not out.exists()
    assert all(method == "HEAD" for method, _, _ in oxford.asked)


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 1), ("\n", 1)])
def test_on_a_terminal_people_are_asked(oxford, environment, tmp_path, answer, code):
    reader, writer = pty.openpty()
    words = ["datasets", "download", "roxford5k", "--out", str(tmp_path / "out")]
    with os.fdopen(writer, "wb") as terminal:
        os.write(reader, answer.encode())
        done = subprocess.run(
            [sys.executable, "-m", "steeple", *words, "--mirror", oxford.url],
            stdin=terminal,
            stdout=subprocess.PIPE,
            stderr=terminal,
            env=environment | {"TERM": "xterm"},
            timeout=60,
            check=False,
        )
    said = b""
    try:
        while part := os.read(reader, 4096):
            said += part
    except OSError:  # Linux says so when the other end of a terminal is closed
        pass
    os.close(reader)
    assert done.returncode == code
    assert b"licence of photos" in said
    assert b"Download it?" in said
    assert (tmp_path / "out" / "gnd_roxford5k.pkl").exists() == (code == 0)


def start(words, environment):
    """The command in a process of its own, which can be interrupted.

    It is by default, but not in what a shell has started in the background.
    """
    return subprocess.Popen(
        ["env", "--default-signal=INT", sys.executable, "-m", "steeple", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def test_ctrl_c_keeps_what_came(steeple, oxford, environment, tmp_path):
    archive = oxford.pages["oxbuild_images-v1.tgz"]
    archive.pause = 0.5
    words = ["--out", str(tmp_path), "--split", "photos", "--mirror", oxford.url, "--yes"]
    words = ["datasets", "download", "roxford5k", *words]
    running = start(words, environment)
    part = tmp_path / ".downloads" / "oxbuild_images-v1.tgz.part"
    while running.poll() is None and not (part.is_file() and part.stat().st_size):
        sleep(0.02)
    running.send_signal(signal.SIGINT)
    said, errors = running.communicate(timeout=30)
    assert (running.returncode, said) == (130, "")
    assert errors.splitlines()[-1] == "interrupted"
    kept = part.stat().st_size
    assert 0 < kept < len(archive.data)
    archive.pause = 0.0
    assert "2 photos unpacked" in steeple(*words).out
    assert oxford.got("oxbuild_images-v1.tgz")[-1] == f"bytes={kept}-"


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_ctrl_c_waits_for_no_silent_server(oxford, environment, tmp_path, method):
    truth = oxford.pages["gnd_roxford5k.pkl"]
    truth.silences = {method: 120.0}
    words = ["--out", str(tmp_path), "--split", "metadata", "--mirror", oxford.url, "--yes"]
    running = start(["datasets", "download", "roxford5k", *words], environment)
    while running.poll() is None and not any(asked == method for asked, _, _ in oxford.asked):
        sleep(0.02)
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=20)  # a silent server gets 30
    assert running.returncode == 130
    assert errors.splitlines()[-1] == "interrupted"


def test_what_is_not_what_was_published_is_1(steeple, oxford, tmp_path):
    oxford.pages["gnd_roxford5k.pkl"].data = b"<html>please log in</html>"
    words = ("roxford5k", "--out", tmp_path, "--mirror", oxford.url, "--yes")
    ran = steeple("datasets", "download", *words)
    ran.refused(1, "1 of 2 files", "gnd_roxford5k.pkl: what came is not this file", "the others")
    assert len(list((tmp_path / "jpg").iterdir())) == 2


@pytest.mark.parametrize("missing", [["gnd_roxford5k.pkl"], list(FILES)])
def test_what_is_not_there_is_2_however_much_it_is(steeple, oxford, tmp_path, missing):
    for path in missing:
        del oxford.pages[path]
    words = ("roxford5k", "--out", tmp_path, "--mirror", oxford.url, "--yes")
    steeple("datasets", "download", *words).refused(2, "404", "try a mirror")


def test_a_full_disk_is_3(steeple, oxford, tmp_path, monkeypatch):
    from steeple.datasets.fetching import space

    monkeypatch.setattr(space.shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    words = ("roxford5k", "--out", tmp_path, "--mirror", oxford.url, "--yes")
    steeple("datasets", "download", *words).refused(3, "0.8 MB", "0.0 MB are free", "make room")


def test_sizes_of_the_catalogue_are_said_as_such(steeple, served, page, tmp_path):
    dataset = DATASETS[0]
    for file in dataset.parts[2].files:
        served.pages[file.path] = page(b"", head=405)
    words = ("gldv2", "--out", tmp_path, "--split", "test", "--mirror", served.url)
    ran = steeple("datasets", "download", *words)
    ran.refused(2, "nobody is there to agree")
    assert "to download: 20 files, about 10.0 GB" in ran.err
    assert "disk needed: about 12.0 GB in " in ran.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["oxford"], "there are gldv2"),
        (["gldv2", "--split", "train,val"], "no part 'val'"),
        (["gldv2", "--split", ""], "no part ''"),
        (["gldv2", "--split", ","], "no part ''"),
        (["gldv2", "--split", "train, ,test"], "no part ''"),
        (["gldv2", "--archives", "x"], "write 0-9,12"),
        (["gldv2", "--archives", ""], "write 0-9,12"),
        (["gldv2", "--archives", ","], "write 0-9,12"),
        (["gldv2", "--split", "test", "--archives", "20"], "0 to 19"),
        (["roxford5k", "--archives", "0"], "numbered"),
        (["roxford5k", "--mirror", "elsewhere"], "is no mirror"),
        (["roxford5k", "--connections", "0"], "--connections"),
    ],
)
def test_bad_usage_is_one_line_and_2(steeple, tmp_path, words, said):
    steeple("datasets", "download", *words, "--out", tmp_path).refused(2, said)


def test_the_reference_has_the_verbs_of_a_group():
    reference = cli_reference()
    for section in ("datasets\n\n    steeple datasets VERB", "datasets list", "datasets download"):
        assert f"\n## steeple {section}\n" in reference
    assert "    steeple datasets download NAME --out OUT [OPTIONS]\n" in reference


def test_a_verb_is_missing(steeple):
    steeple("datasets").refused(2, "Missing command", "steeple datasets --help")


def test_a_server_that_is_not_there_is_3(steeple, tmp_path, monkeypatch):
    from steeple.datasets.fetching import transfer

    monkeypatch.setattr(transfer.Patience, "__init__", _hasty)
    words = ("roxford5k", "--out", tmp_path, "--mirror", "http://127.0.0.1:9/", "--yes")
    ran = steeple("datasets", "download", *words)
    assert ran.code == 3
    assert "no answer" in ran.err.splitlines()[-1]


def _hasty(self):
    for name, value in (("attempts", 1), ("pause", 0.0), ("timeout", 1.0)):
        object.__setattr__(self, name, value)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_960, "1.0 MB"),
        (1_938_238_004, "1.9 GB"),
        (595e9, "595.0 GB"),
        (2e12, "2,000.0 GB"),
    ],
)
def test_bytes_as_people_say_them(size, text):
    assert talk.size_text(size) == text


def test_two_stages_at_once_are_still_a_few_lines(capsys, monkeypatch):
    clock = iter(range(100))
    monkeypatch.setattr(talk, "monotonic", lambda: next(clock))
    with talk.shown_progress() as progress:
        progress("download", 4_000_000, 10_000_000)  # an earlier run brought these
        for done in range(1, 7):
            progress("unpack", done - 1, 6)
            progress("download", 4_000_000 + done * 10**6, 10_000_000)
        progress("unpack", 6, 6)
    assert capsys.readouterr().err.splitlines() == [
        "downloading: 4.0 MB of 10.0 MB",
        "unpacking archives: 0 of 6",
        "downloading: 9.0 MB of 10.0 MB, 500.0 kB/s, 2 s left",
        "unpacking archives: 5 of 6, 0.5/s, 2 s left",
        "downloading: 10.0 MB of 10.0 MB, 500.0 kB/s, 0 s left",
        "unpacking archives: 6 of 6, 0.5/s, 0 s left",
    ]


@pytest.mark.parametrize("total", [8_000_000, None])
def test_bytes_on_a_terminal(monkeypatch, total):
    stream = io.StringIO()
    terminal = Console(file=stream, force_terminal=True, width=140)
    monkeypatch.setattr(talk, "errors", terminal)
    with talk.shown_progress() as progress:
        progress("download", 2_000_000, total)
        progress("download", 4_000_000, total)
        progress("download", 8_000_000, total)
    assert ("8.0 MB/8.0 MB" if total else "8.0 MB") in stream.getvalue()


def test_a_toy_city_is_rendered(steeple, tmp_path):
    words = ["--photos", 9, "--landmarks", 2, "--size", 64, "--workers", 1]
    ran = steeple("datasets", "toy", "--out", tmp_path / "city", *words)
    assert ran.code == 0
    assert "9 photos of 2 landmarks" in ran.out
    assert f"try: steeple evaluate {tmp_path / 'city'}" in ran.out
    steeple("datasets", "toy", "--out", tmp_path / "city", *words).refused(2, "not empty")
    ran = steeple(
        "datasets", "toy", "--out", tmp_path / "train", *words, "--training-only", "--json"
    )
    assert (ran.json["train"], ran.json["index"], ran.json["test"]) == (9, 0, 0)
