# SPDX-License-Identifier: MIT
"""The events of one job that nobody has read yet, and how many there may be. A shell adds the waiting."""

from collections import deque

from geartrain.errors import EventsLost
from geartrain.records import JobEvent, Progress

__all__ = ["MAX_UNREAD", "EventBuffer"]

# Bytes of unread events, after which a job's stream is given up. Nothing can slow one job down without slowing down all
# that share its connection, and whoever starts to read late wants it whole or not at all.
MAX_UNREAD = 64 * 1024 * 1024

_WEIGHT = 256  # bytes that an event takes besides its data


class EventBuffer:
    """A queue with one end where events come in and one where they are taken."""

    __slots__ = ("_ended", "_events", "_overflowed", "_unread")

    def __init__(self) -> None:
        self._events: deque[JobEvent] = deque()
        self._unread = 0
        self._overflowed = False
        self._ended = False

    @property
    def is_waiting(self) -> bool:
        """Whether there is nothing to take yet, and more may come."""
        return not (self._events or self._ended or self._overflowed)

    def put(self, event: JobEvent) -> None:
        """Add an event, or give up on a stream that nobody reads."""
        self._unread += _weight(event)
        if self._overflowed or self._unread > MAX_UNREAD:
            self._overflowed = True
            self._events.clear()
        else:
            self._events.append(event)

    def end(self) -> None:
        """Say that no more will come."""
        self._ended = True

    def take(self) -> JobEvent | None:
        """Return the next event, or ``None`` if there is none.

        Raises:
            EventsLost: There were more than a stream keeps.
        """
        if self._overflowed:
            raise EventsLost(f"the job sent more than {MAX_UNREAD} bytes while nobody read them")
        if not self._events:
            return None
        event = self._events.popleft()
        self._unread -= _weight(event)
        return event


def _weight(event: JobEvent) -> int:
    return _WEIGHT if isinstance(event, Progress) else _WEIGHT + len(event.data)
