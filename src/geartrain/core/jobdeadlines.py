# SPDX-License-Identifier: MIT
"""Deadlines of jobs: the end of a delay, or of the time that a job may run."""

from collections.abc import Callable, Iterator
from typing import Final

from geartrain.core.clock import TurnClock
from geartrain.core.deadlines import Deadline, Deadlines
from geartrain.core.state import Job
from geartrain.core.timers import Timed, Timers

__all__ = ["LOOK_AT_WALL_CLOCK", "JobDeadlines"]

# Seconds after which the wall clock is read again, as it may be set while jobs wait for a time of day.
LOOK_AT_WALL_CLOCK: Final = 1.0
_PORTION: Final = 1000  # jobs that are due at once and handled in one turn


class JobDeadlines(Timed):
    """A heap of jobs by the time at which they are due.

    Args:
        clock: The time.
        timers: Calls this part when its first job is due; the owner adds it there.
        is_wall: True if times are seconds since the epoch, rather than monotonic.

    Attributes:
        handler: Called with each job that is due.
        after: Called when all of them have been handled.
    """

    __slots__ = ("_clock", "_heap", "_is_wall", "_timers", "after", "handler")

    def __init__(self, clock: TurnClock, timers: Timers, *, is_wall: bool) -> None:
        super().__init__()
        self._clock = clock
        self._timers = timers
        self._is_wall = is_wall
        self._heap: Deadlines[Job] = Deadlines()
        self.handler: Callable[[Job], None] = _unhandled
        self.after: Callable[[], None] = _nothing

    def add(self, when: float, job: Job) -> None:
        """Set the time at which a job is due."""
        job.deadline = self._heap.push(when, job)
        due = self._monotonic(when)
        if due < self.due:
            self._timers.arm(self, due)

    def cancel(self, job: Job) -> None:
        """Cancel the deadline of a job, if it has one."""
        deadline: Deadline[Job] | None = job.deadline
        if deadline is not None:
            self._heap.cancel(deadline)
            job.deadline = None

    def in_order(self) -> Iterator[tuple[float, Job]]:
        """Yield the jobs in the order of their times."""
        return self._heap.in_order()

    def run(self, now: float) -> None:
        """Handle the jobs that are due, in portions, and wait for the next."""
        limit = self._clock.wall() if self._is_wall else now
        for _ in range(_PORTION):
            job = self._heap.pop_due(limit)
            if job is None:
                break
            job.deadline = None
            self.handler(job)
        self.after()
        when = self._heap.next_due()
        if when is not None:
            self._timers.arm(self, self._monotonic(when))

    def _monotonic(self, when: float) -> float:
        """Return the monotonic time of the next check, given the time of the first job."""
        if not self._is_wall:
            return when
        return self._clock.now + min(max(when - self._clock.wall(), 0.0), LOOK_AT_WALL_CLOCK)


def _unhandled(job: Job) -> None:
    raise AssertionError("the dispatcher sets the handler")


def _nothing() -> None:
    """Do nothing; the default of `JobDeadlines.after`."""
