# SPDX-License-Identifier: MIT
"""One connection of a blocking worker: a socket, its session, and the bytes between them.

Everything here belongs to the loop's thread, but for `wait_for_room`.
"""

import contextlib
import socket
import ssl
import threading

from geartrain.errors import ConnectionLost
from geartrain.worker.session import WorkerSession

__all__ = ["Connection"]

# Bytes that a connection's jobs may have waiting to be sent. A job that streams more waits for a slow server instead
# of filling the memory.
HIGH_WATER = 1024 * 1024
READ_SIZE = 64 * 1024  # bytes taken from the socket at once; for more the allocator asks the system each time
FAREWELL = 2.0  # seconds for the last bytes to be sent and taken at the end

_WAIT = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Connection:
    """Moves bytes between a connected socket and a session.

    Attributes:
        is_awaited: Whether the selector tells when the socket takes more.
    """

    def __init__(self, sock: socket.socket, session: WorkerSession) -> None:
        self.session = session
        self.sock = sock
        self.is_lost = False
        self.is_awaited = False
        self._outgoing = bytearray()
        self._room = threading.Condition()
        self._unsent = 0  # bytes reported since all had been sent
        sock.setblocking(False)

    @property
    def is_sending(self) -> bool:
        """Whether bytes wait for the socket."""
        return bool(self._outgoing)

    def wait_for_room(self, size: int) -> None:
        """Hold up a job's thread while the server is too slow for what it sends."""
        with self._room:
            self._room.wait_for(lambda: self.is_lost or self._unsent < HIGH_WATER)
            self._unsent += size

    def read(self) -> bytes:
        """Return what has come in, perhaps nothing.

        Raises:
            ConnectionLost: The connection has ended.
        """
        try:
            data = self.sock.recv(READ_SIZE)
            # An encrypted socket may hold decrypted bytes of which the selector knows nothing.
            while data and isinstance(self.sock, ssl.SSLSocket) and (held := self.sock.pending()):
                data += self.sock.recv(held)
        except _WAIT:
            return b""
        except OSError as error:
            raise ConnectionLost(error.strerror or str(error)) from error
        if not data:
            raise ConnectionLost("the server closed the connection")
        return data

    def flush(self) -> None:
        """Send what can be sent.

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
            with self._room:
                self._unsent = 0
                self._room.notify_all()

    def leave(self) -> None:
        """Close after what is still to be sent; a server that does not take it is not waited for."""
        with contextlib.suppress(OSError):
            self.sock.settimeout(FAREWELL)
            self.sock.sendall(self._outgoing + self.session.take_outgoing())
            # Closing with a NOOP unread would reset the connection, and could destroy the result just sent.
            self.sock.shutdown(socket.SHUT_WR)
            while self.sock.recv(READ_SIZE):
                pass
        self.close()

    def close(self) -> None:
        """Close at once, also for a process that was forked meanwhile and has the socket too."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()
        with self._room:
            self.is_lost = True
            self._room.notify_all()
