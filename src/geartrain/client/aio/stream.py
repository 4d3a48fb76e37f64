# SPDX-License-Identifier: MIT
"""The events of one job, passed from the event loop to its readers. Its twin is `geartrain.client.sync.stream`."""

import asyncio

from geartrain.client.buffer import EventBuffer, EventReaders
from geartrain.errors import JobTimeout
from geartrain.records import JobEvent

__all__ = ["EventStream"]


class EventStream:
    """The events of a job that tasks can wait for.

    Args:
        limit: See `EventReaders`.
    """

    __slots__ = ("_changed", "_readers")

    def __init__(self, limit: int) -> None:
        self._readers = EventReaders(limit)
        self._changed = asyncio.Event()

    def put(self, event: JobEvent) -> None:
        """Add an event; see `EventBuffer.put`."""
        self._readers.put(event)
        self._wake()

    def end(self) -> None:
        """Record that no more events will come."""
        self._readers.end()
        self._wake()

    def open(self) -> EventBuffer:
        """Add a reader; see `EventReaders.open`."""
        return self._readers.open()

    def close(self, reader: EventBuffer) -> None:
        """Remove a reader."""
        self._readers.close(reader)

    async def get(self, reader: EventBuffer, deadline: float | None = None) -> JobEvent | None:
        """Return the next event of a reader, or ``None`` after the last one.

        Args:
            reader: The reader.
            deadline: The time at which the wait ends, of the loop's clock.

        Raises:
            JobTimeout: No event has come by then.
            EventsLost: There were more unread events than the limit.
        """
        while reader.is_waiting:
            changed = self._changed
            try:
                async with asyncio.timeout_at(deadline):
                    await changed.wait()
            except TimeoutError:
                raise JobTimeout("the job sent nothing within the time allowed") from None
        return reader.take()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()  # for the waits that begin from now on
