# SPDX-License-Identifier: MIT
"""The events of one job, passed from the receiving thread to its readers. Its twin is `geartrain.client.aio.stream`."""

import threading
import time

from geartrain.client.buffer import EventBuffer
from geartrain.errors import JobTimeout
from geartrain.records import JobEvent

__all__ = ["EventStream"]


class EventStream:
    """A buffer of events that threads can wait for.

    Args:
        limit: See `EventBuffer`.
    """

    __slots__ = ("_buffer", "_changed")

    def __init__(self, limit: int) -> None:
        self._buffer = EventBuffer(limit)
        self._changed = threading.Condition(threading.Lock())

    def put(self, event: JobEvent) -> None:
        """Add an event; see `EventBuffer.put`."""
        with self._changed:
            self._buffer.put(event)
            self._changed.notify()

    def end(self) -> None:
        """Record that no more events will come."""
        with self._changed:
            self._buffer.end()
            self._changed.notify_all()

    def get(self, deadline: float | None = None) -> JobEvent | None:
        """Return the next event, or ``None`` after the last one.

        Args:
            deadline: The time at which the wait ends, of the monotonic clock.

        Raises:
            JobTimeout: No event has come by then.
            EventsLost: There were more unread events than the limit.
        """
        with self._changed:
            while self._buffer.is_waiting:
                remaining = None if deadline is None else deadline - time.monotonic()
                if not (remaining is None or remaining > 0) or not self._changed.wait(remaining):
                    raise JobTimeout("the job sent nothing within the time allowed")
            return self._buffer.take()
