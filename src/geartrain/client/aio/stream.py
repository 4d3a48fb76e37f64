# SPDX-License-Identifier: MIT
"""The events of one job, between the loop that receives them and the tasks that read them."""

import asyncio

from geartrain.client.buffer import EventBuffer
from geartrain.errors import JobTimeout
from geartrain.records import JobEvent

__all__ = ["EventStream"]


class EventStream:
    """A buffer of events that tasks can wait for."""

    __slots__ = ("_buffer", "_changed")

    def __init__(self) -> None:
        self._buffer = EventBuffer()
        self._changed = asyncio.Event()

    def put(self, event: JobEvent) -> None:
        """Add an event, or give up on a stream that nobody reads."""
        self._buffer.put(event)
        self._changed.set()

    def end(self) -> None:
        """Say that no more will come."""
        self._buffer.end()
        self._changed.set()

    async def get(self, deadline: float | None = None) -> JobEvent | None:
        """Return the next event, or ``None`` after the last one.

        Args:
            deadline: When to give up, by the clock of the loop.

        Raises:
            JobTimeout: It took too long.
            EventsLost: There were more than a stream keeps.
        """
        while self._buffer.is_waiting:
            self._changed.clear()
            try:
                async with asyncio.timeout_at(deadline):
                    await self._changed.wait()
            except TimeoutError:
                raise JobTimeout("the job sent nothing within the time allowed") from None
        return self._buffer.take()
