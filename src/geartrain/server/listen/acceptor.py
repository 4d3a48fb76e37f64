# SPDX-License-Identifier: MIT
"""Accepting connections as a service: from a listening socket to a connection, or to a rejection."""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from geartrain.core.limits import Refused
from geartrain.server.connections import Connections
from geartrain.server.levels import Level
from geartrain.server.listen.connection_limit import ConnectionLimiter, ConnectionLimitOptions, Slot
from geartrain.server.listen.endpoints import Endpoint, describe, host_of
from geartrain.server.listen.listener import Listener
from geartrain.server.listen.rejection import RejectionOptions, TlsRejector, reject
from geartrain.server.listen.socket_options import KeepaliveOptions, set_options
from geartrain.server.listen.tls import TlsOptions

__all__ = ["Acceptor", "AcceptorOptions"]

log = logging.getLogger("geartrain.server")

# Seconds that connections in their handshake have when the server stops. Without TLS they take less.
_HANDSHAKES_AT_STOP = 0.2
# Seconds that a peer has for the end of TLS.
_TLS_SHUTDOWN_TIMEOUT = 5.0


@dataclass(frozen=True, kw_only=True)
class AcceptorOptions(KeepaliveOptions, ConnectionLimitOptions, TlsOptions, RejectionOptions):
    """Options of connections that are accepted."""


class Acceptor:
    """Accepts connections on all sockets of the server.

    Args:
        sockets: The sockets, which listen already.
        release: Closes them at the end.
        connections: Makes connections.
        options: Limits, and options of sockets.
        tls: The context for TLS, or None.
    """

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        release: Callable[[Iterable[socket.socket]], None],
        connections: Connections,
        options: AcceptorOptions,
        tls: ssl.SSLContext | None,
    ) -> None:
        self._sockets = list(sockets)
        self._release = release
        self._connections = connections
        self._options = options
        self._tls = tls
        self._listeners: list[Listener] = []
        self._limiter = ConnectionLimiter(options)
        self._rejector = TlsRejector()
        self._handshakes: set[asyncio.Task[None]] = set()

    @property
    def endpoints(self) -> list[Endpoint]:
        """The addresses that the server listens on."""
        return [Endpoint.of(listening) for listening in self._sockets]

    def reload(self, options: AcceptorOptions, tls: ssl.SSLContext | None) -> None:
        """Use other options for new connections."""
        self._options = options
        self._tls = tls
        self._limiter.reload(options)

    async def start(self) -> None:
        """Accept connections from now on."""
        self._listeners = [Listener(listening, self._accept, self._accept_last) for listening in self._sockets]
        for listening in self._sockets:
            address, descriptor = Endpoint.of(listening), listening.fileno()
            fields = {"event": "listening", "address": str(address), "descriptor": descriptor}
            log.log(Level.NOTICE, "Listening on %s (descriptor %d)", address, descriptor, extra={"fields": fields})

    def drain(self, deadline: float) -> None:
        """Accept no more connections: their peers can connect to other servers."""
        for listener in self._listeners:
            listener.stop()
        self._release(self._sockets)
        self._listeners = []
        self._sockets = []

    async def stop(self) -> None:
        """Accept no more connections, and drop those that are in the TLS handshake."""
        self.drain(0.0)
        if self._handshakes:
            await asyncio.wait(self._handshakes, timeout=_HANDSHAKES_AT_STOP)
        for handshake in self._handshakes:
            handshake.cancel()
        self._rejector.stop()

    def _accept(self, accepted: socket.socket, address: object, *, is_last: bool = False) -> None:
        try:
            slot = self._limiter.enter(address, is_last=is_last)
        except Refused as refusal:
            self._reject(accepted, self._connections.refuse(host_of(address), refusal), is_last=is_last)
            return
        handshake = asyncio.get_running_loop().create_task(self._connect(accepted, address, slot))
        self._handshakes.add(handshake)
        handshake.add_done_callback(self._handshakes.discard)

    def _accept_last(self, accepted: socket.socket, address: object) -> None:
        self._accept(accepted, address, is_last=True)

    def _reject(self, accepted: socket.socket, message: bytes, *, is_last: bool) -> None:
        if self._tls is None:
            reject(accepted, message)
        elif is_last:  # a handshake would keep the last descriptor
            reject(accepted, b"")
        else:
            self._rejector.reject(accepted, self._tls, message, timeout=self._options.reject_timeout)

    async def _connect(self, accepted: socket.socket, address: object, slot: Slot) -> None:
        """Make a connection of a socket; with TLS this takes as long as the handshake of the peer."""
        loop, options, tls = asyncio.get_running_loop(), self._options, self._tls
        try:
            set_options(accepted, options)
            transport, _ = await loop.connect_accepted_socket(  # type: ignore[type-var]  # a protocol, but not by name
                lambda: self._connections.create(
                    accepted.fileno(), address, slot.leave, is_admin_only=slot.is_admin_only
                ),
                accepted,
                ssl=tls,
                ssl_handshake_timeout=options.handshake_timeout if tls else None,
                ssl_shutdown_timeout=_TLS_SHUTDOWN_TIMEOUT if tls else None,
            )
        except OSError as error:
            accepted.close()
            slot.leave()
            log.info("Lost %s before it was connected: %s", describe(address), error)
            return
        if slot.is_admin_only:
            timeout = options.last_admin_timeout if slot.is_last else options.admin_timeout
            loop.call_later(timeout, transport.abort)
