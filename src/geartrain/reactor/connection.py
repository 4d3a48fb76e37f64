# SPDX-License-Identifier: MIT
"""A connection between the event loop and the core: its input, its flow control and its end.

The `Flusher` sends the core's output, once per turn of the event loop for all connections. A connection does not
inherit from `asyncio.Protocol`, as it is compiled: it has the methods that event loops call.
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
    """Limits and timeouts of connections.

    Attributes:
        max_packet: The largest packet accepted, in bytes.
        max_line: The longest text line, in bytes.
        linger: Seconds that a peer has to read the error for which it is closed. With an immediate close, while bytes
            from the peer are still on the way, the kernel would discard the error.
        max_unread: Bytes that may wait for a peer before the server stops reading from it. Some clients submit a
            hundred thousand jobs before they read a reply; the replies must fit, or both sides would wait forever.
        bulk: Size of a read that is part of a large packet, whose sender may wait for the TCP acknowledgement.
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
        name: Its address, as the log shows it.
        host: Its host, as ``workers`` shows it.
        fd: The number of the socket, as ``workers`` shows it.
        is_local: True if it is on this machine.
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
        settings: Limits and timeouts.
        certificate_names: Returns the names in the certificate of a transport's peer.
        acknowledger: Returns a function that makes the kernel send TCP acknowledgements at once, or None.
        leave: Called at the end of the connection.
    """

    __slots__ = (
        "_acknowledge",
        "_acknowledger",
        "_bulk",
        "_certificate_names",
        "_flusher",
        "_has_ended",
        "_is_encrypted",
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
        self._is_encrypted = False
        self._has_ended = False  # the peer sends nothing more, and input of it waits in the core
        self._pauses: i64 = 0
        self._acknowledge: Callable[[], None] | None = None
        self.peer: Peer
        self._transport: asyncio.Transport
        self._write: Callable[[bytes | memoryview], None]

    # Called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Add the peer to the core and the flusher."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's transports do not inherit from asyncio's
        self._write = self._transport.write
        self._is_encrypted = transport.get_extra_info("sslcontext") is not None
        self._transport.set_write_buffer_limits(self._settings.max_unread)
        if self._is_encrypted:  # `pause_reading` stops TLS when as many bytes wait; the transports are not typed for it
            self._transport.set_read_buffer_limits(2 * _SLICE, _SLICE)  # type: ignore[attr-defined]
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
        fields = self._fields("connected")
        log.log(
            self._log_level(),
            "Accepted connection from %s (connection %d)",
            remote.name,
            remote.fd,
            extra={"fields": fields},
        )

    def data_received(self, data: bytes) -> None:
        """Pass data to the core. This is the hot path, so it does nothing else."""
        peer = self.peer
        if peer.closing:
            return
        flusher = self._flusher
        if not flusher.is_scheduled:
            flusher.schedule()
        self._reader.feed(data)
        if self._is_encrypted:
            self._reader.fed += _TLS_READING * len(data)
        self._job_server.receive(peer)
        if len(data) >= self._bulk and not peer.outbox.size() and self._acknowledge is not None:
            self._acknowledge()  # a reply would have carried the acknowledgement

    def eof_received(self) -> bool:
        """Send all replies; the transport then closes itself when everything is sent."""
        if self._is_known:
            can_stay_open = self._transport.can_write_eof()
            if not can_stay_open:
                self._job_server.hurry(self.peer)
            self._flusher.flush()
            if self._job_server.is_waiting(self.peer) and can_stay_open:
                self._has_ended = True  # it is closed when its input has been handled
                return True
            if self.peer.outbox.is_held and can_stay_open:
                self.peer.closing = True  # it is closed after the replies that wait for the store
                return True
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """Remove the peer, whichever side closed the connection."""
        self._forget()
        self._leave()
        self._flusher.discard(self.peer)
        reason = f": {error}" if error is not None else ""
        fields = self._fields("disconnected")
        message = "Disconnected %s (connection %d)%s"
        log.log(self._log_level(), message, self._remote.name, self._remote.fd, reason, extra={"fields": fields})

    def _log_level(self) -> int:
        """Return DEBUG for a connection inside the process, such as that of the server's check of itself."""
        return logging.INFO if self._remote.fd >= 0 else logging.DEBUG

    def _fields(self, event: str) -> dict[str, object]:
        return {"event": event, "address": self._remote.name, "descriptor": self._remote.fd}

    def pause_writing(self) -> None:
        """Pause reading from a peer that does not read, so that its replies do not pile up."""
        self.is_slow = True
        self.pause_reading(SLOW)

    def resume_writing(self) -> None:
        """Resume reading."""
        self.is_slow = False
        self._flusher.backpressure.release(self.peer)
        self.resume_reading(SLOW)
        if self.peer.listing is not None:
            self._job_server.resume_listing(self.peer)
            self._flusher.schedule()

    # Called by the core and the flusher.

    def write(self, data: bytes) -> None:
        """Send bytes."""
        if self._is_encrypted:
            self._write_in_slices(data)
        else:
            self._write(data)

    def write_all(self, segments: list[bytes]) -> None:
        """Send bytes that are not joined."""
        if self._is_encrypted:
            for segment in segments:
                self._write_in_slices(segment)
        else:
            self._transport.writelines(segments)

    def unsent(self) -> int:
        """Return the number of bytes that were written and not sent yet."""
        return self._transport.get_write_buffer_size()

    def pause_reading(self, reason: i64) -> None:
        """Pause reading until the reason is gone."""
        if not self._pauses:
            self._transport.pause_reading()
        self._pauses |= reason

    def resume_reading(self, reason: i64) -> None:
        """Resume reading, unless there is another reason to pause."""
        if self._pauses & reason:
            self._pauses &= ~reason
            if self._has_ended:
                self._close_after_replies()
            elif not self._pauses:
                self._transport.resume_reading()

    def close_gracefully(self) -> None:
        """Close when all data is sent, and give the peer time to read it."""
        if self._is_known:
            self._forget()
            self._hang_up(self._settings.linger)

    def close(self) -> None:
        """Close when all data is sent."""
        self._transport.close()

    def drop(self, reason: str) -> None:
        """Close at once, and log why."""
        fields = self._fields("dropped") | {"reason": reason}
        log.warning("Dropped %s: %s", self._remote.name, reason, extra={"fields": fields})
        self._forget()
        self._transport.abort()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def _write_in_slices(self, data: bytes) -> None:
        """Send bytes by TLS: what it has encrypted is not counted as unsent, so that this must not be much."""
        if len(data) <= _SLICE:
            self._write(data)
            return
        view = memoryview(data)
        for begin in range(0, len(data), _SLICE):
            self._write(view[begin : begin + _SLICE])

    def _close_after_replies(self) -> None:
        """Close after the replies to the input that had to wait when the peer ended its side."""
        if not self._job_server.is_waiting(self.peer):
            self.peer.closing = True
            self.peer.mark_dirty()

    def _hang_up(self, linger: float) -> None:
        transport = self._transport
        if transport.can_write_eof():
            transport.write_eof()
            self._flusher.loop.call_later(linger, transport.abort)  # `close` would wait for a peer that never reads
        else:
            transport.close()

    def _forget(self) -> None:
        """Remove the peer from the core; further input from it is discarded."""
        if self._is_known:
            self._is_known = False
            self.peer.closing = True
            self._flusher.schedule()
            self._job_server.disconnect(self.peer)
            self._reader.clear()  # the transport may keep both for a while
            self.peer.outbox.take()


class AdminOnlyConnection(Connection):
    """A connection beyond the limit, which may use text commands for a short time."""

    __slots__ = ()

    def data_received(self, data: bytes) -> None:
        """Pass text lines to the core; packets are rejected."""
        if data.startswith(b"\0") and not self.peer.closing:
            text = "The server has no room for a connection; it takes text commands only"
            self._flusher.schedule()
            self._job_server.end_conversation(self.peer, RemoteProtocolError(text, _CODE))
        else:
            super().data_received(data)

    def close_gracefully(self) -> None:
        """Close with a short linger time, as others wait for the descriptor."""
        if self._is_known:
            self._forget()
            self._hang_up(self._settings.admin_linger)


_CODE: Final = "TOO_MANY_CONNECTIONS"
# Bytes of TLS count as so many more. They cost four times as much, and come in pieces of up to 256 KiB, during which
# other peers wait: with fewer of them, another peer waits for less time on average.
_TLS_READING: Final = 15
_SLICE: Final = 64 * 1024  # bytes; after as many, a transport tells TLS to pause
