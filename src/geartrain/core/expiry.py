# SPDX-License-Identifier: MIT
"""Functions that nobody uses any more are forgotten after a while.

A program that makes up a name for each of its runs would otherwise fill memory and listings, and functions without
workers and jobs alarm those who watch (protocol 10). One that has a limit is kept, as the limit would be lost with it.
"""

import logging

from geartrain.core.state import FunctionQueue
from geartrain.protocol.text import printable

__all__ = ["Expiry"]

log = logging.getLogger("geartrain.jobs")

_LOOKS = 4  # in the time after which a function is forgotten


class Expiry:
    """Who has been idle since when.

    Args:
        after: Seconds without a worker or job after which a function is forgotten; 0 for never.

    Attributes:
        due: The monotonic time of the next look; None for never.
    """

    __slots__ = ("_after", "_idle", "_period", "due")

    def __init__(self, after: float) -> None:
        self._after = 0.0
        self._period = 0.0
        self._idle: dict[FunctionQueue, tuple[float, int]] = {}  # since when, and the jobs that had been taken then
        self.due: float | None = None
        self.change(after)

    def change(self, after: float) -> None:
        """Go by another time from now on; who has been idle stays so."""
        self._after = after
        self._period = after / _LOOKS
        self.due = 0.0 if after else None

    def look(self, queues: dict[bytes, FunctionQueue], kept: set[bytes], now: float) -> None:
        """Forget what has been idle for long enough, but for the names that are to be kept."""
        self.due = now + self._period
        before, self._idle = self._idle, {}
        for queue in list(queues.values()):
            if queue.is_used or queue.name in kept:
                continue
            since, taken = before.get(queue, (now, queue.taken))
            if taken != queue.taken:
                since = now
            if now - since < self._after:
                self._idle[queue] = (since, queue.taken)
            else:
                del queues[queue.name]
                log.info("forgot the unused function %s", printable(queue.name).decode(errors="replace"))
