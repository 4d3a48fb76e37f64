# SPDX-License-Identifier: MIT
"""A mark in the store on jobs that have run for more than a second.

A server that takes over the jobs of another one cannot know which of them were running. With the mark it counts a lost
worker for those that had run for more than a second; shorter jobs cost nothing.
"""

from typing import Final

from geartrain.core.commit_queue import CommitQueue
from geartrain.core.outcome import JobState
from geartrain.core.running import running_jobs
from geartrain.core.state import Job, Peer
from geartrain.core.timers import NEVER, Timed, Timers

__all__ = ["LONG", "LongRuns"]

LONG: Final = 1.0  # seconds

_PORTION: Final = 2000  # peers and running jobs that are checked in one turn
_RUNNING: Final = int(JobState.RUNNING)


class LongRuns(Timed):
    """Checks the running jobs once a second, while a stored one has no mark, in portions.

    Args:
        peers: All peers.
        commit_queue: The way to the store.
        timers: Calls this part once a second.
    """

    __slots__ = ("_commit_queue", "_is_watching", "_jobs", "_peers", "_timers", "_unchecked")

    def __init__(self, peers: dict[Peer, None], commit_queue: CommitQueue, timers: Timers) -> None:
        super().__init__()
        self._peers = peers
        self._commit_queue = commit_queue
        self._timers = timers
        self._unchecked: list[Peer] = []
        self._jobs: list[Job] = []  # the rest of those of the peer that is checked
        self._is_watching = False
        timers.add(self)

    def watch(self, now: float) -> None:
        """Schedule a check in a second, because a stored job was started."""
        self._is_watching = True
        if self.due == NEVER:
            self._timers.arm(self, now + LONG)

    def run(self, now: float) -> None:
        """Mark the jobs that have run for a second."""
        if not (self._unchecked or self._jobs):
            self._unchecked = list(self._peers)
            self._is_watching = False
        for _ in range(_PORTION):
            if self._jobs:
                self._check(self._jobs.pop(), now)
            elif self._unchecked:
                self._jobs = running_jobs(self._unchecked.pop())
            else:
                break
        if self._unchecked or self._jobs:
            self._timers.arm(self, now)
        elif self._is_watching:
            self._timers.arm(self, now + LONG)

    def _check(self, job: Job, now: float) -> None:
        if job.is_durable and not job.was_long and job.state == _RUNNING:
            if now - job.since >= LONG:
                job.was_long = True
                self._commit_queue.change(job)
            else:
                self._is_watching = True
