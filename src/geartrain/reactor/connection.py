# SPDX-License-Identifier: MIT
"""One connection: bytes to the core, and the end of the connection.

What the core has to send leaves through the `Flusher`, once per turn of the event loop for all connections. A
connection is no `asyncio.Protocol` by name: it has the methods that event loops call, and is compiled.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, cast

from mypy_extensions import i64

from geartrain.core.jobserver import JobServer
from geartrain.core.outbox import SLOW, Outlet
from geartrain.core.state import Peer
from geartrain.errors import RemoteProtocolError
from geartrain.protocol.limits import MAX_LINE, MAX_PACKET
from geartrain.protocol.packets import REQUEST
from geartrain.protocol.reader import Reader
from geartrain.reactor.flusher import Flusher

__all__ = ["AdminOnlyConnection", "Connection", "ConnectionSettings", "RemoteEnd"]

log = logging.getLogger("geartrain.server")


@dataclass(frozen=True)
class ConnectionSettings:
    """Limits and times of connections.

    Attributes:
        max_packet: The largest packet accepted, in bytes.
        max_line: The longest text line, in bytes.
        linger: Seconds that a peer has to read why it is closed. Closing at once, with bytes of its own still on the
            way, would make the kernel throw away what we said.
        max_unread: Bytes that may wait for a peer before it is not read from any more. There are clients that submit a
            hundred thousand jobs before they read a reply; theirs must fit, or both sides would wait for each other.
        bulk: Bytes at once that are a part of something large, whose sender may wait for their acknowledgement.
        admin_linger: The same as ``linger`` for connections of administrators beyond the limit.
    """

    max_packet: int = MAX_PACKET
    max_line: int = MAX_LINE
    linger: float = 2.0
    max_unread: int = 16 * 1024 * 1024
    bulk: int = 16 * 1024
    admin_linger: float = 0.2


@dataclass(frozen=True)
class RemoteEnd:
    """The other end of a connection.

    Attributes:
        name: Its address, as the log has it.
        host: Its host, as ``workers`` shows it.
        fd: The number of the socket, likewise.
        is_local: Whether it is on this machine.
    """

    name: str
    host: str
    fd: int
    is_local: bool


class Connection(Outlet):
    """The event loop's side of a peer.

    Args:
        flusher: Sends the replies.
        remote: The other end.
        settings: Limits and times.
        certificate_names: Returns the names in the certificate of a transport's peer.
        acknowledger: Returns a function that has the kernel acknowledge at once what has come, if it can.
        leave: Called at the end of the connection.
    """

    __slots__ = (
        "_acknowledge",
        "_acknowledger",
        "_bulk",
        "_certificate_names",
        "_flusher",
        "_is_known",
        "_job_server",
        "_leave",
        "_pauses",
        "_reader",
        "_remote",
        "_settings",
        "_transport",
        "_write",
        "peer",
    )

    def __init__(
        self,
        flusher: Flusher,
        remote: RemoteEnd,
        settings: ConnectionSettings,
        certificate_names: Callable[[asyncio.BaseTransport], Iterable[bytes]],
        acknowledger: Callable[[asyncio.BaseTransport], Callable[[], None] | None],
        leave: Callable[[], None],
    ) -> None:
        super().__init__()
        self._flusher = flusher
        self._job_server: JobServer = flusher.job_server
        self._remote = remote
        self._settings = settings
        self._certificate_names = certificate_names
        self._acknowledger = acknowledger
        self._leave = leave
        self._bulk: i64 = settings.bulk
        self._reader = Reader(REQUEST, settings.max_packet, settings.max_line)
        self._is_known = False  # to the core
        self._pauses: i64 = 0
        self._acknowledge: Callable[[], None] | None = None
        self.peer: Peer
        self._transport: asyncio.Transport
        self._write: Callable[[bytes], None]

    # Called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's have another ancestry
        self._write = self._transport.write
        self._transport.set_write_buffer_limits(self._settings.max_unread)
        self._acknowledge = self._acknowledger(transport)
        remote = self._remote
        self.peer = self._job_server.connect(
            remote.host,
            remote.fd,
            local=remote.is_local,
            reader=self._reader,
            certificate=self._certificate_names(transport),
        )
        self._is_known = True
        self._flusher.add(self.peer, self)
        log.info("Accepted connection from %s", remote.name)

    def data_received(self, data: bytes) -> None:
        """Hand what has come to the core. For every byte of every peer, so there is nothing else here."""
        peer = self.peer
        if peer.closing:
            return
        flusher = self._flusher
        if not flusher.is_scheduled:
            flusher.schedule()
        self._reader.feed(data)
        self._job_server.receive(peer)
        if len(data) >= self._bulk and not peer.outbox.size() and self._acknowledge is not None:
            self._acknowledge()  # a reply would have done it on its way

    def eof_received(self) -> bool:
        """Answer what has been asked; the transport then closes itself when everything is sent."""
        if self._is_known:
            self._flusher.flush()
            if self.peer.outbox.is_held and self._transport.can_write_eof():
                self.peer.closing = True  # it is closed when the replies that wait for the store have left
                return True
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """End, whichever side wanted it."""
        self._forget()
        self._leave()
        self._flusher.discard(self.peer)
        log.info("Disconnected %s%s", self._remote.name, f": {error}" if error is not None else "")

    def pause_writing(self) -> None:
        """Stop reading from a peer that does not read: what waits for it would grow as fast as it can ask."""
        self.is_slow = True
        self.pause_reading(SLOW)

    def resume_writing(self) -> None:
        """Go on reading."""
        self.is_slow = False
        self._flusher.backpressure.release(self.peer)
        self.resume_reading(SLOW)

    # Called by the core and the flusher.

    def write(self, data: bytes) -> None:
        """Send bytes."""
        self._write(data)

    def write_all(self, segments: list[bytes]) -> None:
        """Send bytes that are not joined."""
        self._transport.writelines(segments)

    def unsent(self) -> int:
        """Return how many bytes were written and have not left yet."""
        return self._transport.get_write_buffer_size()

    def pause_reading(self, reason: i64) -> None:
        """Take no more input until the reason is gone."""
        if not self._pauses:
            self._transport.pause_reading()
        self._pauses |= reason

    def resume_reading(self, reason: i64) -> None:
        """Take input again, unless there is another reason not to."""
        if self._pauses & reason:
            self._pauses &= ~reason
            if not self._pauses:
                self._transport.resume_reading()

    def close_gracefully(self) -> None:
        """Close when what was written has left, and give the peer the time to read it."""
        if self._is_known:
            self._forget()
            self._hang_up(self._settings.linger)

    def close(self) -> None:
        """Close when what was written has left."""
        self._transport.close()

    def drop(self, reason: str) -> None:
        """Close at once, and log why."""
        log.warning("Dropped %s: %s", self._remote.name, reason)
        self._forget()
        self._transport.abort()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def _hang_up(self, linger: float) -> None:
        transport = self._transport
        if transport.can_write_eof():
            transport.write_eof()
            self._flusher.loop.call_later(linger, transport.abort)  # `close` would wait for a peer that never reads
        else:
            transport.close()

    def _forget(self) -> None:
        """Let the core forget the peer; what still comes from it is thrown away."""
        if self._is_known:
            self._is_known = False
            self.peer.closing = True
            self._flusher.schedule()
            self._job_server.disconnect(self.peer)


class AdminOnlyConnection(Connection):
    """A connection beyond the limit, which may use text commands, for a while."""

    __slots__ = ()

    def data_received(self, data: bytes) -> None:
        """Hand lines of text to the core; packets are not accepted."""
        if data.startswith(b"\0") and not self.peer.closing:
            text = "The server has no room for a connection; it takes text commands only"
            self._flusher.schedule()
            self._job_server.end_conversation(self.peer, RemoteProtocolError(text, _CODE))
        else:
            super().data_received(data)

    def close_gracefully(self) -> None:
        """Close, and be gone soon: others wait for the descriptor."""
        if self._is_known:
            self._forget()
            self._hang_up(self._settings.admin_linger)


_CODE: Final = "TOO_MANY_CONNECTIONS"
