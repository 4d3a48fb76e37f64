# SPDX-License-Identifier: MIT
"""Back-pressure on workers whose results pile up for a client that reads slowly.

The server pauses reading from a worker while many of its results wait to be sent, and TCP slows the worker down. But a
worker serves other clients as well, and must not stop for a client that never reads again: after a few seconds reading
resumes, until as much again has piled up. So a client can cost its workers a few seconds for each 16 MiB, up to
``max_unsent``, at which it is dropped.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from geartrain.core.jobserver import JobServer
from geartrain.core.outbox import HELD
from geartrain.core.running import helpers
from geartrain.core.state import Peer

__all__ = ["HOLD_TIME", "STEP", "Backpressure"]

log = logging.getLogger("geartrain.server")

# Seconds for which reading from a worker is paused at a time: half of the ten that our workers wait for an answer
# before they consider the server dead.
HOLD_TIME: Final = 5.0
# Bytes that pile up between two pauses: as much as may wait before the client counts as slow.
STEP: Final = 16 * 1024 * 1024


class _Hold:
    """The workers that are paused for one client."""

    __slots__ = ("timer", "unsent", "workers")

    def __init__(self, unsent: int, workers: list[Peer]) -> None:
        self.unsent = unsent
        self.workers = workers
        self.timer: asyncio.TimerHandle | None = None


class Backpressure:
    """Pauses and resumes reading from workers for the sake of slow clients.

    Args:
        job_server: Dispatches no jobs to workers that are paused.
        loop: Ends each pause.
        schedule: Called to begin a turn before workers are woken.
        hold_time: Seconds for which reading from a worker is paused at a time.
    """

    __slots__ = ("_counts", "_hold_time", "_holds", "_job_server", "_loop", "_schedule", "_slept")

    def __init__(
        self,
        job_server: JobServer,
        loop: asyncio.AbstractEventLoop,
        schedule: Callable[[], None],
        hold_time: float = HOLD_TIME,
    ) -> None:
        self._job_server = job_server
        self._schedule = schedule
        self._loop = loop
        self._hold_time = hold_time
        self._holds: dict[Peer, _Hold] = {}
        self._counts: dict[Peer, int] = {}  # of the clients for which each worker is paused
        self._slept: set[Peer] = set()  # the workers that slept when they were paused

    def apply(self, client: Peer, unsent: int) -> None:
        """Pause the workers of a client if the bytes that wait for it have grown since the last pause."""
        hold = self._holds.get(client)
        if hold is not None and unsent < hold.unsent + STEP:
            return
        self.release(client)
        workers = [worker for worker in helpers(client) if worker is not client]
        hold = self._holds[client] = _Hold(unsent, workers)
        for worker in workers:
            count = self._counts.get(worker, 0)
            self._counts[worker] = count + 1
            if not count and worker.outlet is not None:
                worker.outlet.pause_reading(HELD)
                if self._job_server.pause_dispatch(worker):
                    self._slept.add(worker)
        hold.timer = self._loop.call_later(self._hold_time, self._end, hold)
        log.debug("%r reads slowly; paused workers: %d", client, len(workers))

    def release(self, client: Peer) -> None:
        """Resume reading from the workers of a client that has caught up or disconnected."""
        hold = self._holds.pop(client, None)
        if hold is not None:
            self._end(hold)

    def _end(self, hold: _Hold) -> None:
        assert hold.timer is not None, "it is set before anything can end the hold"
        hold.timer.cancel()
        self._schedule()
        workers, hold.workers = hold.workers, []
        for worker in workers:
            self._counts[worker] -= 1
            if not self._counts[worker]:
                del self._counts[worker]
                slept = worker in self._slept
                self._slept.discard(worker)
                if worker.outlet is not None:
                    worker.outlet.resume_reading(HELD)
                    if slept:
                        self._job_server.resume_dispatch(worker)
