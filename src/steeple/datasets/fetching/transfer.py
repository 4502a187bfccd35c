"""Files over HTTP, from servers and lines that break.

A file grows as ``NAME.part``; beside it, ``NAME.part.json`` says what it is a part of: the URL and
the validator, which is the server's strong ETag or else its Last-Modified. An interrupted download
asks for the rest under the condition that the file is still that one (``Range`` with ``If-Range``,
RFC 9110, sections 13.1.5 and 14). A server that knows neither sends the whole, and it starts anew.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from threading import Event, Lock
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from steeple.errors import InputError, MachineError, StorageError

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

__all__ = ["Client", "Patience", "StoppedError", "begun"]

_CHUNK = 1 << 16  # bytes
_LONGEST_TEXT = 1 << 16  # bytes
_LONGEST_PAUSE = 60.0  # seconds, whatever a server asks for
_CONNECT = 10.0  # seconds
_REDIRECTS = 5
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_WHOLE, _REST, _NO_REST = 200, 206, 416
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


class StoppedError(Exception):
    """The work was told to stop; what came is kept."""


class Client:
    """Downloads, several at once; every method may be called from any thread.

    Args:
        connections: how many at once.
        patience: how long a server gets.
    """

    def __init__(self, connections: int = 1, patience: Patience | None = None) -> None:
        self._connections = connections
        self._patience = patience or Patience()
        self._stop = Event()
        self._lock = Lock()
        self._pools: dict[str | None, PoolManager] = {}
        self._live: set[BaseHTTPResponse] = set()

    def size(self, url: str) -> int | None:
        """How large a file is, by its server's word; None if it does not say.

        Raises:
            InputError: there is no such file.
            MachineError: the server does not answer.
        """

        def ask() -> int | None:
            with self._request("HEAD", url) as response:
                _admit(url, response, _WHOLE, *_MUTE)
                response.drain_conn()  # hundreds of files are asked for over one connection
                size = _number(response.headers.get("Content-Length"))
                return size if response.status == _WHOLE else None

        return self._patiently(url, ask)

    def text(self, url: str) -> str:
        """A small text file.

        Raises:
            InputError: the server does not give this file, or it is not small.
            MachineError: the server does not answer.
        """

        def ask() -> str:
            with self._request("GET", url) as response:
                _admit(url, response, _WHOLE)
                data = bytearray()
                for chunk in self._chunks(response):
                    data += chunk
                    if len(data) > _LONGEST_TEXT:
                        raise InputError(f"{url}: not the small file that it should be")
            return data.decode("utf-8", errors="replace")

        return self._patiently(url, ask)

    def fetch(self, url: str, target: Path, gained: Callable[[int], None]) -> None:
        """Downloads a file, or the rest of it.

        Args:
            url: where it is.
            target: where it goes, once it is whole.
            gained: called with the bytes that came; less than 0 where a part was thrown away.

        Raises:
            InputError: the server does not give this file.
            MachineError: the line broke too often; what came is kept.
            StorageError: the disk is full or does not let us in; what came is kept.
            StoppedError: it was told to stop; what came is kept.
        """
        part = _Part(target)
        with _writing(target):
            target.parent.mkdir(parents=True, exist_ok=True)
        self._patiently(url, lambda: self._go_on(url, part, gained), lambda: part.size)
        with _writing(target):
            part.path.replace(target)
            part.note.unlink(missing_ok=True)

    def check(self) -> None:
        """Raises StoppedError once it was told to stop."""
        if self._stop.is_set():
            raise StoppedError

    def stop(self) -> None:
        """Ends every download under way, soon."""
        self._stop.set()
        with self._lock:
            live = list(self._live)
        for response in live:
            with suppress(ValueError, OSError):  # it has just ended by itself
                response.shutdown()

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
            except _PassingError as error:
                reason, asked = str(error), error.pause
            except HTTPError as error:
                reason, asked = _reason(error), 0.0
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

    def _go_on(self, url: str, part: _Part, gained: Callable[[int], None]) -> None:
        """Asks once for what is missing."""
        have, validator = part.begun(url)
        headers = {"Range": f"bytes={have}-", "If-Range": validator} if have else {}
        with self._request("GET", url, headers) as response:
            if have and response.status == _NO_REST:
                if _extent(response)[1] == have:
                    return
                gained(-part.clear())
                raise _PassingError("it is not the file that was begun")
            _admit(url, response, _WHOLE, *([_REST] if have else []))
            if response.status == _WHOLE:
                gained(-part.clear())
                total = _number(response.headers.get("Content-Length"))
                part.begin(_Note(url, _validator(response)))
            else:
                start, total = _extent(response)
                if start != have or _validator(response) not in (None, validator):
                    gained(-part.clear())
                    raise _PassingError("it sent another part than was asked for")
            part.append(self._chunks(response), gained)
        if total is not None and part.size != total:
            raise _PassingError(f"it announced {total:,} bytes and sent {part.size:,}")

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
        with self._lock:
            self._live.add(response)
        try:
            _still_encrypted(url, response)
            yield response
        finally:
            with self._lock:
                self._live.discard(response)
            response.close()

    def _chunks(self, response: BaseHTTPResponse) -> Iterator[bytes]:
        for chunk in response.stream(_CHUNK, decode_content=False):
            self.check()
            yield chunk

    def _pool(self, url: str) -> PoolManager:
        """The connections to a server, through the proxy that the environment names, if any."""
        parts = urlsplit(url)
        proxy = None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)
        with self._lock:
            if proxy not in self._pools:
                self._pools[proxy] = self._connect(proxy)
            return self._pools[proxy]

    def _connect(self, proxy: str | None) -> PoolManager:
        import urllib3

        longest = self._patience.timeout
        timeout = urllib3.Timeout(connect=min(longest, _CONNECT), read=longest)
        # Attempts are counted here, where it is known whether bytes still come.
        retries = urllib3.Retry(None, connect=0, read=0, status=0, other=0, redirect=_REDIRECTS)
        if proxy is None:
            return urllib3.PoolManager(maxsize=self._connections, timeout=timeout, retries=retries)
        return urllib3.ProxyManager(
            proxy, maxsize=self._connections, timeout=timeout, retries=retries
        )


class _PassingError(Exception):
    """What may be better the next time; ``pause`` is how many seconds the server asks for."""

    def __init__(self, reason: str, pause: float = 0.0) -> None:
        super().__init__(reason)
        self.pause = pause


@dataclass(frozen=True)
class _Note:
    url: str
    validator: str | None


class _Part:
    """A file that is not whole yet, and the note beside it."""

    def __init__(self, target: Path) -> None:
        self.path = target.with_name(f"{target.name}.part")
        self.note = target.with_name(f"{target.name}.part.json")

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.is_file() else 0

    def begun(self, url: str) -> tuple[int, str]:
        """How many bytes there are of this very file, and its validator; 0 where that is unknown.

        Two halves of different files would be a file that nobody published.
        """
        try:
            note = _Note(**json.loads(self.note.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):  # none, or cut off: it starts anew
            return 0, ""
        if note.url != url or not note.validator:
            return 0, ""
        return self.size, note.validator

    def begin(self, note: _Note) -> None:
        with _writing(self.note):
            self.note.write_text(json.dumps(asdict(note)), encoding="utf-8")

    def clear(self) -> int:
        """Throws it away; returns how many bytes it had."""
        size = self.size
        with _writing(self.path):
            self.path.unlink(missing_ok=True)
            self.note.unlink(missing_ok=True)
        return size

    def append(self, chunks: Iterator[bytes], gained: Callable[[int], None]) -> None:
        with _writing(self.path):
            stream = self.path.open("ab")
        try:
            for chunk in chunks:
                with _writing(self.path):
                    stream.write(chunk)
                gained(len(chunk))
        finally:
            with _writing(self.path):
                stream.close()


def begun(target: Path) -> int:
    """How many bytes of a file are there already, whole or as a part."""
    return target.stat().st_size if target.is_file() else _Part(target).size


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{path}: cannot be written ({error.strerror}); make room or choose another place, "
            "and run the same again: it goes on with what is there"
        ) from error


def _admit(url: str, response: BaseHTTPResponse, *statuses: int) -> None:
    if response.status in statuses:
        return
    reason = f"{response.status} {response.reason or ''}".strip()
    if response.status in _PASSING:
        raise _PassingError(reason, float(_number(response.headers.get("Retry-After")) or 0))
    raise InputError(f"{url}: {reason}; it may have moved: try a mirror")


def _still_encrypted(url: str, response: BaseHTTPResponse) -> None:
    """Refuses to be sent from an encrypted address to a plain one: most archives have no sum."""
    steps = response.retries.history if response.retries else ()
    plain = [step.redirect_location for step in steps if _is_plain(step.redirect_location)]
    if plain and not _is_plain(url):
        raise InputError(f"{url}: sends on to {plain[0]}, which is not encrypted; try a mirror")


def _is_plain(url: str | None) -> bool:
    return urlsplit(url or "").scheme == "http"


def _number(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch(r"[0-9]{1,18}", text) else None


def _extent(response: BaseHTTPResponse) -> tuple[int | None, int | None]:
    """Where the part that was sent begins, and how large the whole is, as far as it is said."""
    text = response.headers.get("Content-Range", "")
    match = re.fullmatch(r"bytes (?:(\d{1,18})-\d{1,18}|\*)/(?:(\d{1,18})|\*)", text)
    return (_number(match[1]), _number(match[2])) if match else (None, None)


def _validator(response: BaseHTTPResponse) -> str | None:
    """The strong ETag, or else the date; a weak ETag does not promise the same bytes."""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified")


def _reason(error: Exception) -> str:
    """What broke, without the addresses of Python objects."""
    inner = getattr(error, "reason", None) or error
    text = re.sub(r"<[^>]*>|HTTPS?Connection(?:Pool)?\([^)]*\)", "", str(inner)).strip(" :,()")
    return f"no answer ({text or type(error).__name__})"
