# SPDX-License-Identifier: MIT
"""A mark in the store on jobs that have run for more than a second.

A server that takes over the jobs of another one cannot know which of them were running. With the mark it counts a lost
worker for those that had run for more than a second; shorter jobs cost nothing.
"""

from typing import Final

from geartrain.core.commit_queue import CommitQueue
from geartrain.core.running import running_jobs
from geartrain.core.state import Peer
from geartrain.core.timers import NEVER, Timed, Timers

__all__ = ["LONG", "LongRuns"]

LONG: Final = 1.0  # seconds


class LongRuns(Timed):
    """Checks the running jobs once a second, while a stored one has no mark.

    Args:
        peers: All peers.
        commit_queue: The way to the store.
        timers: Calls this part once a second.
    """

    __slots__ = ("_commit_queue", "_peers", "_timers")

    def __init__(self, peers: dict[Peer, None], commit_queue: CommitQueue, timers: Timers) -> None:
        super().__init__()
        self._peers = peers
        self._commit_queue = commit_queue
        self._timers = timers
        timers.add(self)

    def watch(self, now: float) -> None:
        """Schedule a check in a second, because a stored job was started."""
        if self.due == NEVER:
            self._timers.arm(self, now + LONG)

    def run(self, now: float) -> None:
        """Mark the jobs that have run for a second."""
        is_watching = False
        for peer in self._peers:
            if peer.current is not None:
                for job in running_jobs(peer):
                    if job.is_durable and not job.was_long:
                        if now - job.since >= LONG:
                            job.was_long = True
                            self._commit_queue.change(job)
                        else:
                            is_watching = True
        if is_watching:
            self._timers.arm(self, now + LONG)
