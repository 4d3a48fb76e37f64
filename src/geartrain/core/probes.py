# SPDX-License-Identifier: MIT
"""Probes of workers that have slept for long, to find dead ones before a job depends on them.

TCP keepalive finds machines and network paths that are down. But a program that is stopped, or hangs, or is behind a
relay that keeps its connection open, looks like one that sleeps. So a worker that has slept for long is woken although
there is no job. A live one grabs, gets NO_JOB and goes back to sleep; any other is unresponsive
(`geartrain.core.wakeups`). A check looks at some peers in each turn, until it has seen all of them.

Only sleeping workers can be probed: NOOP is the only packet that a worker accepts without a request, and only while it
sleeps (protocol 8). For a worker that runs a job there is the timeout of the job.
"""

import logging
from typing import Final

from geartrain.core.sleepstate import SleepState
from geartrain.core.state import Peer
from geartrain.core.timers import Timed, Timers
from geartrain.core.wakeups import Wakeups
from geartrain.wording import counted

__all__ = ["Probes"]

log = logging.getLogger("geartrain.jobs")

_MOST_NAMED: Final = 5  # workers in one line
_PORTION: Final = 1000  # peers that are checked in one turn
_ASLEEP: Final = int(SleepState.ASLEEP)


class Probes(Timed):
    """Wakes the workers that have slept since the last check.

    Args:
        peers: All peers.
        wakeups: The workers that wait.
        timers: Calls this part at each check.
        after: Seconds between two checks; 0 for none.
    """

    __slots__ = (
        "_after",
        "_asked",
        "_asleep",
        "_next_check",
        "_peers",
        "_probed",
        "_slept",
        "_timers",
        "_unchecked",
        "_unresponsive",
        "_wakeups",
    )

    def __init__(self, peers: dict[Peer, None], wakeups: Wakeups, timers: Timers, after: float) -> None:
        super().__init__()
        self._peers = peers
        self._wakeups = wakeups
        self._timers = timers
        self._after = after
        self._next_check = 0.0
        self._unchecked: list[Peer] = []
        self._asleep: dict[Peer, None] = {}  # those that sleep at this check
        self._slept: dict[Peer, None] = {}  # those that slept at the check before
        self._probed: dict[Peer, None] = {}  # those that are woken at this check
        self._asked: dict[Peer, None] = {}  # those that were woken at the check before
        self._unresponsive: list[str] = []  # those that were probed and have not answered
        timers.add(self)
        if after:
            timers.arm(self, 0.0)

    def run(self, now: float) -> None:
        """Find the workers that have not answered, and wake those that have slept since the last check."""
        if not self._unchecked:
            self._next_check = now + self._after
            self._unchecked = list(self._peers)
            self._unchecked.reverse()
            self._slept, self._asleep = self._asleep, {}
            self._asked, self._probed = self._probed, {}
        for _ in range(min(_PORTION, len(self._unchecked))):
            self._check(self._unchecked.pop())
        if self._unchecked:
            self._timers.arm(self, now)
            return
        if self._unresponsive:
            self._log()
        self._timers.arm(self, max(self._next_check, now))

    def _check(self, peer: Peer) -> None:
        if peer in self._asked and peer in self._wakeups.unresponsive:
            self._unresponsive.append(str(peer))
        if peer.sleep_state == _ASLEEP and peer.abilities:
            self._asleep[peer] = None
            if peer in self._slept:
                self._probed[peer] = None
                self._wakeups.wake(peer, next(iter(peer.abilities.values())).queue)

    def _log(self) -> None:
        """Log the workers that have not answered."""
        named = ", ".join([*self._unresponsive[:_MOST_NAMED], *["..."][: len(self._unresponsive) - _MOST_NAMED]])
        count = counted(
            len(self._unresponsive),
            "worker does not answer and is not counted on",
            "workers do not answer and are not counted on",
        )
        log.warning("%s: %s", count, named)
        self._unresponsive.clear()
