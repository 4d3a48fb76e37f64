# SPDX-License-Identifier: MIT
"""Probes of workers that have slept for long, to find dead ones before a job depends on them.

TCP keepalive finds machines and network paths that are down. But a program that is stopped, or hangs, or is behind a
relay that keeps its connection open, looks like one that sleeps. So a worker that has slept for long is woken although
there is no job. A live one grabs, gets NO_JOB and goes back to sleep; any other is unresponsive
(`geartrain.core.wakeups`).

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
_ASLEEP: Final = int(SleepState.ASLEEP)


class Probes(Timed):
    """Wakes the workers that have slept since the last check.

    Args:
        peers: All peers.
        wakeups: The workers that wait.
        timers: Calls this part at each check.
        after: Seconds between two checks; 0 for none.
    """

    __slots__ = ("_after", "_asleep", "_peers", "_probed", "_timers", "_wakeups")

    def __init__(self, peers: dict[Peer, None], wakeups: Wakeups, timers: Timers, after: float) -> None:
        super().__init__()
        self._peers = peers
        self._wakeups = wakeups
        self._timers = timers
        self._after = after
        self._asleep: set[Peer] = set()
        self._probed: list[Peer] = []
        timers.add(self)
        if after:
            timers.arm(self, 0.0)

    def run(self, now: float) -> None:
        """Log the workers that have not answered, and wake those that have slept since the last check."""
        unresponsive = [repr(peer) for peer in self._probed if peer in self._wakeups.unresponsive]
        if unresponsive:
            named = ", ".join([*unresponsive[:_MOST_NAMED], *["..."][: len(unresponsive) - _MOST_NAMED]])
            count = counted(
                len(unresponsive),
                "worker does not answer and is not counted on",
                "workers do not answer and are not counted on",
            )
            log.warning("%s: %s", count, named)
        asleep = {peer for peer in self._peers if peer.sleep_state == _ASLEEP and peer.abilities}
        self._probed = [peer for peer in asleep if peer in self._asleep]
        self._asleep = asleep
        for peer in self._probed:
            self._wakeups.wake(peer, next(iter(peer.abilities.values())).queue)
        self._timers.arm(self, now + self._after)
