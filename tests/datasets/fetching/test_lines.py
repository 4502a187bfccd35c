"""Connections that can be cut; what that means for downloads is in test_transfer.py."""

from __future__ import annotations

import socket
import threading
from types import SimpleNamespace

import pytest
from urllib3.exceptions import HTTPError

from steeple.datasets.fetching.lines import Lines, StoppedError


def test_a_line_is_held_before_a_request_goes_out(served, page):
    served.pages["f"] = page(b"x", silences={"GET": 20.0})
    lines = Lines(1, timeout=20.0)
    ended: list[BaseException] = []

    def ask() -> None:
        try:
            lines.pool(None).request("GET", served.url + "f", retries=False)
        except HTTPError as error:
            ended.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    while not served.asked:
        thread.join(0.01)
    lines.cut()
    thread.join(10.0)  # half of the silence
    assert len(ended) == 1


def test_a_line_that_is_kept_for_later_is_cut_as_well(served, page):
    served.pages["f"] = page(b"x")
    lines = Lines(1, timeout=5.0)
    pool = lines.pool(None)
    assert pool.request("GET", served.url + "f").data == b"x"
    lines.cut()
    with pytest.raises(StoppedError):  # it was ended, and no other is made
        pool.request("GET", served.url + "f")


def test_a_line_that_was_being_made_is_of_no_use(served, page):
    served.pages["f"] = page(b"x")
    lines = Lines(1, timeout=5.0)
    lines.cut()
    with pytest.raises(StoppedError):
        lines.pool(None).request("GET", served.url + "f")
    assert served.asked == []


def test_encryption_inside_of_encryption_is_cut_at_its_socket():
    here, there = socket.socketpair()
    lines = Lines(1, timeout=5.0)
    lines._hold(SimpleNamespace(socket=here))  # urllib3's SSLTransport has no shutdown of its own
    lines.cut()
    assert there.recv(1) == b""
    here.close()
    there.close()
