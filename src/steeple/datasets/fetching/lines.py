"""The connections of a client, so held that they can be cut while a server is silent."""

from __future__ import annotations

import socket
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING
from weakref import WeakSet

if TYPE_CHECKING:
    from urllib3 import HTTPConnectionPool, PoolManager

__all__ = ["Lines", "StoppedError"]

_CONNECT = 10.0  # seconds; until a line stands it cannot be cut
_REDIRECTS = 5


class StoppedError(Exception):
    """The work was told to stop; what came is kept."""


class Lines:
    """Connections to servers. Every method may be called from any thread.

    Args:
        connections: how many are kept to each server.
        timeout: seconds without a sign of the server.
    """

    def __init__(self, connections: int, timeout: float) -> None:
        self._connections = connections
        self._timeout = timeout
        self._lock = Lock()
        self._sockets: WeakSet[socket.socket] = WeakSet()
        self._cut = False

    def pool(self, proxy: str | None) -> PoolManager:
        """Connections to any server.

        Args:
            proxy: the URL of the proxy that they go through; None: there is none.
        """
        import urllib3

        timeout = urllib3.Timeout(connect=min(self._timeout, _CONNECT), read=self._timeout)
        # Attempts are counted by the client, which knows whether bytes still come.
        retries = urllib3.Retry(None, connect=0, read=0, status=0, other=0, redirect=_REDIRECTS)
        pool = (
            urllib3.PoolManager(maxsize=self._connections, timeout=timeout, retries=retries)
            if proxy is None
            else urllib3.ProxyManager(
                proxy, maxsize=self._connections, timeout=timeout, retries=retries
            )
        )
        pool.pool_classes_by_scheme = self._classes()
        return pool

    def cut(self) -> None:
        """Ends every connection, and those that are still being made once they stand."""
        with self._lock:
            self._cut = True
            sockets = list(self._sockets)
        for line in sockets:
            with suppress(OSError):  # it has just ended by itself
                line.shutdown(socket.SHUT_RDWR)

    def _hold(self, line: socket.socket | None) -> None:
        """Keeps hold of a socket before a request goes out over it.

        The socket and not urllib3's connection or response: the first lets go of it as soon as the
        headers are there, and before them there is no second.
        """
        # Encryption inside of encryption, as to an encrypted proxy, is wrapped round its socket.
        bare = getattr(line, "socket", line)
        with self._lock:
            if bare is not None:
                self._sockets.add(bare)
            if not self._cut:
                return
        raise StoppedError

    def _classes(self) -> dict[str, type[HTTPConnectionPool]]:
        """urllib3's pools, whose connections are held as soon as they stand."""
        from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
        from urllib3.connection import HTTPConnection, HTTPSConnection

        hold = self._hold

        class Plain(HTTPConnection):
            def connect(self) -> None:
                super().connect()
                hold(self.sock)

        class Encrypted(HTTPSConnection):
            def connect(self) -> None:
                super().connect()
                hold(self.sock)

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class EncryptedPool(HTTPSConnectionPool):
            ConnectionCls = Encrypted

        return {"http": PlainPool, "https": EncryptedPool}
