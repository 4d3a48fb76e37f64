# SPDX-License-Identifier: MIT
"""One connection of an asyncio worker: a transport, its session, and the bytes between them."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import cast

from geartrain.worker.session import WorkerSession

__all__ = ["Connection"]

# Bytes that a connection's jobs may have waiting to be sent. A job that streams more waits for a slow server instead
# of filling the memory.
HIGH_WATER = 1024 * 1024
FAREWELL = 2.0  # seconds for the last bytes to be sent and taken at the end


class Connection(asyncio.Protocol):
    """Moves bytes between a transport and a session.

    Args:
        made: Called with this connection, for it to be given its session or closed.
        received: Called with this connection and what has come in.
        lost: Called with this connection and the reason when it has ended, unless by `close`.
    """

    session: WorkerSession

    def __init__(
        self,
        made: Callable[["Connection"], None],
        received: Callable[["Connection", bytes], None],
        lost: Callable[["Connection", str], None],
    ) -> None:
        self.is_lost = False
        self._transport: asyncio.Transport
        self._made = made
        self._received = received
        self._lost = lost
        self._room = asyncio.Event()
        self._room.set()
        self._over = asyncio.Event()

    # What the event loop tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, and tell of it: a server that speaks unasked does so at once."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        self._transport.set_write_buffer_limits(high=HIGH_WATER)
        self._made(self)

    def data_received(self, data: bytes) -> None:
        """Pass on what has come in."""
        self._received(self, data)

    def pause_writing(self) -> None:
        """Hold up the jobs."""
        self._room.clear()

    def resume_writing(self) -> None:
        """Let the jobs go on."""
        self._room.set()

    def connection_lost(self, error: Exception | None) -> None:
        """Tell of the end."""
        was_known = self.is_lost
        self._end()
        self._over.set()
        if not was_known:
            reason = error.strerror if isinstance(error, OSError) else None
            self._lost(self, reason or str(error or "the server closed the connection"))

    # What the loop and its jobs ask.

    async def wait_for_room(self) -> None:
        """Hold up a job while the server is too slow for what it sends."""
        while not self._room.is_set():
            await self._room.wait()

    def flush(self) -> None:
        """Send what there is."""
        data = self.session.take_outgoing()
        if data and not self.is_lost:
            self._transport.write(data)

    async def leave(self) -> None:
        """Close after what is still to be sent; a server that does not take it is not waited for."""
        self.flush()
        self.is_lost = True
        if self._transport.can_write_eof():
            # Closing with a NOOP unread would reset the connection, and could destroy the result just sent.
            self._transport.write_eof()
        else:  # encryption has a farewell of its own
            self._transport.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL):
                await self._over.wait()
        self.close()

    def close(self) -> None:
        """Close at once."""
        self._end()
        self._transport.abort()

    def _end(self) -> None:
        self.is_lost = True
        self._room.set()
