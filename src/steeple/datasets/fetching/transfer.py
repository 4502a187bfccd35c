"""Files over HTTP, from servers and lines that break.

A file grows as ``NAME.part``; beside it, ``NAME.part.json`` says what it is a part of: the URL,
the size of the whole, and the validator, which is the server's strong ETag or else its
Last-Modified. An interrupted download asks for the rest under the condition that the file is still
that one (``Range`` with ``If-Range``, RFC 9110, sections 13.1.5 and 14). A server that knows
neither sends the whole, and it starts anew.

A file is whole when it has the size that was announced, by the answer to HEAD or that to GET; the
two must agree. More is stopped at once. A body that ends with the connection, and of which nobody
says how large it is, looks the same whether it is whole or the line broke: it is taken only where
its content tells later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from threading import Event, Lock
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from steeple.datasets.fetching import answers
from steeple.datasets.fetching.answers import NO_REST, REST, WHOLE, PassingError
from steeple.datasets.fetching.lines import Lines, StoppedError
from steeple.datasets.fetching.partial import Begun, Note, Partial, writing
from steeple.errors import ContentError, MachineError

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

__all__ = ["Client", "Patience", "StoppedError"]

_CHUNK = 1 << 16  # bytes
_LONGEST_TEXT = 1 << 16  # bytes
_LONGEST_PAUSE = 60.0  # seconds, whatever a server asks for
_MUTE = (401, 403, 405, 501)  # of servers that give files and answer no questions about them

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Patience:
    """How long a server gets.

    Attributes:
        attempts: how many in a row that bring nothing (six take half a minute).
        pause: seconds before the second of them; each later one waits twice as long.
        timeout: seconds without a sign of the server.
    """

    attempts: int = 6
    pause: float = 1.0
    timeout: float = 30.0


class Client:
    """Downloads, several at once; every method may be called from any thread.

    Args:
        connections: how many at once.
        patience: how long a server gets.
    """

    def __init__(self, connections: int = 1, patience: Patience | None = None) -> None:
        self._patience = patience or Patience()
        self._stop = Event()
        self._lines = Lines(connections, self._patience.timeout)
        self._lock = Lock()
        self._pools: dict[str | None, PoolManager] = {}

    def size(self, url: str) -> int | None:
        """How large a file is, by its server's word; None if it does not say.

        Raises:
            InputError: there is no such file.
            MachineError: the server does not answer.
        """

        def ask() -> int | None:
            with self._request("HEAD", url) as response:
                answers.admit(url, response, WHOLE, *_MUTE)
                response.drain_conn()  # hundreds of files are asked for over one connection
                return answers.head_size(response)

        return self._patiently(url, ask)

    def text(self, url: str) -> str:
        """A small text file.

        Raises:
            InputError: the server does not give this file, or it is not small.
            MachineError: the server does not answer.
        """

        def ask() -> str:
            with self._request("GET", url) as response:
                answers.admit(url, response, WHOLE)
                answers.check_packing(url, response)
                data = bytearray()
                for chunk in self._chunks(response):
                    data += chunk
                    if len(data) > _LONGEST_TEXT:
                        raise ContentError(
                            f"{url}: not the small file that it should be; try later, or a mirror"
                        )
            return data.decode("utf-8", errors="replace")

        return self._patiently(url, ask)

    def fetch(
        self,
        url: str,
        target: Path,
        gained: Callable[[int], None],
        *,
        planned: int | None = None,
        sure: bool = False,
        room: Callable[[int, int], None] = lambda _whole, _rest: None,
    ) -> None:
        """Downloads a file, or the rest of it.

        Args:
            url: where it is.
            target: where it goes, once it is whole.
            gained: called with the bytes that came; less than 0 where a part was thrown away.
            planned: its size in bytes, as `size` has it; None: unknown.
            sure: whether its content tells later if it is whole: a sum, or an archive's own end.
            room: called with its size and with what is missing of it, in bytes, before that comes;
                what it raises stops the download.

        Raises:
            InputError: the server does not give this file.
            ContentError: the server gives another file, by its size; or nobody could tell whether
                all of it came.
            MachineError: the line broke too often; what came is kept.
            StorageError: the disk is full or does not let us in; what came is kept.
            StoppedError: it was told to stop; what came is kept.
        """
        part = Partial(target)
        with writing(target):
            target.parent.mkdir(parents=True, exist_ok=True)
        wanted = _Wanted(url, planned, sure, gained, room)
        self._patiently(url, lambda: self._go_on(wanted, part), lambda: part.size)
        part.finish()

    def check(self) -> None:
        """Raises StoppedError once it was told to stop."""
        if self._stop.is_set():
            raise StoppedError

    def stop(self) -> None:
        """Ends every download under way, soon."""
        self._stop.set()
        self._lines.cut()

    def close(self) -> None:
        """Closes every connection."""
        for pool in self._pools.values():
            pool.clear()

    def _patiently(
        self, url: str, ask: Callable[[], _Result], reached: Callable[[], int] = lambda: 0
    ) -> _Result:
        """Asks again while only what passes by itself goes wrong, or bytes still come."""
        from urllib3.exceptions import HTTPError

        failures, best = 0, reached()
        while True:
            self.check()
            try:
                return ask()
            except PassingError as error:
                reason, asked = str(error), error.pause
            except HTTPError as error:
                reason, asked = answers.reason(error), 0.0
            self.check()
            if reached() > best:
                failures, best = 0, reached()
            failures += 1
            if failures >= self._patience.attempts:
                raise MachineError(
                    f"{url}: {reason}, {failures} times in a row; look at the network, and run "
                    "the same again: it goes on with what is there"
                )
            pause = max(asked, self._patience.pause * 2 ** (failures - 1))
            self._stop.wait(min(pause, _LONGEST_PAUSE))

    def _go_on(self, wanted: _Wanted, part: Partial) -> None:
        """Asks once for what is missing."""
        begun = part.begun(wanted.url, wanted.planned)
        headers = {"Range": f"bytes={begun.have}-", "If-Range": begun.validator}
        with self._request("GET", wanted.url, headers if begun.have else {}) as response:
            rests = (REST, NO_REST) if begun.have else ()
            answers.admit(wanted.url, response, WHOLE, *rests)
            if response.status == NO_REST and _is_rest(response, begun):
                return  # it was whole, and had not got its name yet
            answers.check_packing(wanted.url, response)
            total = _begin(response, wanted, part, begun)
            left = None if total is None else total - part.size
            try:
                part.append(self._chunks(response, left), wanted.gained)
            except _ExcessError:
                wanted.gained(-part.clear())
                raise ContentError(
                    f"{wanted.url}: sends more than the {total:,} bytes that were announced; "
                    "try later, or a mirror"
                ) from None
        if total is not None and part.size != total:
            raise PassingError(f"it announced {total:,} bytes and sent {part.size:,}")

    @contextmanager
    def _request(
        self, method: str, url: str, headers: dict[str, str] | None = None
    ) -> Iterator[BaseHTTPResponse]:
        response = self._pool(url).request(
            method,
            url,
            headers={
                # What arrives is counted and summed as it lies on the server.
                "Accept-Encoding": "identity",
                "User-Agent": f"steeple/{version('steeple')}",
                **(headers or {}),
            },
            preload_content=False,
        )
        try:
            answers.check_way(url, response)
            yield response
        finally:
            response.close()

    def _chunks(self, response: BaseHTTPResponse, most: int | None = None) -> Iterator[bytes]:
        """The body in pieces; one that would make it longer than it may be is not given out."""
        came = 0
        for chunk in response.stream(_CHUNK, decode_content=False):
            self.check()
            came += len(chunk)
            if most is not None and came > most:
                raise _ExcessError
            yield chunk
        self.check()  # a line that was cut ends like a body of unknown length

    def _pool(self, url: str) -> PoolManager:
        """The connections to a server, through the proxy that the environment names, if any."""
        parts = urlsplit(url)
        proxy = None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)
        with self._lock:
            if proxy not in self._pools:
                self._pools[proxy] = self._lines.pool(proxy)
            return self._pools[proxy]


class _ExcessError(Exception):
    """More comes than was announced."""


@dataclass(frozen=True)
class _Wanted:
    """What `Client.fetch` was asked for."""

    url: str
    planned: int | None
    sure: bool
    gained: Callable[[int], None]
    room: Callable[[int, int], None]


def _begin(response: BaseHTTPResponse, wanted: _Wanted, part: Partial, begun: Begun) -> int | None:
    """Makes ready for the body that an answer announces; returns the size of the whole file."""
    if response.status == WHOLE:
        total = answers.whole_size(wanted.url, response, wanted.planned, sure=wanted.sure)
    elif response.status == REST and _is_rest(response, begun):
        total = answers.extent(response)[1] if begun.total is None else begun.total
    else:
        wanted.gained(-part.clear())
        raise PassingError("it sent another part than was asked for")
    if total is not None:
        wanted.room(total, total - part.size)
    if response.status == WHOLE:
        wanted.gained(-part.clear())
        part.describe(Note(wanted.url, answers.validator(response), total))
    elif total != begun.total:  # only now it is said
        part.describe(Note(wanted.url, begun.validator, total))
    return total


def _is_rest(response: BaseHTTPResponse, begun: Begun) -> bool:
    return answers.is_rest(response, begun.have, begun.validator, begun.total)
