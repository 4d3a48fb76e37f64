# SPDX-License-Identifier: MIT
"""The events of one job, between the thread that receives them and whoever reads them."""

import threading
import time
from collections import deque

from geartrain.errors import EventsLost, JobTimeout
from geartrain.records import JobEvent, Progress

__all__ = ["MAX_UNREAD", "EventStream"]

# Bytes of unread events, after which a job's stream is given up. Nothing can slow one job down without slowing down all
# that share its connection, and whoever starts to read late wants it whole or not at all.
MAX_UNREAD = 64 * 1024 * 1024

_WEIGHT = 256  # bytes that an event takes besides its data


class EventStream:
    """A queue with one end where events come in and one where they are waited for."""

    __slots__ = ("_changed", "_ended", "_events", "_overflowed", "_unread")

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._events: deque[JobEvent] = deque()
        self._unread = 0
        self._overflowed = False
        self._ended = False

    def put(self, event: JobEvent) -> None:
        """Add an event, or give up on a stream that nobody reads."""
        with self._changed:
            self._unread += _weight(event)
            if self._overflowed or self._unread > MAX_UNREAD:
                self._overflowed = True
                self._events.clear()
            else:
                self._events.append(event)
            self._changed.notify()

    def end(self) -> None:
        """Say that no more will come."""
        with self._changed:
            self._ended = True
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
            while not (self._events or self._ended or self._overflowed):
                remaining = None if deadline is None else deadline - time.monotonic()
                if not (remaining is None or remaining > 0) or not self._changed.wait(remaining):
                    raise JobTimeout("the job sent nothing within the time allowed")
            if self._overflowed:
                raise EventsLost(f"the job sent more than {MAX_UNREAD} bytes while nobody read them")
            if not self._events:
                return None
            event = self._events.popleft()
            self._unread -= _weight(event)
            return event


def _weight(event: JobEvent) -> int:
    return _WEIGHT if isinstance(event, Progress) else _WEIGHT + len(event.data)
