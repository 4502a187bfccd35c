"""Stages, and how long they took."""

from __future__ import annotations

import pytest

from steeple import progress
from steeple.progress import Stopwatch, silent


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes on by one second, two seconds, three seconds …"""
    times = iter([0.0, 1.0, 3.0, 6.0, 10.0, 15.0])
    monkeypatch.setattr(progress, "perf_counter", lambda: next(times))


def test_stages_are_timed_in_the_order_they_end(clock):
    watch = Stopwatch()
    with watch.stage("all"), watch.stage("part"):
        pass
    assert watch.seconds == {"part": 2.0, "all": 6.0}
    assert list(watch.seconds) == ["part", "all"]


def test_a_stage_again_is_the_last_time(clock):
    watch = Stopwatch()
    for _ in range(2):
        with watch.stage("vote"):
            pass
    assert watch.seconds == {"vote": 3.0}


def test_a_stage_that_fails_is_not_kept():
    watch = Stopwatch()
    with pytest.raises(RuntimeError), watch.stage("embed"):
        raise RuntimeError
    assert watch.seconds == {}


def test_watches_share_nothing():
    with Stopwatch().stage("vote"):
        pass
    assert Stopwatch().seconds == {}


def test_silence(capsys):
    assert silent("vote", 1, None) is None
    assert capsys.readouterr() == ("", "")
