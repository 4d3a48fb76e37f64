# SPDX-License-Identifier: MIT
"""Which queues stand still, and why.

A queue stands still while jobs wait in it and no worker takes one. It is looked at every so often, rather than at each
job: a look compares how many jobs each queue has handed out with what it was at the last one, so that the way of a job
costs nothing more, and an episode is noticed at most half of its patience late.
"""

import enum
import logging
from collections.abc import Iterable

from geartrain.core.levels import NOTICE
from geartrain.core.state import FunctionQueue, Peer
from geartrain.protocol.text import printable

__all__ = ["Stall", "StallReason", "Stalls"]

log = logging.getLogger("geartrain.jobs")

_LOOKS = 2  # in the time that a queue may stand still


class StallReason(enum.Enum):
    """Why nobody takes the jobs that wait."""

    SILENT = "silent"  # a worker that has nothing to do was woken and does not answer, or never asks
    DECLINING = "declining"  # it answers, and goes back to sleep
    BUSY = "busy"  # all of them hold jobs, and have done so for long
    NO_WORKERS = "no-workers"  # nobody can do the function; not a stall, but what people look for first


# What the log says of each, and how loud: that nobody is there yet may be as it should be.
_WORDS = {
    StallReason.SILENT: (logging.ERROR, "workers that are free do not come for them"),
    StallReason.DECLINING: (logging.ERROR, "workers that are woken for them go back to sleep"),
    StallReason.BUSY: (logging.ERROR, "all workers hold on to others"),
    StallReason.NO_WORKERS: (NOTICE, "there is no worker for them"),
}


class Stall:
    """A queue in which jobs wait, since when no worker has taken one, and what has been made of it.

    Attributes:
        reason: Why it stands still, or None while it has not done so for long enough.
    """

    __slots__ = ("_taken", "_told", "queue", "reason", "since")

    def __init__(self, queue: FunctionQueue, now: float) -> None:
        self.queue = queue
        self.since = now
        self.reason: StallReason | None = None
        self._taken = queue.taken
        self._told = 0  # the level of what the log has

    @property
    def is_over(self) -> bool:
        """Whether a job was taken since, or none waits any more."""
        return self.queue.taken != self._taken or not self.queue.runnable

    def tell(self, seconds: float) -> None:
        """Have one line in the log, and another one only if it has become worse."""
        assert self.reason is not None, "there is something to tell"
        level, words = _WORDS[self.reason]
        if level > self._told:
            self._told = level
            name = printable(self.queue.name).decode(errors="replace")
            log.log(level, "%s: %d jobs wait for %.0f seconds: %s", name, self.queue.runnable, seconds, words)

    def tell_end(self) -> None:
        """Say that it is over, if the log had it."""
        if self._told:
            name = printable(self.queue.name).decode(errors="replace")
            log.log(NOTICE, "%s: jobs are taken again, or none waits any more", name)


class Stalls:
    """The episodes.

    Args:
        after: Seconds that jobs may wait while a worker is free; 0 to look for nothing.
        busy_after: Seconds that they may wait while all workers hold jobs; 0 for any time.

    Attributes:
        due: The monotonic time of the next look; None for never.
    """

    __slots__ = ("_after", "_busy_after", "_episodes", "_period", "due")

    def __init__(self, after: float, busy_after: float) -> None:
        self._after = after
        self._busy_after = busy_after
        self._period = after / _LOOKS
        self._episodes: dict[FunctionQueue, Stall] = {}
        self.due: float | None = 0.0 if after else None

    def current(self, now: float) -> list[tuple[FunctionQueue, float, StallReason]]:
        """Return the queues that stand still, for how many seconds, and why."""
        return [
            (each.queue, now - each.since, each.reason)
            for each in self._episodes.values()
            if each.reason is not None and not each.is_over
        ]

    def look(self, queues: Iterable[FunctionQueue], silent: set[Peer], now: float) -> None:
        """See which queues have moved, and tell of those that have not for too long."""
        self.due = now + self._period
        episodes = self._episodes
        for over in [each for each in episodes.values() if each.is_over]:
            over.tell_end()
            del episodes[over.queue]
        for queue in queues:
            if queue.runnable:
                episode = episodes.get(queue)
                if episode is None:
                    episodes[queue] = Stall(queue, now)
                else:
                    self._judge(episode, silent, now - episode.since)

    def _judge(self, episode: Stall, silent: set[Peer], seconds: float) -> None:
        if seconds < self._after:
            return
        reason = _reason(episode.queue, silent)
        if reason is StallReason.BUSY and not 0 < self._busy_after <= seconds:
            episode.reason = None
            return
        episode.reason = reason
        episode.tell(seconds)


def _reason(queue: FunctionQueue, silent: set[Peer]) -> StallReason:
    """Return why nobody takes the jobs of a queue."""
    if not queue.workers:
        return StallReason.NO_WORKERS
    free = [worker for worker in queue.workers if not worker.running or worker in silent]
    if not free:
        return StallReason.BUSY
    return StallReason.DECLINING if all(worker.declined for worker in free) else StallReason.SILENT
