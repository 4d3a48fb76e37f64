# SPDX-License-Identifier: MIT
"""The events of one job, passed from the event loop to its readers. Its twin is `geartrain.client.sync.stream`."""

import asyncio

from geartrain.client.buffer import EventBuffer
from geartrain.errors import JobTimeout
from geartrain.records import JobEvent

__all__ = ["EventStream"]


class EventStream:
    """A buffer of events that tasks can wait for.

    Args:
        limit: See `EventBuffer`.
    """

    __slots__ = ("_buffer", "_changed")

    def __init__(self, limit: int) -> None:
        self._buffer = EventBuffer(limit)
        self._changed = asyncio.Event()

    def put(self, event: JobEvent) -> None:
        """Add an event; see `EventBuffer.put`."""
        self._buffer.put(event)
        self._changed.set()

    def end(self) -> None:
        """Record that no more events will come."""
        self._buffer.end()
        self._changed.set()

    async def get(self, deadline: float | None = None) -> JobEvent | None:
        """Return the next event, or ``None`` after the last one.

        Args:
            deadline: The time at which the wait ends, of the loop's clock.

        Raises:
            JobTimeout: No event has come by then.
            EventsLost: There were more unread events than the limit.
        """
        while self._buffer.is_waiting:
            self._changed.clear()
            try:
                async with asyncio.timeout_at(deadline):
                    await self._changed.wait()
            except TimeoutError:
                raise JobTimeout("the job sent nothing within the time allowed") from None
        return self._buffer.take()
