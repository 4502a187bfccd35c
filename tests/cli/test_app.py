"""The command as a whole: help, version, what happens when a verb fails."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from steeple import Collection, __version__
from steeple.errors import NothingToDoError, StorageError

VERBS = ("demo", "build", "add", "remove", "search", "recognize", "evaluate", "doctor")


def test_help_names_every_verb(steeple):
    for words in ([], ["--help"]):
        ran = steeple(*words)
        assert ran.code == 0
        assert ran.err == ""
        for verb in VERBS:
            assert f" {verb} " in ran.out


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(steeple, verb):
    ran = steeple(verb, "--help")
    assert (ran.code, ran.err) == (0, "")
    assert "--json" in ran.out


def test_version(steeple):
    assert steeple("--version").out == f"steeple {__version__}\n"


def test_runs_as_a_module(environment):
    done = subprocess.run(
        [sys.executable, "-m", "steeple", "--version"],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
    )
    assert (done.stdout, done.stderr) == (f"steeple {__version__}\n", "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nonsense"], "nonsense"),
        (["serch"], "search"),
        (["--bogus"], "--bogus"),
        (["build"], "PHOTOS"),
        (["build", "photos"], "--out"),
        (["build", "photos", "--out", "o", "--workers", "0"], "--workers"),
        (["build", "photos", "--out", "o", "--seed", "many"], "--seed"),
        (["add", "places"], "PHOTOS"),
        (["remove", "places"], "ID"),
        (["search", "places"], "PHOTO"),
        (["search", "places", "a.jpg", "b.jpg"], "b.jpg"),
        (["search", "places", "a.jpg", "-k", "0"], "-k"),
        (["recognize", "places"], "PHOTO"),
        (["evaluate"], "DIR"),
        (["evaluate", "city", "--dataset", "oxford"], "gldv2"),
        (["demo", "--photos", "3"], "--photos"),
        (["doctor", "places"], "places"),
        (["doctor", "--repair"], "--collection"),
    ],
)
def test_bad_usage_is_one_line_and_2(steeple, words, said):
    steeple(*words).refused(2, said)


def test_bad_usage_points_to_the_help_of_its_verb(steeple):
    assert "steeple search --help" in steeple("search", "places").err


@pytest.mark.parametrize("place", [0, 1, 3])
def test_debug_anywhere_adds_the_traceback(steeple, tmp_path, place):
    words = ["search", str(tmp_path / "gone"), "a.jpg"]
    steeple(*words).refused(2, "gone", "does not exist", "steeple build")
    words.insert(place, "--debug")
    ran = steeple(*words)
    assert ran.code == 2
    assert ran.err.startswith("Traceback")
    assert ran.err.splitlines()[-1].startswith("error: ")


def test_debug_behind_two_dashes_is_a_photo(steeple, built):
    steeple("search", built, "--", "--debug").refused(2, "--debug: no such file")


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (NothingToDoError("no photo\nthere"), 1, "no photo there"),
        (StorageError("the disk is full"), 3, "full"),
        (OSError(28, "No space left on device", "/places/x"), 3, "/places/x: No space left"),
        (MemoryError(), 3, "memory"),
        (RuntimeError("boom"), 3, "RuntimeError: boom"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_whatever_fails_is_one_line(steeple, monkeypatch, error, code, said):
    def fail(folder):
        raise error

    monkeypatch.setattr(Collection, "open", fail)
    ran = steeple("search", "places", "a.jpg")
    assert (ran.code, ran.out) == (code, "")
    assert len(ran.err.splitlines()) == 1
    assert said in ran.err


def test_a_fault_of_ours_shows_its_traceback_only_with_debug(steeple, monkeypatch):
    def fail(folder):
        raise KeyError("x")

    monkeypatch.setattr(Collection, "open", fail)
    steeple("search", "places", "a.jpg").refused(3, "KeyError", "--debug")
    assert "Traceback" in steeple("search", "places", "a.jpg", "--debug").err


@pytest.mark.parametrize("both", [False, True], ids=["stdout", "stdout-and-stderr"])
@pytest.mark.parametrize("verb", ["--help", "search", "search --json", "recognize", "doctor"])
def test_a_closed_pipe_is_no_traceback(environment, built, photos, verb, both):
    words = verb.split()
    if words[0] in ("search", "recognize"):
        words[1:1] = [str(built), str(photos[0])]
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as pipe:
        done = subprocess.run(
            [sys.executable, "-m", "steeple", *words],
            stdout=pipe,
            stderr=pipe if both else subprocess.PIPE,
            env=environment,
            check=False,
        )
    assert done.returncode in (1, 120)  # 120: Python itself could not flush stderr at its end
    if not both:
        assert done.returncode == 1
        assert b"Traceback" not in done.stderr
        assert b"Exception ignored" not in done.stderr
        assert b"error" not in done.stderr
