# SPDX-License-Identifier: MIT
"""The beginning of a shutdown that waits for running jobs, for all peers, in portions.

No job is assigned from the first portion on. A peer loses its functions, and its submissions that do not run; then its
connection is closed unless it runs or awaits a job.
"""

from collections.abc import Iterable
from typing import Final

from geartrain.core.clock import TurnClock
from geartrain.core.dispatch import Dispatcher
from geartrain.core.state import Job, Peer
from geartrain.core.timers import Timed, Timers

__all__ = ["PORTION", "Retirement"]

PORTION: Final = 1000  # peers, functions and jobs that are handled in one turn


class Retirement(Timed):
    """Retires peers.

    Args:
        clock: The time.
        timers: Calls this part as long as there are peers to retire.
        dispatcher: Unregisters functions, and drops jobs.
    """

    __slots__ = ("_clock", "_dispatcher", "_jobs", "_peer", "_peers", "_timers")

    def __init__(self, clock: TurnClock, timers: Timers, dispatcher: Dispatcher) -> None:
        super().__init__()
        self._clock = clock
        self._timers = timers
        self._dispatcher = dispatcher
        self._peers: list[Peer] = []  # those that wait, the last one first
        self._peer: Peer | None = None  # the one that is being retired
        self._jobs: list[Job] = []  # those that it awaits and that were not looked at
        timers.add(self)

    def begin(self, peers: Iterable[Peer]) -> None:
        """Assign no more jobs, and retire these peers: at once if that is little work."""
        self._dispatcher.is_closed = True
        self._peers = list(peers)
        self._peers.reverse()
        self.run(self._clock.now)

    def run(self, now: float) -> None:
        """Retire a portion."""
        left = PORTION
        while left > 0 and (self._peers or self._peer is not None):
            peer = self._peer
            if peer is None:
                peer = self._peer = self._peers.pop()
                self._jobs = list(peer.awaited)
            left -= 1 + self._dispatcher.remove_functions(peer, left)
            while left > 0 and self._jobs:
                left -= 1
                self._dispatcher.drop_waiting(self._jobs.pop(), peer)
            if not (peer.abilities or self._jobs):
                peer.identity.denied.clear()  # no function is given back from now on
                peer.mark_dirty()  # it may have to be closed
                self._peer = None
        if self._peers or self._peer is not None:
            self._timers.arm(self, now)
