"""Files over lines that break, from servers that lie."""

from __future__ import annotations

import json
import random
import threading
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from urllib3.util.retry import RequestHistory, Retry

from steeple.datasets.fetching import transfer
from steeple.datasets.fetching.transfer import Client, Patience, StoppedError, begun
from steeple.errors import InputError, MachineError, StorageError

DATA = random.Random(0).randbytes(300_000)
HASTY = Patience(attempts=3, pause=0.0, timeout=5.0)


@pytest.fixture
def client():
    client = Client(2, HASTY)
    yield client
    client.close()


@pytest.fixture
def target(tmp_path):
    return tmp_path / "deep" / "file.tar"


@pytest.fixture
def fetch(served, client, target):
    """Fetches the page at "f"; returns the bytes that came and were kept."""

    def fetch() -> int:
        gained: list[int] = []
        client.fetch(served.url + "f", target, gained.append)
        return sum(gained)

    return fetch


def cut(fetch, page) -> None:
    """Leaves a part of the page behind, as an interrupted download does."""
    page.breaks = [100_000, 0, 0, 0]
    with pytest.raises(MachineError):
        fetch()
    page.breaks = []


def test_a_file_comes_as_it_is(served, page, fetch, target):
    served.pages["f"] = page(DATA)
    assert fetch() == len(DATA)
    assert target.read_bytes() == DATA
    assert [path.name for path in target.parent.iterdir()] == ["file.tar"]


def test_no_bytes_are_a_file_too(served, page, fetch, target):
    served.pages["f"] = page(b"")
    assert fetch() == 0
    assert target.read_bytes() == b""


def test_a_broken_line_is_gone_on_with(served, page, fetch, target):
    served.pages["f"] = page(DATA, breaks=[70_000, 130_000])
    assert fetch() == len(DATA)
    assert target.read_bytes() == DATA
    assert served.got("f") == [None, "bytes=70000-", "bytes=200000-"]
    assert served.asked[-1][2]["if-range"] == '"one"'


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(
    breaks=st.lists(st.integers(0, 400_000), max_size=5),
    ranges=st.booleans(),
    chunked=st.booleans(),
    tag=st.sampled_from(['"one"', 'W/"one"', None]),
    modified=st.sampled_from(["Mon, 01 Jan 2024 00:00:00 GMT", None]),
)
def test_whatever_breaks_the_bytes_are_right(
    served, page, tmp_path, breaks, ranges, chunked, tag, modified
):
    target = tmp_path / "file.tar"
    served.pages["f"] = page(
        DATA, breaks=breaks, ranges=ranges, chunked=chunked, tag=tag, modified=modified
    )
    client = Client(1, Patience(attempts=7, pause=0.0, timeout=5.0))
    gained: list[int] = []
    client.fetch(served.url + "f", target, gained.append)
    client.close()
    assert target.read_bytes() == DATA
    assert sum(gained) == len(DATA)


def test_the_next_run_goes_on(served, page, fetch, target):
    served.pages["f"] = page(DATA)
    cut(fetch, served.pages["f"])
    assert begun(target) == 100_000
    assert not target.exists()
    served.asked.clear()
    assert fetch() == len(DATA) - 100_000
    assert served.got("f") == ["bytes=100000-"]
    assert target.read_bytes() == DATA


@pytest.mark.parametrize("tag", ['"one"', None])
def test_a_file_that_has_changed_starts_anew(served, page, fetch, target, tag):
    dated = {"tag": tag, "modified": "Mon, 01 Jan 2024 00:00:00 GMT"}
    served.pages["f"] = page(DATA, **dated)
    cut(fetch, served.pages["f"])
    part = begun(target)
    changed = {"tag": tag and '"two"', "modified": "Tue, 02 Jan 2024 00:00:00 GMT"}
    served.pages["f"] = page(DATA[::-1], **changed)
    assert fetch() == len(DATA) - part
    assert target.read_bytes() == DATA[::-1]


def test_a_server_that_looks_at_no_condition_is_found_out(served, page, fetch, target):
    served.pages["f"] = page(DATA)
    cut(fetch, served.pages["f"])
    served.pages["f"] = page(DATA[::-1], tag='"two"', rules=False)
    fetch()
    assert target.read_bytes() == DATA[::-1]


def test_without_a_validator_it_starts_anew(served, page, fetch, target):
    served.pages["f"] = page(DATA, tag='W/"one"')
    cut(fetch, served.pages["f"])
    served.asked.clear()
    fetch()
    assert served.got("f") == [None]
    assert target.read_bytes() == DATA


def test_a_part_of_another_url_is_no_part(served, page, client, fetch, target):
    served.pages["f"] = page(DATA)
    cut(fetch, served.pages["f"])
    served.pages["g"] = page(DATA[::-1])
    client.fetch(served.url + "g", target, lambda size: None)
    assert target.read_bytes() == DATA[::-1]


@pytest.mark.parametrize("note", ["", "{", "[]", '{"url": 3}', None])
def test_a_damaged_note_starts_anew(served, page, fetch, target, note):
    served.pages["f"] = page(DATA)
    cut(fetch, served.pages["f"])
    beside = target.with_name("file.tar.part.json")
    if note is None:
        beside.unlink()
    else:
        beside.write_text(note)
    fetch()
    assert target.read_bytes() == DATA


def test_a_server_that_ignores_ranges_sends_the_whole(served, page, fetch, target):
    served.pages["f"] = page(DATA)
    cut(fetch, served.pages["f"])
    part = begun(target)
    served.pages["f"] = page(DATA, ranges=False)
    assert fetch() == len(DATA) - part
    assert target.read_bytes() == DATA


def test_a_part_that_is_whole_is_taken(served, page, fetch, target):
    served.pages["f"] = page(DATA)
    target.parent.mkdir()
    target.with_name("file.tar.part").write_bytes(DATA)
    note = {"url": served.url + "f", "validator": '"one"'}
    target.with_name("file.tar.part.json").write_text(json.dumps(note))
    assert fetch() == 0
    assert served.got("f") == [f"bytes={len(DATA)}-"]
    assert target.read_bytes() == DATA


def test_a_part_that_is_longer_than_the_file_starts_anew(served, page, fetch, target):
    served.pages["f"] = page(DATA)
    target.parent.mkdir()
    target.with_name("file.tar.part").write_bytes(DATA + b"more")
    note = {"url": served.url + "f", "validator": '"one"'}
    target.with_name("file.tar.part.json").write_text(json.dumps(note))
    assert fetch() == -4
    assert target.read_bytes() == DATA


def test_a_part_from_elsewhere_in_the_file_is_not_taken(served, page, fetch, target):
    served.pages["f"] = page(DATA)
    cut(fetch, served.pages["f"])
    served.pages["f"] = page(DATA, shift=10)
    fetch()
    assert target.read_bytes() == DATA


def test_a_server_that_announces_more_than_it_has(served, page, fetch, target):
    served.pages["f"] = page(DATA, length=len(DATA) + 50, ranges=False)
    with pytest.raises(MachineError, match=r"f: .*3 times in a row.*goes on"):
        fetch()
    assert not target.exists()


def test_a_server_that_announces_less_gives_less(served, page, fetch, target):
    # Nobody can know better than the server here; sums and archives tell, where it is a lie.
    served.pages["f"] = page(DATA, length=1000)
    fetch()
    assert target.read_bytes() == DATA[:1000]


def test_what_passes_is_waited_for(served, page, fetch, target):
    served.pages["f"] = page(DATA, statuses=[500, 503])
    fetch()
    assert target.read_bytes() == DATA
    assert len(served.got("f")) == 3


def test_what_does_not_pass_ends_it(served, page, fetch, target):
    served.pages["f"] = page(DATA, statuses=[500] * 9)
    with pytest.raises(MachineError, match=r"500 .*3 times in a row; look at the network"):
        fetch()
    assert len(served.got("f")) == 3


def test_progress_makes_patient(served, page, fetch, target):
    # Four breaks are more than three attempts, but bytes come every time.
    served.pages["f"] = page(DATA, breaks=[66_000, 66_000, 66_000, 66_000])
    fetch()
    assert target.read_bytes() == DATA
    served.pages["f"] = page(DATA, breaks=[66_000, 0, 0, 0])
    target.unlink()
    with pytest.raises(MachineError, match="3 times"):
        fetch()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_what_is_refused_is_not_asked_for_again(served, page, fetch, status):
    served.pages["f"] = page(DATA, statuses=[status])
    with pytest.raises(InputError, match=rf"f: {status} .*mirror"):
        fetch()
    assert len(served.got("f")) == 1


def test_pauses_grow_and_servers_may_ask_for_longer(served, page, target, monkeypatch):
    waited: list[float] = []
    client = Client(1, Patience(attempts=5, pause=1.0, timeout=5.0))
    monkeypatch.setattr(client._stop, "wait", waited.append)
    served.pages["f"] = page(DATA, statuses=[500, 500, 500])
    client.fetch(served.url + "f", target, lambda size: None)
    served.pages["f"] = page(DATA, statuses=[503, 503], retry_after="7")
    client.fetch(served.url + "f", target, lambda size: None)
    served.pages["f"] = page(DATA, statuses=[503], retry_after="100000")
    client.fetch(served.url + "f", target, lambda size: None)
    client.close()
    assert waited == [1.0, 2.0, 4.0, 7.0, 7.0, 60.0]


def test_a_server_that_says_nothing_is_given_up(served, page, target):
    served.pages["f"] = page(DATA, pause=2.0)
    client = Client(1, Patience(attempts=2, pause=0.0, timeout=0.1))
    with pytest.raises(MachineError, match=r"no answer \(.*timed out.*2 times in a row"):
        client.fetch(served.url + "f", target, lambda size: None)
    client.close()


def test_a_server_that_is_not_there_is_one_line(target):
    client = Client(1, HASTY)
    with pytest.raises(MachineError, match=r"no answer \(.*refused") as caught:
        client.fetch("http://127.0.0.1:9/f", target, lambda size: None)
    assert "object at" not in str(caught.value)
    assert "HTTPConnection" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_has_moved_is_followed(served, page, fetch, target):
    served.pages["g"] = page(DATA, breaks=[70_000])
    served.moved["f"] = "/g"
    fetch()
    assert target.read_bytes() == DATA
    served.moved["f"] = "/f"
    target.unlink()
    with pytest.raises(MachineError, match="redirects"):
        fetch()


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
            transfer._still_encrypted(url, response)
    else:
        transfer._still_encrypted(url, response)


def test_a_stop_keeps_the_part(served, page, client, target):
    served.pages["f"] = page(DATA, pause=0.05)
    came = threading.Event()
    ended: list[BaseException] = []

    def work() -> None:
        try:
            client.fetch(served.url + "f", target, lambda size: size and came.set())
        except StoppedError as error:
            ended.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    assert came.wait(5)
    client.stop()
    thread.join(5)
    assert len(ended) == 1
    assert 0 < begun(target) < len(DATA)
    with pytest.raises(StoppedError):
        client.size(served.url + "f")


def test_a_place_that_cannot_be_written(served, page, client, tmp_path):
    served.pages["f"] = page(DATA)
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        client.fetch(served.url + "f", tmp_path / "file" / "f", lambda size: None)


def test_sizes(served, page, client):
    served.pages["f"] = page(DATA)
    assert client.size(served.url + "f") == len(DATA)
    served.pages["f"] = page(DATA, chunked=True)
    assert client.size(served.url + "f") is None
    served.pages["f"] = page(DATA, head=405)
    assert client.size(served.url + "f") is None
    with pytest.raises(InputError, match="404"):
        client.size(served.url + "g")


def test_texts_are_small(served, page, client):
    served.pages["f"] = page(b"0123  a.tar\n")
    assert client.text(served.url + "f") == "0123  a.tar\n"
    served.pages["f"] = page(DATA)
    with pytest.raises(InputError, match="small"):
        client.text(served.url + "f")


def test_a_proxy_of_the_environment_is_used(served, page, client, monkeypatch):
    served.pages["http://places.example/f"] = page(b"by proxy")
    monkeypatch.setenv("http_proxy", served.url)
    assert client.text("http://places.example/f") == "by proxy"
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    served.pages["f"] = page(b"straight")
    assert client.text(served.url + "f") == "straight"
