# SPDX-License-Identifier: MIT
"""The connection to one server: its socket, and the back-off after failures."""

import contextlib
import logging
import math
import selectors
import socket
import ssl
import time
from functools import cached_property

from geartrain.errors import NoServerAvailable
from geartrain.python_gearman import errors
from geartrain.python_gearman.constants import DEFAULT_GEARMAN_PORT
from geartrain.python_gearman.util import Stopwatch
from geartrain.transport import TLS, Backoff, ServerAddress, connect

__all__ = ["GearmanConnection"]

# The largest piece passed to `send`: TLS encrypts all of it before it returns the number of bytes that it accepted.
SEND_SIZE = 256 * 1024
# Larger than a TLS record (16 KiB), so that no data stays in the TLS layer, where no selector sees it.
READ_SIZE = 64 * 1024

_NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)

_logger = logging.getLogger("geartrain.python_gearman")


class GearmanConnection:
    """A connection that can be made again after it was lost.

    Args:
        host: The server.
        port: Its port.
        keyfile: With the two below, the connection is encrypted: the client's private key ...
        certfile: ... its certificate ...
        ca_certs: ... and those of the trusted authorities. The server's name is not checked.

    Attributes:
        gearman_socket: The socket, while connected.
        address: The server's address.
        backoff: The waits between attempts to reach the server; a subclass may set another one.
        close_timeout: Seconds in which the last bytes are sent when the connection is closed.
        is_changing: True while bytes are sent or received. A signal handler that raises leaves it set, and the
            connection cannot be used any more: bytes may have been sent that are still queued, or lost.
    """

    gearman_socket: socket.socket | None = None
    backoff = Backoff()
    close_timeout = 2.0

    def __init__(
        self,
        host: str | None = None,
        port: int | None = DEFAULT_GEARMAN_PORT,
        keyfile: str | None = None,
        certfile: str | None = None,
        ca_certs: str | None = None,
    ) -> None:
        if host is None:
            raise errors.ServerUnavailable("a connection needs a host")
        self.gearman_host = host
        self.gearman_port = port or DEFAULT_GEARMAN_PORT
        self.keyfile = keyfile
        self.certfile = certfile
        self.ca_certs = ca_certs
        self.address = ServerAddress(host, self.gearman_port)
        self.use_ssl = bool(keyfile and certfile and ca_certs)
        self.is_changing = False
        self._unsent = bytearray()
        self._failures = 0  # in a row
        self._rests_until = -math.inf

    def __repr__(self) -> str:
        return f"<GearmanConnection {self.address} connected={self.connected}>"

    def __del__(self) -> None:
        self.close()  # old programs never do

    def get_address(self) -> tuple[str, int]:
        """Return the host and port."""
        return self.gearman_host, self.gearman_port

    # Connecting and closing

    @property
    def connected(self) -> bool:
        """True while there is a socket."""
        return self.gearman_socket is not None

    @property
    def rest(self) -> float:
        """The seconds until the next attempt after a failure; 0 or less if the server may be connected to."""
        return self._rests_until - time.monotonic()

    def connect(self) -> None:
        """Connect, within a timeout.

        Raises:
            ConnectionError: The server cannot be reached, or is connected already.
        """
        if self.connected:
            raise errors.ConnectionError(f"{self!r} is connected already")
        try:
            sock = connect(self.address, tls=self.context)
        except (NoServerAvailable, OSError) as error:  # OSError: a file for TLS cannot be read
            raise self.give_up(str(error).removeprefix(f"{self.address}: ")) from error
        sock.setblocking(False)
        self.gearman_socket = sock

    def give_up(self, reason: str) -> errors.ConnectionError:
        """Close the connection, start the back-off, log the first failure of an outage, and return the error."""
        self.close()
        self._failures += 1
        self._rests_until = time.monotonic() + self.backoff.delay(self._failures)
        text = f"{self.address}: {reason}"
        (_logger.warning if self._failures == 1 else _logger.debug)("%s", text)
        return errors.ConnectionError(text)

    def works(self) -> None:
        """Record that the server has answered, which resets the back-off."""
        if self._failures:
            _logger.info("%s answers again", self.address)
        self._failures = 0
        self._rests_until = -math.inf

    def leave(self) -> None:
        """Close after the unsent bytes have left, or after `close_timeout`."""
        sock = self.gearman_socket
        if sock is not None and not self.is_changing:
            self.is_changing = True  # bytes that were sent are not removed from the unsent ones
            with contextlib.suppress(OSError):
                sock.settimeout(self.close_timeout)
                sock.sendall(self._unsent)
                # Closing with a NOOP unread would reset the connection, and could discard the result just sent.
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(READ_SIZE):
                    pass
        self.close()

    def close(self) -> None:
        """Close at once."""
        if self.gearman_socket is not None:
            self.gearman_socket.close()
            self.gearman_socket = None
            self._unsent.clear()
        self.is_changing = False

    # Sending and receiving

    def fileno(self) -> int:
        """Return the socket's descriptor, for selectors.

        Raises:
            ConnectionError: There is no socket.
        """
        if self.gearman_socket is None:
            raise errors.ConnectionError(f"{self!r} has no socket")
        return self.gearman_socket.fileno()

    def readable(self) -> bool:
        """Return True if bytes may arrive."""
        return self.connected

    def writable(self) -> bool:
        """Return True if bytes wait to be sent."""
        return self.connected and bool(self._unsent)

    def write(self, data: bytes) -> None:
        """Queue bytes for the next `flush`; without a connection they are dropped."""
        if self.connected:
            self._unsent += data

    def flush(self) -> int:
        """Send the bytes that the socket accepts now, and return their number.

        Raises:
            ConnectionError: The connection is lost.
        """
        sent = 0
        try:
            while self._unsent and self.gearman_socket is not None:
                size = self.gearman_socket.send(self._unsent[:SEND_SIZE])
                del self._unsent[:size]
                sent += size
        except _NOT_NOW:
            pass
        except OSError as error:
            raise self.give_up(error.strerror or str(error)) from error
        return sent

    def flush_all(self, stopwatch: Stopwatch) -> None:
        """Send all queued bytes, or as many as the time allows.

        Raises:
            ConnectionError: The connection is lost.
        """
        self.flush()
        while self.writable() and stopwatch.has_time_remaining():
            with selectors.DefaultSelector() as selector:
                selector.register(self, selectors.EVENT_WRITE)
                selector.select(stopwatch.get_time_remaining())
            self.flush()

    def read(self) -> bytes:
        """Return the bytes that have arrived, perhaps none.

        Raises:
            ConnectionError: The connection is lost.
        """
        if self.gearman_socket is None:
            return b""
        try:
            data = self.gearman_socket.recv(READ_SIZE)
        except _NOT_NOW:
            return b""
        except OSError as error:
            raise self.give_up(error.strerror or str(error)) from error
        if not data:
            raise self.give_up("the server closed the connection")
        return data

    @cached_property
    def context(self) -> ssl.SSLContext | None:
        """The SSL context, or ``None`` without encryption."""
        if not self.use_ssl:
            return None
        return TLS(self.ca_certs, self.certfile, self.keyfile, check_name=False).context()
