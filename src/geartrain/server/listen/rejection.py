# SPDX-License-Identifier: MIT
"""Rejecting connections over the limit: the peer gets an ERROR packet, and the connection is closed.

Without TLS this is one write. TLS needs a handshake first, so only a few peers at a time get the packet, within a short
time limit; the connections of the others are closed without it.
"""

import asyncio
import contextlib
import socket
import ssl
from dataclasses import dataclass
from typing import cast

from geartrain.server.config.kinds import TIMEOUT
from geartrain.server.config.option import Group, option

__all__ = ["MAX_REJECTIONS", "RejectionOptions", "TlsRejector", "reject"]

MAX_REJECTIONS = 16  # over TLS, at a time


@dataclass(frozen=True, kw_only=True)
class RejectionOptions:
    """The time limit of rejections over TLS."""

    reject_timeout: float = option(
        2.0,
        TIMEOUT,
        Group.TLS,
        "when a limit of connections is reached, seconds for the TLS handshake of a connection that is rejected",
        reloadable=True,
        details="Such a connection gets an error, which the server can send only after the handshake. At most 16 such "
        "handshakes run at a time; further connections are closed at once.",
        example="1",
    )


def reject(accepted: socket.socket, message: bytes) -> None:
    """Send a message on a connection, as far as the peer takes it, and close it at once.

    Data that the peer has sent already is read: the kernel would otherwise discard the message.
    """
    with contextlib.suppress(OSError):
        accepted.setblocking(False)
        accepted.send(message)
        accepted.shutdown(socket.SHUT_WR)
        accepted.recv(1 << 16)
    accepted.close()


class TlsRejector:
    """Sends messages over TLS, a few at a time, and closes the connections."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._transports: set[asyncio.Transport] = set()

    def reject(self, accepted: socket.socket, tls: ssl.SSLContext, message: bytes, *, timeout: float) -> None:
        """Send a message and close the connection; above the maximum at a time, close it at once.

        Args:
            accepted: The connection.
            tls: The context of the handshake.
            message: Bytes of the protocol.
            timeout: Seconds for the handshake, and for the end of TLS.
        """
        if len(self._tasks) + len(self._transports) >= MAX_REJECTIONS:
            reject(accepted, b"")
            return
        task = asyncio.get_running_loop().create_task(self._reject(accepted, tls, message, timeout))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def stop(self) -> None:
        """Drop all connections."""
        for task in self._tasks:
            task.cancel()
        for transport in self._transports:
            transport.abort()

    async def _reject(self, accepted: socket.socket, tls: ssl.SSLContext, message: bytes, timeout: float) -> None:
        accepted.setblocking(False)
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: _Rejection(message, self._transports),
                accepted,
                ssl=tls,
                ssl_handshake_timeout=timeout,
                ssl_shutdown_timeout=timeout,
            )
        except OSError:
            accepted.close()


class _Rejection(asyncio.Protocol):
    """Writes one message and closes."""

    def __init__(self, message: bytes, transports: set[asyncio.Transport]) -> None:
        self._message = message
        self._transports = transports
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's have another ancestry
        self._transports.add(self._transport)
        self._transport.write(self._message)
        self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self._transports.discard(self._transport)
