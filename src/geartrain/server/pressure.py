# SPDX-License-Identifier: MIT
"""Slows down workers whose results pile up before a client that reads slowly.

Reading from a worker stops while much of what it caused waits to be sent, and TCP lets the worker know. But a worker
serves others as well, and must not stand still for a client that never reads again: after a few seconds it is read on,
until as much again has piled up. What a client can cost its workers is so a few seconds for each 16 MiB, up to
``max_unsent``, when it is dropped.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from typing import Protocol

from geartrain.core import Peer

__all__ = ["HOLD", "STEP", "Pressure", "Source"]

log = logging.getLogger("geartrain.server")

# Seconds that a worker is not read from at a time. Half of the ten that our workers wait for an answer before they take
# the server for dead.
HOLD = 5.0
# Bytes that pile up between two such times: as much as may wait before the client is slow.
STEP = 16 * 1024 * 1024


class Source(Protocol):
    """The way from a peer."""

    def hold(self) -> None:
        """Read no more for a while."""

    def let_go(self) -> None:
        """Read again."""


class _Hold:
    """The workers that are held back for one client."""

    __slots__ = ("timer", "unsent", "workers")

    def __init__(self, unsent: int) -> None:
        self.unsent = unsent
        self.workers: list[Peer] = []
        self.timer: asyncio.TimerHandle | None = None


class Pressure:
    """Knows who is held back for whom.

    Args:
        loop: What has the time.
        source: Returns the way from a peer, or None if it has left.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, source: Callable[[Peer], Source | None]) -> None:
        self._loop = loop
        self._source = source
        self._holds: dict[Peer, _Hold] = {}
        self._counts: Counter[Peer] = Counter()  # of the clients for which each worker is held back

    def rise(self, client: Peer, unsent: int) -> None:
        """Take note that so many bytes wait for a client that is slow, and that there were fewer before."""
        hold = self._holds.get(client)
        if hold is not None and unsent < hold.unsent + STEP:
            return
        self.fall(client)
        hold = self._holds[client] = _Hold(unsent)
        hold.workers = [worker for worker in client.helpers() if worker is not client]
        for worker in hold.workers:
            self._counts[worker] += 1
            if self._counts[worker] == 1 and (source := self._source(worker)) is not None:
                source.hold()
        hold.timer = self._loop.call_later(HOLD, self._let_go, hold)
        log.debug("%r reads slowly; %d workers are held back", client, len(hold.workers))

    def fall(self, client: Peer) -> None:
        """Take note that a client has caught up, or is gone."""
        hold = self._holds.pop(client, None)
        if hold is not None:
            self._let_go(hold)

    def _let_go(self, hold: _Hold) -> None:
        if hold.timer is not None:
            hold.timer.cancel()
        workers, hold.workers = hold.workers, []
        for worker in workers:
            self._counts[worker] -= 1
            if not self._counts[worker]:
                del self._counts[worker]
                if (source := self._source(worker)) is not None:
                    source.let_go()
