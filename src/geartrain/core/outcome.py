# SPDX-License-Identifier: MIT
"""States of a job, and the events that lead from one to the next.

`TRANSITIONS` is the whole life of a job. The picture in the documentation is drawn from it, and the property test of
the core holds every job to it. On the way of a job states and events are plain numbers, looked up in one string of
bytes: looking up two members of an enumeration would cost a fifth of a job.
"""

import enum
from typing import Final

from mypy_extensions import i64, u8

__all__ = ["OUTCOMES", "TRANSITIONS", "Event", "JobState", "Outcome", "next_state"]


class JobState(enum.IntEnum):
    """Where a job is."""

    NEW = 0  # made, and not accepted yet
    DELAYED = 1  # until its time comes
    WAITING = 2  # in the queue of its function
    RUNNING = 3  # at a worker
    ENDED = 4


class Event(enum.IntEnum):
    """A reason for a job to change its state."""

    DELAY = 0  # accepted, for later
    ENQUEUE = 1  # accepted, or its time has come
    START = 2  # assigned to a worker
    REQUEUE = 3  # taken from its worker, to run again
    # What ends a job.
    COMPLETED = 4  # its worker, or one that it was taken from, said WORK_COMPLETE
    FAILED = 5  # its worker said WORK_FAIL
    EXCEPTION = 6  # its worker said WORK_EXCEPTION
    TIMED_OUT = 7  # it ran for too long, and has no attempt left
    WORKER_LOST = 8  # its worker went away, and it has no attempt left
    CANCELLED = 9  # by an administrator
    ABANDONED = 10  # no client waits for it any more, and it is no background job
    REVOKED = 11  # the store did not take it


Outcome = Event  # an event that ends a job; see `OUTCOMES`

OUTCOMES: Final = tuple(event for event in Event if event >= Event.COMPLETED)

TRANSITIONS: Final[dict[tuple[JobState, Event], JobState]] = {
    (JobState.NEW, Event.DELAY): JobState.DELAYED,
    (JobState.NEW, Event.ENQUEUE): JobState.WAITING,
    (JobState.DELAYED, Event.ENQUEUE): JobState.WAITING,
    (JobState.WAITING, Event.START): JobState.RUNNING,
    (JobState.RUNNING, Event.REQUEUE): JobState.WAITING,
    (JobState.RUNNING, Event.COMPLETED): JobState.ENDED,
    (JobState.RUNNING, Event.FAILED): JobState.ENDED,
    (JobState.RUNNING, Event.EXCEPTION): JobState.ENDED,
    (JobState.RUNNING, Event.TIMED_OUT): JobState.ENDED,
    (JobState.RUNNING, Event.WORKER_LOST): JobState.ENDED,
    (JobState.RUNNING, Event.CANCELLED): JobState.ENDED,
    (JobState.RUNNING, Event.ABANDONED): JobState.ENDED,
    (JobState.WAITING, Event.COMPLETED): JobState.ENDED,
    (JobState.WAITING, Event.CANCELLED): JobState.ENDED,
    (JobState.WAITING, Event.ABANDONED): JobState.ENDED,
    (JobState.WAITING, Event.REVOKED): JobState.ENDED,
    (JobState.DELAYED, Event.CANCELLED): JobState.ENDED,
    (JobState.DELAYED, Event.ABANDONED): JobState.ENDED,
    (JobState.DELAYED, Event.REVOKED): JobState.ENDED,
}

_EVENTS: Final = len(Event)
_NONE: Final = 255
_TABLE: Final = bytes(TRANSITIONS.get((state, event), _NONE) for state in JobState for event in Event)


def next_state(state: u8, event: i64) -> u8:
    """Return the state that an event leads to.

    Raises:
        AssertionError: No job meets that event in that state.
    """
    following: i64 = _TABLE[i64(state) * _EVENTS + event]
    if following == _NONE:
        raise AssertionError(f"a job that is {JobState(state).name} does not meet {Event(event).name}")
    return u8(following)
