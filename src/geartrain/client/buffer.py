# SPDX-License-Identifier: MIT
"""The unread events of one job for each of its readers, up to a limit. The shells add the waiting."""

from collections import deque

from geartrain.errors import EventsLost
from geartrain.records import JobEvent, Progress

__all__ = ["MAX_UNREAD", "EventBuffer", "EventReaders"]

# Bytes of unread events after which a job's stream is given up. One slow reader cannot slow its job down without all
# other jobs of the connection, and a reader that starts late needs all events or none.
MAX_UNREAD = 64 * 1024 * 1024

_OVERHEAD = 256  # bytes of an event without its data


class EventBuffer:
    """A queue of events.

    Args:
        limit: Bytes of unread events that it holds at most; beyond them it is emptied, and `take` raises.
    """

    __slots__ = ("_ended", "_events", "_limit", "_overflowed", "_unread")

    def __init__(self, limit: int = MAX_UNREAD) -> None:
        self._events: deque[JobEvent] = deque()
        self._limit = limit
        self._unread = 0
        self._overflowed = False
        self._ended = False

    @property
    def has_ended(self) -> bool:
        """True if no more events will come."""
        return self._ended

    @property
    def is_waiting(self) -> bool:
        """True if no event can be taken now, and more may come."""
        return not (self._events or self._ended or self._overflowed)

    def put(self, event: JobEvent) -> None:
        """Add an event, or drop all events if the limit is exceeded."""
        self._unread += _size(event)
        if self._overflowed or self._unread > self._limit:
            self._overflowed = True
            self._events.clear()
        else:
            self._events.append(event)

    def end(self) -> None:
        """Record that no more events will come."""
        self._ended = True

    def take(self) -> JobEvent | None:
        """Return the next event, or ``None`` if there is none.

        Raises:
            EventsLost: The limit was exceeded.
        """
        if self._overflowed:
            raise EventsLost(f"the job sent more than {self._limit} bytes that were not read")
        if not self._events:
            return None
        event = self._events.popleft()
        self._unread -= _size(event)
        return event


class EventReaders:
    """The readers of one job's events, each with a buffer of its own.

    The first reader gets all events from the job's start on, a further one those that come after it was opened. When
    the last reader is closed, the next one goes on where it stopped.

    Args:
        limit: See `EventBuffer`; the limit of each reader.
    """

    __slots__ = ("_idle", "_limit", "_open")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._idle = EventBuffer(limit)  # the events that no reader has read; not used while there are readers
        self._open: list[EventBuffer] = []

    def open(self) -> EventBuffer:
        """Add a reader, and return its buffer."""
        buffer = EventBuffer(self._limit) if self._open else self._idle
        if self._open and self._open[0].has_ended:
            buffer.end()
        self._open.append(buffer)
        return buffer

    def close(self, buffer: EventBuffer) -> None:
        """Remove a reader."""
        if self._open == [buffer]:
            self._idle = buffer
        self._open.remove(buffer)

    def put(self, event: JobEvent) -> None:
        """Add an event for each reader."""
        for buffer in self._open or (self._idle,):
            buffer.put(event)

    def end(self) -> None:
        """Record that no more events will come."""
        for buffer in self._open or (self._idle,):
            buffer.end()


def _size(event: JobEvent) -> int:
    return _OVERHEAD if isinstance(event, Progress) else _OVERHEAD + len(event.data)
