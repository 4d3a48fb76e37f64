# SPDX-License-Identifier: MIT
"""The removal of peers whose connections have ended, in portions for those with many functions or jobs.

A peer that leaves gets no further job at once. Its functions, the jobs for which it waits and those that it runs are
removed in that order. Until the last portion, jobs that it runs count as running.
"""

from collections import deque
from typing import Final

from geartrain.core.clock import TurnClock
from geartrain.core.dispatch import Dispatcher
from geartrain.core.running import count_running
from geartrain.core.state import Peer
from geartrain.core.timers import Timed, Timers

__all__ = ["PORTION", "Departures"]

PORTION: Final = 1000  # functions and jobs that are removed in one turn


class Departures(Timed):
    """Removes the peers that have left.

    Args:
        clock: The time.
        timers: Calls this part as long as there is something to remove.
        dispatcher: Unregisters functions, and requeues jobs.
    """

    __slots__ = ("_clock", "_dispatcher", "_peers", "_timers")

    def __init__(self, clock: TurnClock, timers: Timers, dispatcher: Dispatcher) -> None:
        super().__init__()
        self._clock = clock
        self._timers = timers
        self._dispatcher = dispatcher
        self._peers: deque[Peer] = deque()
        timers.add(self)

    def add(self, peer: Peer) -> None:
        """Remove a peer, at once if that is little work (protocol 1.12)."""
        self._dispatcher.stop_dispatch(peer)
        if len(peer.abilities) + len(peer.awaited) + count_running(peer) <= PORTION:
            self._dispatcher.remove(peer, PORTION)
            return
        self._peers.append(peer)
        self._timers.arm(self, self._clock.now)

    def run(self, now: float) -> None:
        """Remove a portion."""
        if self._dispatcher.remove(self._peers[0], PORTION):
            self._peers.popleft()
        if self._peers:
            self._timers.arm(self, now)
