# SPDX-License-Identifier: MIT
"""The events of one job, between the thread that receives them and whoever reads them."""

import threading
import time

from geartrain.client.buffer import EventBuffer
from geartrain.errors import JobTimeout
from geartrain.records import JobEvent

__all__ = ["EventStream"]


class EventStream:
    """A buffer of events that threads can wait for."""

    __slots__ = ("_buffer", "_changed")

    def __init__(self) -> None:
        self._buffer = EventBuffer()
        self._changed = threading.Condition(threading.Lock())

    def put(self, event: JobEvent) -> None:
        """Add an event, or give up on a stream that nobody reads."""
        with self._changed:
            self._buffer.put(event)
            self._changed.notify()

    def end(self) -> None:
        """Say that no more will come."""
        with self._changed:
            self._buffer.end()
            self._changed.notify_all()

    def get(self, deadline: float | None = None) -> JobEvent | None:
        """Return the next event, or ``None`` after the last one.

        Args:
            deadline: When to give up, by the monotonic clock.

        Raises:
            JobTimeout: It took too long.
            EventsLost: There were more than a stream keeps.
        """
        with self._changed:
            while self._buffer.is_waiting:
                remaining = None if deadline is None else deadline - time.monotonic()
                if not (remaining is None or remaining > 0) or not self._changed.wait(remaining):
                    raise JobTimeout("the job sent nothing within the time allowed")
            return self._buffer.take()
