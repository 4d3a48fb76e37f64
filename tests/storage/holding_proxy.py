# SPDX-License-Identifier: MIT
"""A TCP proxy between a store and its database that delays a batch until the test releases it."""

import contextlib
import socket
import threading
from collections.abc import Iterator

__all__ = ["HoldingProxy"]

_SIZE = 1 << 20
_PATIENCE = 60.0


class HoldingProxy:
    """Passes bytes on in both directions, until it is told to hold some back.

    Args:
        port: The port of the database, on this machine.

    Attributes:
        port: The port for its clients.
    """

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._marker: bytes | None = None
        self._held: tuple[socket.socket, bytes] | None = None
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def hold(self, marker: bytes) -> None:
        """Hold back the next bytes of a client that contain a marker; that client loses its connection."""
        self._marker = marker

    def release(self) -> None:
        """Let the database have what was held back, and return when it has closed that connection."""
        assert self._held is not None, "nothing was held back"
        server, data = self._held
        self._held = None
        server.settimeout(_PATIENCE)
        with contextlib.suppress(OSError), contextlib.closing(server):
            server.sendall(data)
            server.shutdown(socket.SHUT_WR)
            while server.recv(_SIZE):
                pass

    def cut(self) -> None:
        """Close all connections."""
        for pair in self._pairs:
            for sock in pair:
                _close(sock)
        self._pairs.clear()

    def close(self) -> None:
        """Stop."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        if self._held is not None:
            self._held[0].close()
        self.cut()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            self._pairs.append((client, server))
            for way in (self._pass_requests, self._pass_answers):
                thread = threading.Thread(target=way, args=(client, server))
                self._threads.append(thread)
                thread.start()

    def _pass_requests(self, client: socket.socket, server: socket.socket) -> None:
        for data in _received(client):
            if self._marker is not None and self._marker in data:
                self._marker = None
                self._held = (server.dup(), data)
                _close(client)
                return
            with contextlib.suppress(OSError):
                server.sendall(data)
        _close(server)

    def _pass_answers(self, client: socket.socket, server: socket.socket) -> None:
        for data in _received(server):
            with contextlib.suppress(OSError):
                client.sendall(data)
        _close(client)


def _received(sock: socket.socket) -> Iterator[bytes]:
    with contextlib.suppress(OSError):
        while data := sock.recv(_SIZE):
            yield data


def _close(sock: socket.socket) -> None:
    """Close a connection also for a thread that waits for it."""
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()
