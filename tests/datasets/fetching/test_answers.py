"""What servers say, and which of it is believed; bodies are in test_transfer.py."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from urllib3 import HTTPHeaderDict
from urllib3.util.retry import RequestHistory, Retry

from steeple.datasets.fetching import answers
from steeple.errors import InputError

SIZE = {"Content-Range": "bytes 100-299/300"}
TAG = {"ETag": '"one"'}


def answer(status=206, **headers):
    return SimpleNamespace(status=status, headers=HTTPHeaderDict(headers))


@pytest.mark.parametrize(
    ("headers", "total", "taken"),
    [
        (SIZE | TAG, 300, True),
        (SIZE, 300, True),
        (SIZE | TAG, None, True),
        (SIZE, None, False),  # neither size nor validator would tell another file
        (SIZE | TAG, 301, False),
        (SIZE | {"ETag": '"two"'}, 300, False),
        (TAG | {"Content-Range": "bytes 100-299/*"}, 300, False),
        (TAG | {"Content-Range": "bytes 100-299/*"}, None, False),
        (TAG | {"Content-Range": "bytes 99-299/300"}, 300, False),
        (TAG | {"Content-Range": "pages 100-299/300"}, 300, False),
        (TAG, 300, False),
    ],
)
def test_what_is_the_rest_of_a_part(headers, total, taken):
    assert answers.is_rest(answer(206, **headers), 100, '"one"', total) is taken


@pytest.mark.parametrize(
    ("said", "total", "taken"),
    [("bytes */100", 100, True), ("bytes */100", 300, False), ("bytes */90", 90, False)],
)
def test_a_part_to_which_nothing_is_missing(said, total, taken):
    headers = TAG | {"Content-Range": said}
    assert answers.is_rest(answer(416, **headers), 100, '"one"', total) is taken


@pytest.mark.parametrize(
    ("url", "to", "refused"),
    [
        ("https://a/f", ["http://b/f"], True),
        ("https://a/f", ["https://b/f", "HTTP://c/f"], True),
        ("https://a/f", ["/g", "https://b/f"], False),
        ("http://a/f", ["http://b/f"], False),
        ("https://a/f", [], False),
    ],
)
def test_nobody_is_sent_from_an_encrypted_address_to_a_plain_one(url, to, refused):
    # There is no certificate on this machine, so the way that was taken is only told.
    steps = tuple(RequestHistory("GET", url, None, 302, step) for step in to)
    response = SimpleNamespace(retries=Retry(history=steps))
    if refused:
        with pytest.raises(InputError, match="not encrypted"):
            answers.check_way(url, response)
    else:
        answers.check_way(url, response)
