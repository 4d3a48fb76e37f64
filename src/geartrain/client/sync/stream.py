# SPDX-License-Identifier: MIT
"""The events of one job, passed from the receiving thread to its readers. Its twin is `geartrain.client.aio.stream`."""

import threading
import time

from geartrain.client.buffer import EventBuffer, EventReaders
from geartrain.errors import JobTimeout
from geartrain.records import JobEvent
from geartrain.transport import Latch

__all__ = ["EventStream"]


class EventStream:
    """The events of a job that threads can wait for.

    Args:
        limit: See `EventReaders`.
    """

    __slots__ = ("_lock", "_readers", "_waiting")

    def __init__(self, limit: int) -> None:
        self._readers = EventReaders(limit)
        self._waiting: list[Latch] = []
        self._lock = threading.Lock()  # guards the lines above

    def put(self, event: JobEvent) -> None:
        """Add an event; see `EventBuffer.put`."""
        with self._lock:
            self._readers.put(event)
            self._wake()

    def end(self) -> None:
        """Record that no more events will come."""
        with self._lock:
            self._readers.end()
            self._wake()

    def open(self) -> EventBuffer:
        """Add a reader; see `EventReaders.open`."""
        with self._lock:
            return self._readers.open()

    def close(self, reader: EventBuffer) -> None:
        """Remove a reader."""
        with self._lock:
            self._readers.close(reader)

    def get(self, reader: EventBuffer, deadline: float | None = None) -> JobEvent | None:
        """Return the next event of a reader, or ``None`` after the last one.

        Args:
            reader: The reader.
            deadline: The time at which the wait ends, of the monotonic clock.

        Raises:
            JobTimeout: No event has come by then.
            EventsLost: There were more unread events than the limit.
        """
        while True:
            with self._lock:
                if not reader.is_waiting:
                    return reader.take()
                latch = Latch()
                self._waiting.append(latch)
            if not latch.wait(None if deadline is None else max(deadline - time.monotonic(), 0.0)):
                raise JobTimeout("the job sent nothing within the time allowed")

    def _wake(self) -> None:
        for latch in self._waiting:
            latch.set()
        self._waiting.clear()  # last: an interrupted caller leaves those that it may not have set
