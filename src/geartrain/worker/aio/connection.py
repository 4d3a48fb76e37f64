# SPDX-License-Identifier: MIT
"""A connection of an asyncio worker: a transport and its session.

An exception from a signal handler ends the loop between two instructions, perhaps in the transport, which may have sent
bytes that it has not recorded. A flag that is set before and cleared after shows that to the next task that sends.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import cast

from geartrain.worker.session import WorkerSession

__all__ = ["WorkerConnection"]

# Bytes of reports that may wait to be sent on one connection. A job that sends more waits for a slow server, so that
# memory does not grow.
HIGH_WATER = 1024 * 1024
CLOSE_TIMEOUT = 2.0  # seconds for the last bytes to be sent and received at the end


class WorkerConnection(asyncio.Protocol):
    """Transfers bytes between a transport and a session.

    Args:
        made: Called with this connection when it is open; gives it a session, or closes it.
        received: Called with this connection and the bytes that have arrived.
        lost: Called with this connection and the reason when it has ended, except by `close`.

    Attributes:
        session: The session.
        is_known: True once it has been reported as open.
        is_lost: True once the connection has ended.
    """

    session: WorkerSession

    def __init__(
        self,
        made: Callable[["WorkerConnection"], None],
        received: Callable[["WorkerConnection", bytes], None],
        lost: Callable[["WorkerConnection", str], None],
    ) -> None:
        self.is_known = False
        self.is_lost = False
        self._is_writing = False
        self._transport: asyncio.Transport
        self._made = made
        self._received = received
        self._lost = lost
        self._room = asyncio.Event()
        self._room.set()
        self._is_over = asyncio.Event()

    # For the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, and report the connection now: a server may send data at once."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's does not inherit from it
        self._transport.set_write_buffer_limits(high=HIGH_WATER)
        self._made(self)
        self.is_known = True

    def data_received(self, data: bytes) -> None:
        """Pass on the bytes that have arrived."""
        self._received(self, data)

    def pause_writing(self) -> None:
        """Block the jobs that send."""
        self._room.clear()

    def resume_writing(self) -> None:
        """Resume the jobs that send."""
        self._room.set()

    def connection_lost(self, error: Exception | None) -> None:
        """Report the end of the connection."""
        was_known = self.is_lost
        self._end()
        self._is_over.set()
        if not was_known:
            reason = error.strerror if isinstance(error, OSError) else None
            self._lost(self, reason or str(error or "the server closed the connection"))

    # For the worker's loop and its jobs

    async def wait_for_room(self) -> None:
        """Block a job while the server is too slow for its reports."""
        while not self._room.is_set():
            await self._room.wait()

    def flush(self) -> None:
        """Send the queued bytes; close if the loop was interrupted while bytes were sent."""
        if self._is_writing and not self.is_lost:
            self.close()
        self._is_writing = True
        data = self.session.take_outgoing()
        if data and not self.is_lost:
            self._transport.write(data)
        self._is_writing = False

    async def leave(self) -> None:
        """Close after the unsent bytes have left, or after `CLOSE_TIMEOUT`."""
        self.flush()
        if self.is_lost:
            return
        self.is_lost = True
        if self._transport.can_write_eof():
            # Closing with a NOOP unread would reset the connection, and could discard the result just sent.
            self._transport.write_eof()
        else:  # TLS has a closing handshake of its own
            self._transport.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self._is_over.wait()
        self.close()

    def close(self) -> None:
        """Close at once."""
        self._end()
        self._transport.abort()

    def _end(self) -> None:
        self.is_lost = True
        self._room.set()
