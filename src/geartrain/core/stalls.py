# SPDX-License-Identifier: MIT
"""Detection of stalled queues, and the reason for each stall.

A queue is stalled while jobs wait in it and no worker grabs one. Queues are checked periodically, rather than at each
job: a check compares the number of started jobs of each queue with that at the last check. So a job costs nothing more,
and a stall is noticed late by at most half of its time.
"""

import enum
import logging

from geartrain.core.functions import FunctionTable
from geartrain.core.levels import NOTICE
from geartrain.core.state import FunctionQueue, Peer
from geartrain.core.timers import Timed, Timers
from geartrain.core.wakeups import Wakeups
from geartrain.protocol.text import printable
from geartrain.wording import counted

__all__ = ["Stall", "StallReason", "Stalls"]

log = logging.getLogger("geartrain.jobs")

_LOOKS = 2  # checks in the time after which a queue counts as stalled
_PORTION = 1000  # queues, and workers of stalled ones, that are checked in one turn


class StallReason(enum.Enum):
    """The reason why no worker grabs the waiting jobs."""

    SILENT = "silent"  # an idle worker was woken and does not answer, or never grabs
    DECLINING = "declining"  # idle workers answer wake-ups by going back to sleep
    BUSY = "busy"  # all workers run jobs, and have done so for long
    NO_WORKERS = "no-workers"  # no worker can do the function; not a stall, but the first thing that people check


# The level and the text for the log: a function without workers may be intended.
_WORDS = {
    StallReason.SILENT: (logging.ERROR, "idle workers do not grab jobs"),
    StallReason.DECLINING: (logging.ERROR, "workers that are woken go back to sleep"),
    StallReason.BUSY: (logging.ERROR, "all workers are busy with other jobs"),
    StallReason.NO_WORKERS: (NOTICE, "no worker has registered it"),
}


class Stall:
    """A queue in which jobs wait, and the time since when no worker has grabbed one.

    Attributes:
        reason: The reason of the stall, or None before the queue counts as stalled.
    """

    __slots__ = ("_logged", "_started", "queue", "reason", "since")

    def __init__(self, queue: FunctionQueue, now: float) -> None:
        self.queue = queue
        self.since = now
        self.reason: StallReason | None = None
        self._started = queue.stats.started
        self._logged = 0  # the level of the line in the log

    @property
    def is_over(self) -> bool:
        """True if a job was grabbed since, or none waits any more."""
        return self.queue.stats.started != self._started or not self.queue.waiting

    def log(self, seconds: float) -> None:
        """Log one line, and another one only if the level has risen."""
        assert self.reason is not None, "there is something to log"
        level, words = _WORDS[self.reason]
        if level > self._logged:
            self._logged = level
            name = printable(self.queue.name).decode(errors="replace")
            waiting = counted(int(self.queue.waiting), "job has waited", "jobs have waited")
            fields = {
                "event": "stalled",
                "function": name,
                "waiting": int(self.queue.waiting),
                "seconds": int(seconds),
                "reason": self.reason.value,
            }
            for_time = counted(int(seconds), "second")
            log.log(level, "%s: %s for %s: %s", name, waiting, for_time, words, extra={"fields": fields})

    def log_end(self) -> None:
        """Log the end of a stall that was logged."""
        if self._logged:
            name = printable(self.queue.name).decode(errors="replace")
            fields = {"event": "moving", "function": name}
            log.log(NOTICE, "%s: no longer stalled", name, extra={"fields": fields})


class Stalls(Timed):
    """Finds and logs stalled queues.

    Args:
        functions: All functions.
        wakeups: Knows the unresponsive workers.
        timers: Calls this part at each check.
        after: Seconds that jobs may wait while a worker is idle; 0 for no checks.
        busy_after: Seconds that they may wait while all workers run jobs; 0 for no limit.
    """

    __slots__ = (
        "_after",
        "_busy_after",
        "_functions",
        "_has_jobs",
        "_old",
        "_period",
        "_stalls",
        "_timers",
        "_unchecked",
        "_wakeups",
    )

    def __init__(
        self, functions: FunctionTable, wakeups: Wakeups, timers: Timers, after: float, busy_after: float
    ) -> None:
        super().__init__()
        self._functions = functions
        self._wakeups = wakeups
        self._timers = timers
        self._after = after
        self._busy_after = busy_after
        self._period = after / _LOOKS
        self._stalls: dict[FunctionQueue, Stall] = {}
        self._old: list[Stall] = []  # those of earlier checks that are not checked yet
        self._unchecked: list[FunctionQueue] = []
        self._has_jobs = False
        timers.add(self)

    def begin(self, now: float) -> None:
        """Start the checks; they go on as long as there are jobs."""
        if self._after:
            self._timers.arm(self, now)

    def current(self, now: float) -> list[tuple[FunctionQueue, float, StallReason]]:
        """Return the stalled queues, each with the seconds since its last grab and the reason."""
        return [
            (each.queue, now - each.since, each.reason)
            for each in self._stalls.values()
            if each.reason is not None and not each.is_over
        ]

    def run(self, now: float) -> None:
        """Drop the queues that have moved again, and log those that are stalled."""
        if not (self._old or self._unchecked):
            self._old = list(self._stalls.values())
            self._unchecked = self._functions.queues()
            self._old.reverse()
            self._unchecked.reverse()
            self._has_jobs = False
        left = _PORTION
        while self._old and left > 0:
            stall = self._old.pop()
            left -= 1 + len(stall.queue.workers)
            self._check(stall, now)
        for _ in range(min(left, len(self._unchecked))):
            self._enter(self._unchecked.pop(), now)
        if self._old or self._unchecked:
            self._timers.arm(self, now)
        elif self._has_jobs:
            self._timers.arm(self, now + self._period)

    def _check(self, stall: Stall, now: float) -> None:
        if stall.is_over:
            stall.log_end()
            del self._stalls[stall.queue]
        else:
            self._judge(stall, now - stall.since)

    def _enter(self, queue: FunctionQueue, now: float) -> None:
        self._has_jobs |= queue.total > 0
        if queue.waiting and queue not in self._stalls:
            self._stalls[queue] = Stall(queue, now)

    def _judge(self, stall: Stall, seconds: float) -> None:
        if seconds < self._after:
            return
        reason = _reason(stall.queue, self._wakeups.unresponsive)
        if reason is StallReason.BUSY and not 0 < self._busy_after <= seconds:
            stall.reason = None
            return
        stall.reason = reason
        stall.log(seconds)


def _reason(queue: FunctionQueue, unresponsive: set[Peer]) -> StallReason:
    """Return the reason why no worker grabs the jobs of a queue."""
    if not queue.workers:
        return StallReason.NO_WORKERS
    idle = [worker for worker in queue.workers if not worker.is_busy or worker in unresponsive]
    if not idle:
        return StallReason.BUSY
    return StallReason.DECLINING if all(worker.declines for worker in idle) else StallReason.SILENT
