# SPDX-License-Identifier: MIT
"""The blocking connection of an administrator: commands of the text protocol, and their replies."""

import socket
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from geartrain.admin.session import READ_SIZE, REPLY_TIMEOUT, AdminSession, Reply, Request, check_token, show_token
from geartrain.errors import ConnectionLost
from geartrain.transport.address import ServerAddress
from geartrain.transport.sockets import CONNECT_TIMEOUT, KEEPALIVE, connect, is_stale

if TYPE_CHECKING:
    from ssl import SSLContext

__all__ = ["TextConnection"]


class TextConnection:
    """Connects when it is first used, and again after an error; for one thread at a time.

    Args:
        address: The server.
        tls: Encrypts the connection.
        token: A token that is shown on each new connection.
        timeout: Seconds for the replies to one exchange.
        connect_timeout: Seconds for connecting.
        keepalive: Seconds after which a dead connection is detected; ``None`` leaves that to the system.
    """

    def __init__(
        self,
        address: ServerAddress,
        *,
        tls: "SSLContext | None" = None,
        token: str | None = None,
        timeout: float = REPLY_TIMEOUT,
        connect_timeout: float = CONNECT_TIMEOUT,
        keepalive: float | None = KEEPALIVE,
    ) -> None:
        self._address = address
        self._tls = tls
        self._token = token
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._keepalive = keepalive
        self._sock: socket.socket | None = None
        self._is_asking = False  # replies are due; left set by a signal handler that raises

    def exchange(self, requests: Sequence[Request]) -> list[Reply]:
        """Send several commands in one write, and return their replies; see `AdminClient.exchange`."""
        session = self._session(requests)
        if self._is_asking:  # the ``except`` below was interrupted as well
            self.close()
        self._is_asking = True
        try:
            replies = self._converse(session, self._connected())
        except BaseException:
            # Replies that are still to come would be taken for those of the next exchange.
            self.close()
            raise
        self._is_asking = False
        return replies

    def close(self) -> None:
        """Close the connection; the next exchange opens another."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None
        self._is_asking = False

    def _session(self, requests: Sequence[Request]) -> AdminSession:
        session = AdminSession(str(self._address))
        session.ask_all(requests)
        return session

    def _converse(self, session: AdminSession, sock: socket.socket) -> list[Reply]:
        deadline = time.monotonic() + self._timeout
        replies: list[Reply] = []
        try:
            sock.settimeout(self._timeout)
            sock.sendall(session.take_outgoing())
            while session.awaited:
                left = deadline - time.monotonic()
                if left <= 0:  # also when the server sends without a pause
                    raise session.late(self._timeout)
                sock.settimeout(left)
                data = sock.recv(READ_SIZE)
                replies += session.receive(data)
        except TimeoutError as error:
            raise session.late(self._timeout) from error
        except ConnectionLost:
            raise
        except OSError as error:
            raise session.lost(error) from error
        return replies

    def _connected(self) -> socket.socket:
        if self._sock is not None and is_stale(self._sock):
            self.close()
        if self._sock is None:
            self._sock = connect(self._address, tls=self._tls, timeout=self._connect_timeout, keepalive=self._keepalive)
            if self._token is not None:
                check_token(*self._converse(self._session([show_token(self._token)]), self._sock))
        return self._sock
