"""How the command line talks: JSON, tables and progress, on a terminal and elsewhere."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess

import pytest
from rich.console import Console
from rich.table import Table

from steeple.cli import console as talk


def test_json_is_one_document_as_it_is(capsys):
    data = {"path": "[red]x[/red] :cat: " + "long " * 100, "name": "Église", "none": None}
    talk.emit_json(data)
    out = capsys.readouterr().out
    assert json.loads(out) == data
    assert "Église" in out


@pytest.mark.parametrize(
    ("encoding", "text"),
    [("utf-8", "not UTF-8: \udcff"), ("ascii", "Église 🏛"), ("latin-1", "東京タワー")],
)
def test_json_holds_what_the_stream_cannot_say(monkeypatch, encoding, text):
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding=encoding))
    talk.emit_json({"name": text})
    assert json.loads(raw.getvalue().decode(encoding)) == {"name": text}


def test_strings_are_no_markup(capsys):
    talk.console.print("[red]x[/red] [/] :cat: \\")
    talk.errors.print("[bold]", style="red")
    said = capsys.readouterr()
    assert said.out == "[red]x[/red] [/] :cat: \\\n"
    assert said.err == "[bold]\n"


def test_lines_are_not_wrapped(capsys):
    talk.console.print("word " * 100)
    assert capsys.readouterr().out.count("\n") == 1


def test_rows_of_a_table_are_one_line_in_a_pipe(capsys):
    table = Table("id", "other")
    table.add_row("long " * 100, "[red]:cat:[/red]")
    talk.show_table(table)
    out = capsys.readouterr().out
    assert "long " * 100 in out
    assert "[red]:cat:[/red]" in out


def test_a_table_fits_the_terminal(monkeypatch):
    stream = io.StringIO()
    terminal = Console(file=stream, force_terminal=True, width=40, color_system=None)
    monkeypatch.setattr(talk, "console", terminal)
    table = Table("id")
    table.add_row("word " * 30)
    talk.show_table(table)
    assert max(map(len, stream.getvalue().splitlines())) <= 40


@pytest.mark.parametrize(("probability", "text"), [(0, "0 % sure"), (0.874, "87 % sure")])
def test_probabilities_are_percent(probability, text):
    assert talk.sure(probability) == text


def test_progress_without_a_terminal_is_a_few_lines(capsys):
    with talk.shown_progress() as progress:
        for done in range(1, 1001):
            progress("embed", done, 1000)
        progress("embed", 1000, 1000)
        progress("vote", 0, None)
        progress("aqe", 0, None)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        "describing photos: 1 of 1,000",
        "describing photos: 1,000 of 1,000",
        "voting",
        "re-ranking: aqe",
    ]


def test_progress_without_a_terminal_speaks_now_and_then(capsys, monkeypatch):
    seconds = iter([0.0, 4.0, 11.0, 15.0, 22.0])
    monkeypatch.setattr(talk, "monotonic", lambda: next(seconds))
    with talk.shown_progress() as progress:
        for done in (1, 40, 110, 150, 220):
            progress("embed", done, 1000)
    assert capsys.readouterr().err.splitlines() == [
        "describing photos: 1 of 1,000",
        "describing photos: 110 of 1,000, 10.0/s, 89 s left",
        "describing photos: 220 of 1,000, 10.0/s, 78 s left",
    ]


def test_progress_on_a_terminal_is_bars(monkeypatch):
    stream = io.StringIO()
    terminal = Console(file=stream, force_terminal=True, width=120)
    monkeypatch.setattr(talk, "errors", terminal)
    with talk.shown_progress() as progress:
        progress("learn", 0, None)
        progress("embed", 7, 9)
        progress("embed", 9, 9)
    said = stream.getvalue()
    assert "learning from photos" in said
    assert "describing photos" in said
    assert "9/9" in said


@pytest.mark.parametrize("stage", ["database", "descriptors", "photos", "repair", "vote"])
def test_stages_of_a_check_are_not_called_re_rankers(capsys, stage):
    with talk.shown_progress() as progress:
        progress(stage, 1, 1)
    assert "re-ranking" not in capsys.readouterr().err


def test_bars_go_to_stderr_and_leave_json_alone(environment, built, photos):
    from steeple.cli.app import app  # noqa: F401 - the command below is this one

    steeple, (reader, writer) = _command(), pty.openpty()
    with os.fdopen(writer, "wb") as terminal:
        done = subprocess.run(
            [*steeple, "recognize", str(built), *map(str, photos), "--json", "--workers", "1"],
            stdout=subprocess.PIPE,
            stderr=terminal,
            env=environment | {"TERM": "xterm"},
            check=True,
        )
    said = b""
    try:
        while part := os.read(reader, 4096):
            said += part
    except OSError:  # Linux says so when the other end of a terminal is closed
        pass
    os.close(reader)
    assert len(json.loads(done.stdout)["answers"]) == len(photos)
    assert b"\x1b" not in done.stdout
    assert b"\x1b" in said
    assert b"describing queries" in said


def _command():
    import sys

    return [sys.executable, "-m", "steeple"]
