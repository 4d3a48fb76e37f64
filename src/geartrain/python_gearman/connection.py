# SPDX-License-Identifier: MIT
"""One server: its socket while there is one, and how long to leave it alone when there is none."""

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

# The largest piece offered to a socket: an encrypted one encrypts all of it before it says how much it took.
SEND_SIZE = 256 * 1024
# Larger than an encrypted record (16 KiB), so that nothing stays in the TLS layer, where no selector sees it.
READ_SIZE = 64 * 1024
FAREWELL = 2.0  # seconds for the last bytes to be sent and taken at the end

_NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_BACKOFF = Backoff()

_logger = logging.getLogger("geartrain.python_gearman")


class GearmanConnection:
    """A connection that can be made again when it is lost.

    Args:
        host: The server.
        port: Its port.
        keyfile: With the two below, the connection is encrypted: our private key ...
        certfile: ... our certificate ...
        ca_certs: ... and those of the authorities that vouch for the server. Its name is not looked at.

    Attributes:
        gearman_socket: The socket, while connected.
        address: Where the server is.
    """

    gearman_socket: socket.socket | None = None

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

    # Making it and losing it

    @property
    def connected(self) -> bool:
        """Whether there is a socket."""
        return self.gearman_socket is not None

    @property
    def rest(self) -> float:
        """The seconds for which the server is better left alone, as it failed; 0 or less if it is not."""
        return self._rests_until - time.monotonic()

    def connect(self) -> None:
        """Connect, in bounded time.

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
        """Close, leave the server alone for a while, and return the error that says why; one log line an outage."""
        self.close()
        self._failures += 1
        self._rests_until = time.monotonic() + _BACKOFF.delay(self._failures)
        text = f"{self.address}: {reason}"
        (_logger.warning if self._failures == 1 else _logger.debug)("%s", text)
        return errors.ConnectionError(text)

    def works(self) -> None:
        """Note that the server has answered, which makes up for its failures."""
        if self._failures:
            _logger.info("%s answers again", self.address)
        self._failures = 0
        self._rests_until = -math.inf

    def leave(self) -> None:
        """Close after what is still to be sent; a server that does not take it is not waited for."""
        sock = self.gearman_socket
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.settimeout(FAREWELL)
                sock.sendall(self._unsent)
                # Closing with a NOOP unread would reset the connection, and could destroy the result just sent.
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

    # Moving bytes

    def fileno(self) -> int:
        """Return the socket's number, which makes this fit for a selector.

        Raises:
            ConnectionError: There is no socket.
        """
        if self.gearman_socket is None:
            raise errors.ConnectionError(f"{self!r} has no socket")
        return self.gearman_socket.fileno()

    def readable(self) -> bool:
        """Tell whether something may come."""
        return self.connected

    def writable(self) -> bool:
        """Tell whether bytes wait to be sent."""
        return self.connected and bool(self._unsent)

    def write(self, data: bytes) -> None:
        """Have bytes sent by the next `flush`; without a connection they are dropped."""
        if self.connected:
            self._unsent += data

    def flush(self) -> int:
        """Send what the socket takes now, and return how much that was.

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
        """Send everything, unless the time is over before.

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
        """Return what has come in, or nothing.

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
        """What encrypts the connection, if anything does."""
        if not self.use_ssl:
            return None
        return TLS(self.ca_certs, self.certfile, self.keyfile, check_name=False).context()
