# SPDX-License-Identifier: MIT
"""A peer inside the process of the server: packets and lines of text without a socket.

`LocalTransport` replaces the transport of the event loop, so its connection is treated like all others: it is in the
listings, the limits and rules apply to it, and it is slowed down or dropped if it does not read.
"""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Protocol

__all__ = ["LocalPeer", "LocalTransport", "ServerEnd"]


class ServerEnd(Protocol):
    """A connection, as the event loop and its transports call it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""

    def data_received(self, data: bytes) -> None:
        """Handle data of the peer."""

    def connection_lost(self, error: Exception | None) -> None:
        """End."""

    def pause_writing(self) -> None:
        """The peer does not read as fast as it is written to."""

    def resume_writing(self) -> None:
        """The peer has read everything."""


class LocalTransport(asyncio.Transport):
    """The server's end of a connection inside the process.

    Args:
        protocol: The connection.
        address: The address of the peer.
    """

    def __init__(self, protocol: ServerEnd, address: object) -> None:
        super().__init__({"peername": address})
        self._loop = asyncio.get_running_loop()
        self._protocol: ServerEnd | None = protocol  # None after the end
        self._unread = bytearray()
        self._high, self._low = 64 * 1024, 16 * 1024
        self._is_writing_paused = False
        self._is_closing = False  # no more data from the peer
        self._is_eof = False  # no more data to the peer
        self._is_lost = False
        self._may_receive = asyncio.Event()  # set while the connection reads, and at its end
        self._may_receive.set()
        self._changed = asyncio.Event()  # set when there is something for the peer to read

    # The server's side, which has the methods of `asyncio.Transport`.

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep data until the peer reads it."""
        if self._is_lost or self._is_eof:
            return
        self._unread += data
        self._changed.set()
        if len(self._unread) > self._high and not self._is_writing_paused and self._protocol is not None:
            self._is_writing_paused = True
            self._protocol.pause_writing()

    def get_write_buffer_size(self) -> int:
        """Return the number of bytes that the peer has not read."""
        return len(self._unread)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Return the limits below and above which the connection is told to resume and pause writing."""
        return self._low, self._high

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set these limits."""
        self._high = 64 * 1024 if high is None else high
        self._low = self._high // 4 if low is None else low

    def pause_reading(self) -> None:
        """Take no more data from the peer for a while."""
        self._may_receive.clear()

    def resume_reading(self) -> None:
        """Take data from the peer again."""
        self._may_receive.set()

    def is_reading(self) -> bool:
        """Tell whether data is taken from the peer."""
        return self._may_receive.is_set() and not self._is_closing

    def is_closing(self) -> bool:
        """Tell whether the connection has ended, or ends when the peer has read everything."""
        return self._is_closing

    def can_write_eof(self) -> bool:
        """Tell that the server can end its side first."""
        return True

    def write_eof(self) -> None:
        """Write nothing more; the peer sees the end behind the data."""
        self._is_eof = True
        self._changed.set()

    def close(self) -> None:
        """End the connection when the peer has read everything."""
        self._is_closing = True
        self._is_eof = True
        self._may_receive.set()
        self._changed.set()
        if not self._unread:
            self._lose()

    def abort(self) -> None:
        """End the connection at once."""
        self._unread.clear()
        self.close()

    def _lose(self) -> None:
        if not self._is_lost:
            self._is_lost = True
            self._loop.call_soon(self._end)

    def _end(self) -> None:
        """Tell the connection that it has ended. Both must not keep each other: the command collects no old garbage."""
        if self._protocol is not None:
            self._protocol.connection_lost(None)
            self._protocol = None

    # The peer's side.

    async def deliver(self, data: bytes) -> None:
        """Give data to the connection, once it reads.

        Raises:
            ConnectionResetError: The connection has ended.
        """
        await self._may_receive.wait()
        if self._is_closing or self._protocol is None:
            raise ConnectionResetError("the server has closed the connection")
        self._protocol.data_received(data)
        await asyncio.sleep(0)  # or a peer that only sends would keep the server from answering

    async def take(self) -> bytes:
        """Return all data for the peer, once there is some; none at the end."""
        while not self._unread and not self._is_eof:
            self._changed.clear()
            await self._changed.wait()
        data = bytes(self._unread)
        self._unread.clear()
        if self._is_writing_paused and self._protocol is not None:
            self._is_writing_paused = False
            self._protocol.resume_writing()
        if self._is_closing:
            self._lose()
        return data


class LocalPeer:
    """A client, worker or administrator inside the process of the server; `Server.connect` makes one.

    Args:
        create: Makes the connection; is given the function to call at its end.
        address: The address that the rules and listings of the server see.
    """

    def __init__(self, create: Callable[[Callable[[], None]], ServerEnd], address: object) -> None:
        self._closed = asyncio.Event()
        connection = create(self._closed.set)
        self._transport = LocalTransport(connection, address)
        connection.connection_made(self._transport)

    @property
    def is_reading(self) -> bool:
        """True while the server takes data from the peer; otherwise `send` waits."""
        return self._transport.is_reading()

    @property
    def is_closing(self) -> bool:
        """True if the connection has ended, or ends when the peer has read everything."""
        return self._transport.is_closing()

    async def send(self, data: bytes) -> None:
        """Send bytes of the protocol, whole packets or not; waits while the server does not read.

        Raises:
            ConnectionResetError: The connection has ended.
        """
        await self._transport.deliver(data)

    async def receive(self) -> bytes:
        """Return the bytes that the server has sent, once there are some; none at the end of the connection."""
        return await self._transport.take()

    async def close(self) -> None:
        """End the connection."""
        self._transport.abort()
        await self._closed.wait()

    async def __aenter__(self) -> "LocalPeer":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()
