# SPDX-License-Identifier: MIT
"""A connection of a blocking worker: a socket, its session, and the unsent bytes.

Everything here belongs to the loop's thread, except `wait_for_room`.
"""

import contextlib
import socket
import ssl
import threading

from geartrain.errors import ConnectionLost
from geartrain.transport import Latch
from geartrain.worker.session import WorkerSession

__all__ = ["WorkerConnection"]

# Bytes of reports that may wait to be sent on one connection. A job that sends more waits for a slow server, so that
# memory does not grow.
HIGH_WATER = 1024 * 1024
READ_SIZE = 64 * 1024  # bytes read at once; for larger buffers the allocator asks the system each time
CLOSE_TIMEOUT = 2.0  # seconds for the last bytes to be sent and received at the end

_WAIT = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class WorkerConnection:
    """Transfers bytes between a connected socket and a session.

    Attributes:
        session: The session.
        sock: The socket.
        is_lost: True after `close`.
        is_ending: True after `end`, once everything was sent.
        watches_writing: True if the selector watches for the socket to accept more bytes.
    """

    def __init__(self, sock: socket.socket, session: WorkerSession) -> None:
        self.session = session
        self.sock = sock
        self.is_lost = False
        self.is_ending = False
        self.watches_writing = False
        self._outgoing = bytearray()
        self._lock = threading.Lock()  # guards the lines below, and `is_lost`
        self._waiting_for_room: list[Latch] = []
        self._unsent = 0  # bytes reported since the last time that all bytes had been sent
        sock.setblocking(False)

    @property
    def is_sending(self) -> bool:
        """True if bytes wait for the socket."""
        return bool(self._outgoing)

    def wait_for_room(self, size: int) -> None:
        """Block a job's thread while the server is too slow for the job's reports."""
        while True:
            with self._lock:
                if self.is_lost or self._unsent < HIGH_WATER:
                    self._unsent += size
                    return
                room = Latch()
                self._waiting_for_room.append(room)
            room.wait()

    def read(self) -> bytes:
        """Return the bytes that have arrived, perhaps none; after `end` none.

        Raises:
            ConnectionLost: The connection has ended.
        """
        try:
            data = self.sock.recv(READ_SIZE)
            # A TLS socket may hold decrypted bytes that no selector reports.
            while data and isinstance(self.sock, ssl.SSLSocket) and (pending := self.sock.pending()):
                data += self.sock.recv(pending)
        except _WAIT:
            return b""
        except OSError as error:
            raise ConnectionLost(error.strerror or str(error)) from error
        if not data:
            raise ConnectionLost("the server closed the connection")
        return b"" if self.is_ending else data

    def flush(self) -> None:
        """Send the bytes that the socket accepts now.

        Raises:
            ConnectionLost: The connection has ended.
        """
        self._outgoing += self.session.take_outgoing()
        try:
            while self._outgoing:
                del self._outgoing[: self.sock.send(self._outgoing)]
        except _WAIT:
            return
        except OSError as error:
            raise ConnectionLost(error.strerror or str(error)) from error
        if self._unsent:
            with self._lock:
                self._unsent = 0
                self._make_room()

    def end(self) -> None:
        """Send no more once everything is sent, so that the server closes the connection.

        To close at once would reset the connection if a NOOP is unread, and could discard results that were just sent.
        """
        if self._outgoing or self.is_ending:
            return
        self.is_ending = True
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)

    def leave(self) -> None:
        """Close after the unsent bytes have left, or after `CLOSE_TIMEOUT`."""
        with contextlib.suppress(OSError):
            self.sock.settimeout(CLOSE_TIMEOUT)
            self.sock.sendall(self._outgoing + self.session.take_outgoing())
            # Closing with a NOOP unread would reset the connection, and could discard the result just sent.
            self.sock.shutdown(socket.SHUT_WR)
            while self.sock.recv(READ_SIZE):
                pass
        self.close()

    def close(self) -> None:
        """Close at once, also in processes that were forked in the meantime and inherited the socket."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()
        with self._lock:
            self.is_lost = True
            self._make_room()

    def _make_room(self) -> None:
        for latch in self._waiting_for_room:
            latch.set()
        self._waiting_for_room.clear()
