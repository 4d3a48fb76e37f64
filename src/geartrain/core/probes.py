# SPDX-License-Identifier: MIT
"""Finds out whether workers that sleep are still there, before a job depends on it.

What TCP can find out, it does without us: a machine or a path that is gone is noticed by keepalive. But a program that
is stopped, or wedged, or behind a relay that holds its connection, looks like one that sleeps. So a worker that has
slept for long is woken though there is no job. One that is there asks, is told so, and goes back to sleep; one that
does not ask is not counted on any longer (`geartrain.core.wakeups`).

Sleepers are all that can be asked: NOOP is the only packet that a worker takes without having asked for something, and
it takes it asleep (protocol 8). One that is at a job has its time-out.
"""

import logging
from collections.abc import Iterable

from geartrain.core.state import Peer
from geartrain.core.wakeups import Wakeups

__all__ = ["Probes"]

log = logging.getLogger("geartrain.jobs")

_MOST_NAMED = 5  # workers in one line


class Probes:
    """Looks every so often at who has slept since the last time.

    Args:
        after: Seconds between two looks; 0 for none.

    Attributes:
        due: The monotonic time of the next look; None for never.
    """

    __slots__ = ("_after", "_asleep", "_probed", "due")

    def __init__(self, after: float) -> None:
        self._after = after
        self._asleep: set[Peer] = set()
        self._probed: list[Peer] = []
        self.due: float | None = 0.0 if after else None

    def look(self, peers: Iterable[Peer], wakeups: Wakeups, now: float) -> None:
        """Tell of those who have not answered, and wake those who have slept from look to look."""
        self.due = now + self._after
        silent = [repr(peer) for peer in self._probed if peer in wakeups.silent]
        if silent:
            named = ", ".join([*silent[:_MOST_NAMED], *["..."][: len(silent) - _MOST_NAMED]])
            log.warning("%d workers do not answer and are not counted on: %s", len(silent), named)
        asleep = {peer for peer in peers if peer.asleep and peer.abilities and not peer.is_asking}
        self._probed = [peer for peer in asleep if peer in self._asleep]
        self._asleep = asleep
        for peer in self._probed:
            wakeups.wake(peer, next(iter(peer.abilities.values())).queue)
