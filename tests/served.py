"""A server on this machine that behaves as badly as servers do."""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

__all__ = ["Page", "Server", "serve"]


@dataclass
class Page:
    """What lies at a path, and how it is given away.

    Attributes:
        data: the bytes.
        tag: the ETag; None: none is sent.
        modified: the Last-Modified; None: none is sent.
        ranges: whether a part can be asked for.
        length: the Content-Length of the whole, where it is a lie.
        statuses: what is answered before the page is given, one per request.
        breaks: after how many bytes the line breaks, one per request that gets bytes.
        head: what a HEAD is answered.
        chunked: whether no length is announced.
        pause: seconds between any two of ten pieces.
        shift: how many bytes too early a part begins.
        rules: whether a condition on a part is looked at.
        retry_after: how many seconds are to pass before the next request, where it is refused.
        head_length: the Content-Length that a HEAD is answered, where it is another.
        closes: whether the whole ends with the connection, and no length is announced.
        packing: the Content-Encoding.
        silences: seconds before an answer, by the method that is answered.
        repeats: how often the body comes, one behind the other.
    """

    data: bytes
    tag: str | None = '"one"'
    modified: str | None = None
    ranges: bool = True
    length: int | None = None
    statuses: list[int] = field(default_factory=list)
    breaks: list[int] = field(default_factory=list)
    head: int = 200
    chunked: bool = False
    pause: float = 0.0
    shift: int = 0
    rules: bool = True
    retry_after: str | None = None
    head_length: int | None = None
    closes: bool = False
    packing: str | None = None
    silences: dict[str, float] = field(default_factory=dict)
    repeats: int = 1


@dataclass
class Server:
    """The server; ``pages`` may change at any time, ``asked`` says what was asked of it."""

    url: str
    pages: dict[str, Page] = field(default_factory=dict)
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    moved: dict[str, str] = field(default_factory=dict)

    def got(self, path: str) -> list[str | None]:
        """The Range of every GET for a path."""
        return [
            headers.get("range")
            for method, asked, headers in self.asked
            if (method, asked) == ("GET", path)
        ]


@contextmanager
def serve() -> Iterator[Server]:
    """Serves pages on 127.0.0.1 until the block ends."""

    class Handler(_Handler):
        pass

    listening = _Listening(("127.0.0.1", 0), Handler)
    server = Handler.server_of_pages = Server(f"http://127.0.0.1:{listening.server_address[1]}/")
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        listening.shutdown()
        thread.join()
        listening.server_close()


class _Listening(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *request: object) -> None:
        """Says nothing of lines that the other side breaks."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(*request)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_of_pages: Server

    def log_message(self, *args: object) -> None:
        """Says nothing."""

    def do_HEAD(self) -> None:
        page = self._page()
        if page is None:
            return
        if page.head != 200:
            self._only(page.head)
            return
        self.send_response(200)
        self._describe(page)
        length = page.length or len(page.data) if page.head_length is None else page.head_length
        if not (page.chunked or page.closes) or page.head_length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def do_GET(self) -> None:
        page = self._page()
        if page is None:
            return
        if page.statuses:
            self._only(page.statuses.pop(0), page.retry_after)
            return
        start = self._start(page)
        if start is not None and start >= len(page.data):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(page.data)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self._send(page, start)

    def _page(self) -> Page | None:
        server, path = self.server_of_pages, self.path.removeprefix("/")
        headers = {name.lower(): value for name, value in self.headers.items()}
        server.asked.append((self.command, path, headers))
        if path in server.moved:
            self.send_response(302)
            self.send_header("Location", server.moved[path])
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None
        if path not in server.pages:
            self._only(404)
            return None
        time.sleep(server.pages[path].silences.get(self.command, 0.0))
        return server.pages[path]

    def _start(self, page: Page) -> int | None:
        """Where the part begins that is wanted; None: the whole is."""
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if not match or not page.ranges:
            return None
        condition = self.headers.get("If-Range")
        if page.rules and condition not in (None, page.tag, page.modified):
            return None
        return max(int(match[1]) - page.shift, 0)

    def _send(self, page: Page, start: int | None) -> None:
        data = page.data[start or 0 :]
        self.send_response(200 if start is None else 206)
        self._describe(page)
        if start is not None:
            self.send_header(
                "Content-Range", f"bytes {start}-{len(page.data) - 1}/{len(page.data)}"
            )
        lie = page.length if start is None else None
        if page.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif page.closes:
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(len(data) if lie is None else lie))
        self.end_headers()
        broken = bool(page.breaks)
        if broken:
            data = data[: page.breaks.pop(0)]
        self._pieces(data * page.repeats, page)
        if page.chunked and not broken:
            self.wfile.write(b"0\r\n\r\n")
        if broken or page.closes or (lie is not None and lie != len(data)):
            self.close_connection = True

    def _pieces(self, data: bytes, page: Page) -> None:
        step = max(len(data) // 10, 1) if page.pause else max(len(data), 1)
        for begin in range(0, len(data), step):
            piece = data[begin : begin + step]
            try:
                if page.chunked:
                    piece = b"%x\r\n%s\r\n" % (len(piece), piece)
                self.wfile.write(piece)
                self.wfile.flush()
            except OSError:  # the other side has gone, as it may
                self.close_connection = True
                return
            time.sleep(page.pause)

    def _describe(self, page: Page) -> None:
        if page.tag is not None:
            self.send_header("ETag", page.tag)
        if page.modified is not None:
            self.send_header("Last-Modified", page.modified)
        if page.packing is not None:
            self.send_header("Content-Encoding", page.packing)

    def _only(self, status: int, retry_after: str | None = None) -> None:
        self.send_response(status)
        if retry_after:
            self.send_header("Retry-After", retry_after)
        self.send_header("Content-Length", "0")
        self.end_headers()
