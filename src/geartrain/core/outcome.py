# SPDX-License-Identifier: MIT
"""States of a job, and the events that lead from one to the next.

`TRANSITIONS` is the whole life cycle of a job. The picture in the documentation is drawn from it, and the property test
of the core checks every job against it. On the hot path states and events are plain numbers, looked up in one bytes
object: looking up two members of an enumeration would cost a fifth of a job.
"""

import enum
from typing import Final

from mypy_extensions import i64, u8

__all__ = ["OUTCOMES", "TRANSITIONS", "Event", "JobState", "Outcome", "next_state"]


class JobState(enum.IntEnum):
    """A state of a job."""

    NEW = 0  # created, and not accepted yet
    DELAYED = 1  # until the time at which it may run
    WAITING = 2  # in the queue of its function
    RUNNING = 3  # at a worker
    ENDED = 4


class Event(enum.IntEnum):
    """An event that changes the state of a job."""

    DELAY = 0  # accepted, to run later
    ENQUEUE = 1  # accepted, or its delay has ended
    START = 2  # assigned to a worker
    REQUEUE = 3  # taken from its worker, to run again
    # The outcomes.
    COMPLETED = 4  # its worker, or one from which it was taken, sent WORK_COMPLETE
    FAILED = 5  # its worker sent WORK_FAIL
    EXCEPTION = 6  # its worker sent WORK_EXCEPTION, or a result that does not fit into a limit; so did an earlier one
    TIMED_OUT = 7  # it exceeded its timeout, and has no attempt left
    WORKER_LOST = 8  # its worker disconnected, and it has no attempt left
    CANCELLED = 9  # by an administrator
    ABANDONED = 10  # its last client disconnected, and it is no background job
    REVOKED = 11  # the store did not accept it


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
    (JobState.WAITING, Event.EXCEPTION): JobState.ENDED,
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
        AssertionError: The event cannot happen in that state.
    """
    following: i64 = _TABLE[i64(state) * _EVENTS + event]
    if following == _NONE:
        raise AssertionError(f"a job that is {JobState(state).name} does not meet {Event(event).name}")
    return u8(following)
