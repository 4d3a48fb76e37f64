# SPDX-License-Identifier: MIT
"""The expiry of functions that have had no worker and no job for a while.

A program that invents a function name for each of its runs would otherwise fill memory and listings, and functions
without workers and jobs alarm monitoring tools (protocol 10). A function with a limit is kept, as the limit would be
lost with it.
"""

import logging

from geartrain.core.cron import Schedules
from geartrain.core.functions import FunctionTable
from geartrain.core.state import FunctionQueue
from geartrain.core.timers import NEVER, Timed, Timers
from geartrain.protocol.text import printable

__all__ = ["Expiry"]

log = logging.getLogger("geartrain.jobs")

_LOOKS = 4  # checks in the time after which a function expires
_PORTION = 1000  # functions that are checked in one turn


class Expiry(Timed):
    """Removes functions that have been idle for a while.

    Args:
        registry: The functions.
        schedules: The schedules, whose functions are kept.
        timers: Calls this part at each check.
        after: Seconds without a worker or job after which a function is removed; 0 for never.
    """

    __slots__ = ("_after", "_before", "_idle", "_registry", "_schedules", "_timers", "_unchecked")

    def __init__(self, registry: FunctionTable, schedules: Schedules, timers: Timers, after: float) -> None:
        super().__init__()
        self._registry = registry
        self._schedules = schedules
        self._timers = timers
        self._after = 0.0
        self._idle: dict[FunctionQueue, tuple[float, int]] = {}  # the time since when, and the jobs started until then
        self._before: dict[FunctionQueue, tuple[float, int]] = {}  # the same of the check before
        self._unchecked: list[FunctionQueue] = []
        timers.add(self)
        self.change(after)

    def change(self, after: float) -> None:
        """Change the time after which functions expire; idle functions stay counted as idle."""
        self._after = after
        self._timers.arm(self, NEVER)

    def begin(self, now: float) -> None:
        """Start the checks; they go on as long as there are functions."""
        if self._after:
            self._timers.arm(self, now)

    def run(self, now: float) -> None:
        """Check a portion of the functions, and remove those that have been idle for long enough."""
        if not self._unchecked:
            self._before, self._idle = self._idle, {}
            self._unchecked = self._registry.queues()
            self._unchecked.reverse()
        for _ in range(min(_PORTION, len(self._unchecked))):
            self._check(self._unchecked.pop(), now)
        if self._unchecked:
            self._timers.arm(self, now)
        elif len(self._registry):
            self._timers.arm(self, now + self._after / _LOOKS)

    def _check(self, queue: FunctionQueue, now: float) -> None:
        if queue.is_used or queue.name in self._schedules.functions or self._registry.get(queue.name) is not queue:
            return
        started = int(queue.stats.started)
        since, then = self._before.get(queue, (now, started))
        if then != started:
            since = now
        if now - since < self._after:
            self._idle[queue] = (since, started)
        else:
            self._registry.remove(queue)
            log.info("forgot the unused function %s", printable(queue.name).decode(errors="replace"))
