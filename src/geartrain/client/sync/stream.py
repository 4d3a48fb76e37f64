# SPDX-License-Identifier: MIT
"""The events of one job, passed from the receiving thread to its readers. Its twin is `geartrain.client.aio.stream`."""

import threading
import time

from geartrain.client.buffer import EventBuffer
from geartrain.errors import JobTimeout
from geartrain.records import JobEvent
from geartrain.transport import Latch

__all__ = ["EventStream"]


class EventStream:
    """A buffer of events that threads can wait for.

    Args:
        limit: See `EventBuffer`.
    """

    __slots__ = ("_buffer", "_lock", "_waiting")

    def __init__(self, limit: int) -> None:
        self._buffer = EventBuffer(limit)
        self._waiting: list[Latch] = []
        self._lock = threading.Lock()  # guards the lines above

    def put(self, event: JobEvent) -> None:
        """Add an event; see `EventBuffer.put`."""
        with self._lock:
            self._buffer.put(event)
            self._wake()

    def end(self) -> None:
        """Record that no more events will come."""
        with self._lock:
            self._buffer.end()
            self._wake()

    def get(self, deadline: float | None = None) -> JobEvent | None:
        """Return the next event, or ``None`` after the last one.

        Args:
            deadline: The time at which the wait ends, of the monotonic clock.

        Raises:
            JobTimeout: No event has come by then.
            EventsLost: There were more unread events than the limit.
        """
        while True:
            with self._lock:
                if not self._buffer.is_waiting:
                    return self._buffer.take()
                latch = Latch()
                self._waiting.append(latch)
            if not latch.wait(None if deadline is None else max(deadline - time.monotonic(), 0.0)):
                raise JobTimeout("the job sent nothing within the time allowed")

    def _wake(self) -> None:
        for latch in self._waiting:
            latch.set()
        self._waiting.clear()  # last: an interrupted caller leaves those that it may not have set
