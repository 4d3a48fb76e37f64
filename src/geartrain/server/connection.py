# SPDX-License-Identifier: MIT
"""One connection: bytes to packets to the core, and the way to its end.

What the core has to send leaves through the `Pump`, once per turn of the event loop for all connections.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import cast

from geartrain.core import Peer
from geartrain.protocol.packets import REQUEST
from geartrain.protocol.parser import Parser
from geartrain.server.endpoints import describe, host_of, is_local
from geartrain.server.pump import Pump
from geartrain.server.tls import certificate_names
from geartrain.server.tuning import acknowledger

__all__ = ["Connection"]

log = logging.getLogger("geartrain.server")

# Seconds that a refused peer has to read why. Closing at once, with bytes of its own still on the way, would make the
# kernel throw away what we said.
LINGER = 2.0

# Bytes that may wait for a peer before it is not read from any more. There are clients that submit a hundred thousand
# jobs before they read a reply; theirs must fit, or both sides would wait for each other.
MOST_UNREAD = 16 * 1024 * 1024

# Why a peer is not read from.
_SLOW = 1  # it does not read itself
_PARKED = 2  # what it has sent has to wait
_HELD = 4  # what it has caused waits for others

# Bytes at once that are a part of something large, whose sender may wait to hear that they have come.
BULK = 16 * 1024


class Connection(asyncio.Protocol):
    """The event loop's side of a peer.

    Args:
        pump: Where its replies come from.
        fd: The number of its socket, as `workers` shows it.
        address: The address of the peer.
        max_packet: The largest packet accepted.
        max_line: The longest text line.
        leave: Called at the end of the connection.
    """

    __slots__ = (
        "_acknowledge",
        "_address",
        "_fd",
        "_is_known",
        "_leave",
        "_name",
        "_parser",
        "_pauses",
        "_pump",
        "_receive",
        "_slept",
        "is_slow",
        "peer",
        "transport",
    )

    def __init__(
        self, pump: Pump, fd: int, address: object, max_packet: int, max_line: int, leave: Callable[[], None]
    ) -> None:
        self._pump = pump
        self._fd = fd
        self._address = address
        self._name = describe(address)
        self._parser = Parser(REQUEST, max_packet, max_line)
        self._leave = leave
        self._receive = pump.job_server.receive
        self._is_known = False  # to the core
        self._pauses = 0
        self._slept = False
        self._acknowledge: Callable[[], None] | None = None
        self.is_slow = False
        self.peer: Peer
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's have another ancestry
        self.transport.set_write_buffer_limits(MOST_UNREAD)
        self._acknowledge = acknowledger(transport)
        host = host_of(self._address)
        local, certificate = is_local(self._address), certificate_names(transport)
        self.peer = self._pump.job_server.connect(host, self._fd, local=local, certificate=certificate)
        self._is_known = True
        self._pump.add(self)
        log.info("Accepted connection from %s", self._name)

    def data_received(self, data: bytes) -> None:
        """Hand the packets that have come to the core. For every byte of every peer, so there is nothing else here."""
        peer = self.peer
        if peer.closing:
            return
        self._receive(peer, self._parser.receive(data))
        parked = self._pump.job_server.parked
        if parked and peer in parked:
            self._pause(_PARKED)
        if len(data) >= BULK and not peer.outgoing and self._acknowledge is not None:
            self._acknowledge()  # a reply would have done it on its way
        pump = self._pump
        if not pump.is_scheduled:
            pump.schedule()

    def eof_received(self) -> bool:
        """Answer what has been asked; the transport then closes itself when everything is sent."""
        if self._is_known:
            self._pump.run()
            if self.peer.is_held and self.transport.can_write_eof():
                self.peer.closing = True  # the pump hangs up when what waits for the store has left
                return True
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """End, whoever wanted it."""
        self._forget()
        self._leave()
        self._pump.discard(self)
        log.info("Disconnected %s%s", self._name, f": {error}" if error is not None else "")

    # A peer that does not read is not read from: otherwise what waits for it would grow as fast as it can ask. There
    # are other reasons not to, and it is read from when none is left.

    def pause_writing(self) -> None:
        """Stop reading while too much waits to be sent."""
        self.is_slow = True
        self._pause(_SLOW)

    def resume_writing(self) -> None:
        """Go on reading."""
        self.is_slow = False
        self._pump.pressure.fall(self.peer)
        self._read_on(_SLOW)

    def resume(self) -> None:
        """Go on reading; what has come already does not have to wait any more."""
        self._read_on(_PARKED)

    def hold(self) -> None:
        """Stop reading for a while: what it has caused waits for others. Meanwhile it could not answer a wake-up."""
        self._pause(_HELD)
        if self._is_known:
            self._slept = self._pump.job_server.turn_deaf(self.peer)
            self._pump.schedule()

    def let_go(self) -> None:
        """Go on reading."""
        self._read_on(_HELD)
        if self._is_known and self._slept:
            self._pump.job_server.listen_again(self.peer)
            self._pump.schedule()

    def _pause(self, reason: int) -> None:
        if not self._pauses:
            self.transport.pause_reading()
        self._pauses |= reason

    def _read_on(self, reason: int) -> None:
        if self._pauses & reason:
            self._pauses &= ~reason
            if not self._pauses:
                self.transport.resume_reading()

    # From our side.

    def hang_up(self) -> None:
        """Close when what was written has left, and give the peer the time to read it."""
        if not self._is_known:
            return
        self._forget()
        transport = self.transport
        if transport.can_write_eof():
            transport.write_eof()
            self._pump.loop.call_later(LINGER, transport.abort)  # `close` would wait for a peer that never reads
        else:
            transport.close()

    def drop(self, reason: str) -> None:
        """Close at once."""
        log.warning("Dropped %s: %s", self._name, reason)
        self._forget()
        self.transport.abort()

    def _forget(self) -> None:
        """Let the core forget the peer; what still comes from it is thrown away."""
        if self._is_known:
            self._is_known = False
            self.peer.closing = True
            self._pump.job_server.disconnect(self.peer)
