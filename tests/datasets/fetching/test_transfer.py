"""Files over lines that break, from servers that lie."""

from __future__ import annotations

import json
import random
import threading
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from steeple.datasets.fetching.partial import begun
from steeple.datasets.fetching.transfer import Client, Patience, StoppedError
from steeple.errors import ContentError, InputError, MachineError, StorageError

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

    def fetch(**more) -> int:
        gained: list[int] = []
        client.fetch(served.url + "f", target, gained.append, **more)
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
    note = {"url": served.url + "f", "validator": '"one"', "total": len(DATA)}
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


def test_a_server_that_always_announces_less_gives_less(served, page, fetch, target):
    # Nobody can know better than the server here; sums and archives tell, where it is a lie.
    served.pages["f"] = page(DATA, length=1000)
    fetch(planned=1000)
    assert target.read_bytes() == DATA[:1000]


@pytest.mark.parametrize("length", [30_000, len(DATA) + 1])
def test_a_server_that_announces_another_size_than_before(served, page, fetch, target, length):
    served.pages["f"] = page(DATA, length=length)
    with pytest.raises(ContentError, match=rf"announces {length:,} .*was announced with 300,000"):
        fetch(planned=len(DATA))
    assert not target.exists()
    assert len(served.got("f")) == 1


def test_a_part_outlives_an_answer_of_another_size(served, page, fetch, target):
    served.pages["f"] = page(DATA)
    cut(fetch, served.pages["f"])
    served.pages["f"] = page(b"<html>please log in</html>", ranges=False)
    with pytest.raises(ContentError, match="announces 26 bytes"):
        fetch(planned=len(DATA))
    assert begun(target) == 100_000


@pytest.mark.parametrize("ending", [{"closes": True}, {"chunked": True}])
def test_a_body_without_a_length_is_held_against_the_size_it_had(
    served, page, fetch, target, ending
):
    served.pages["f"] = page(DATA[:30_000], ranges=False, **ending)
    with pytest.raises(MachineError, match=r"announced 300,000 bytes and sent 30,000, 3 times"):
        fetch(planned=len(DATA))
    assert not target.exists()
    served.pages["f"] = page(DATA, ranges=False, **ending)
    assert fetch(planned=len(DATA)) == len(DATA) - 30_000
    assert target.read_bytes() == DATA


@pytest.mark.parametrize("ending", [{"closes": True}, {"chunked": True}])
def test_more_than_was_announced_is_stopped_at_once(served, page, fetch, target, ending):
    served.pages["f"] = page(DATA * 20, pause=0.02, **ending)
    came: list[int] = []
    with pytest.raises(ContentError, match="more than the 1,000 bytes"):
        fetch(planned=1000, room=lambda whole, rest: came.append(rest))
    assert came == [1000]
    assert begun(target) == 0
    assert len(served.got("f")) == 1


def test_a_rest_that_is_longer_than_the_rest(served, page, fetch, target):
    served.pages["f"] = page(DATA)
    cut(fetch, served.pages["f"])
    served.pages["f"] = page(DATA, chunked=True, repeats=2)
    with pytest.raises(ContentError, match="more than the 300,000 bytes"):
        fetch(planned=len(DATA))
    assert begun(target) == 0


def test_a_body_of_which_nobody_knows_the_size_is_taken_only_if_it_can_be_told(
    served, page, fetch, target
):
    served.pages["f"] = page(DATA, closes=True)
    with pytest.raises(ContentError, match="does not say how large it is"):
        fetch()
    assert not target.exists()
    assert fetch(sure=True) == len(DATA)
    assert target.read_bytes() == DATA


def test_pieces_have_an_end_of_their_own(served, page, fetch, target):
    served.pages["f"] = page(DATA, chunked=True)
    assert fetch() == len(DATA)
    assert target.read_bytes() == DATA


def test_a_part_of_pieces_is_gone_on_with(served, page, fetch, target):
    served.pages["f"] = page(DATA, chunked=True, breaks=[100_000])
    assert fetch() == len(DATA)
    assert served.got("f") == [None, "bytes=100000-"]
    assert target.read_bytes() == DATA


@pytest.mark.parametrize("packing", ["gzip", "br", "gzip, gzip", "\x1b"])
def test_what_is_packed_for_the_way_is_not_kept(served, page, fetch, target, packing):
    served.pages["f"] = page(DATA, packing=packing)
    with pytest.raises(ContentError, match=r"f: is sent packed .*mirror"):
        fetch()
    assert begun(target) == 0


@pytest.mark.parametrize("name", ["a.tgz", "a.tar.gz", "A.TGZ"])
def test_an_archive_that_is_called_packed_is_taken(served, page, client, target, name):
    served.pages[name] = page(DATA, packing="x-gzip")
    client.fetch(served.url + name, target, lambda size: None)
    assert target.read_bytes() == DATA


def test_a_part_is_joined_only_with_a_file_of_its_size(served, page, fetch, target):
    # The server looks at no condition, and says nothing of which file the rest is.
    other = DATA[::-1] + b"more"
    served.pages["f"] = page(DATA)
    cut(fetch, served.pages["f"])
    served.pages["f"] = page(other, tag=None, rules=False)
    assert fetch() == len(other) - 100_000
    assert served.got("f")[-2:] == ["bytes=100000-", None]
    assert target.read_bytes() == other


def test_a_part_of_a_file_that_has_another_size_today_starts_anew(served, page, fetch, target):
    served.pages["f"] = page(DATA)
    cut(fetch, served.pages["f"])
    other = DATA[::-1] + b"more"
    served.pages["f"] = page(other, tag='"one"')
    served.asked.clear()
    fetch(planned=len(other))
    assert served.got("f") == [None]
    assert target.read_bytes() == other


def test_the_disk_is_asked_before_bytes_come(served, page, fetch, target):
    asked: list[tuple[int, int]] = []

    def room(whole: int, rest: int) -> None:
        asked.append((whole, rest))
        if len(asked) == 1:
            raise StorageError("full")

    served.pages["f"] = page(DATA)
    with pytest.raises(StorageError, match="full"):
        fetch(room=room)
    assert begun(target) == 0
    served.pages["f"] = page(DATA, breaks=[100_000])
    assert fetch(room=room) == len(DATA)
    assert asked == [(300_000, 300_000), (300_000, 300_000), (300_000, 200_000)]


def test_a_full_disk_costs_no_part(served, page, fetch, target):
    def room(whole: int, rest: int) -> None:
        raise StorageError("full")

    served.pages["f"] = page(DATA)
    cut(fetch, served.pages["f"])
    served.pages["f"] = page(DATA, ranges=False)
    with pytest.raises(StorageError, match="full"):
        fetch(room=room)
    assert begun(target) == 100_000


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


@pytest.mark.parametrize("method", ["size", "text", "fetch"])
def test_a_stop_waits_for_no_silent_server(served, page, target, method):
    served.pages["f"] = page(DATA, silences={"HEAD": 20.0, "GET": 20.0})
    client = Client(1, Patience(attempts=2, pause=0.0, timeout=20.0))
    more = (target, lambda size: None) if method == "fetch" else ()
    ended: list[BaseException] = []

    def work() -> None:
        try:
            getattr(client, method)(served.url + "f", *more)
        except StoppedError as error:
            ended.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    while not served.asked:
        time.sleep(0.01)
    client.stop()
    thread.join(10.0)  # half of the silence
    client.close()
    assert len(ended) == 1


def test_a_stop_is_not_the_end_of_a_body(served, page, client, target):
    # A line that was cut looks like the end, where the end is all that a server says. It is cut
    # between two pieces, each of which is read at once.
    data = random.Random(1).randbytes(10 << 16)
    served.pages["f"] = page(data, closes=True, pause=0.3)
    with pytest.raises(StoppedError):
        client.fetch(served.url + "f", target, lambda size: size and client.stop(), sure=True)
    assert not target.exists()
    assert begun(target) == 1 << 16


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
    served.pages["f"] = page(DATA, packing="gzip")
    assert client.size(served.url + "f") is None
    served.pages["f"] = page(DATA, head_length=0)  # of answers that are made as they go
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
