# SPDX-License-Identifier: MIT
"""Telling peers over TLS that there is no room for them.

It takes a handshake until they can be told anything, so that, unlike in the clear, it cannot be done on the spot. A few
at a time are told, within a short time; beyond that they learn from the end of their connection alone.
"""

import asyncio
import socket
import ssl
from typing import cast

__all__ = ["MAX_REFUSALS", "Refusals"]

MAX_REFUSALS = 16  # at a time
_PATIENCE = 2.0  # seconds for the handshake, and for the end of TLS


class Refusals:
    """Those who are being told."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._transports: set[asyncio.Transport] = set()

    @property
    def has_room(self) -> bool:
        """Whether another peer can be told."""
        return len(self._tasks) + len(self._transports) < MAX_REFUSALS

    def tell(self, accepted: socket.socket, tls: ssl.SSLContext, message: bytes) -> None:
        """Tell a peer, and close its connection."""
        task = asyncio.get_running_loop().create_task(self._tell(accepted, tls, message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def stop(self) -> None:
        """Let go of all."""
        for task in self._tasks:
            task.cancel()
        for transport in self._transports:
            transport.abort()

    async def _tell(self, accepted: socket.socket, tls: ssl.SSLContext, message: bytes) -> None:
        accepted.setblocking(False)
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: _Refusal(message, self._transports),
                accepted,
                ssl=tls,
                ssl_handshake_timeout=_PATIENCE,
                ssl_shutdown_timeout=_PATIENCE,
            )
        except OSError:
            accepted.close()


class _Refusal(asyncio.Protocol):
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
