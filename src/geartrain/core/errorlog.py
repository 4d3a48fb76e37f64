# SPDX-License-Identifier: MIT
"""A rate-limited log of errors that peers cause, so that one peer cannot fill the log.

The first error of a host and kind is logged at once. Further ones are counted, and the count is logged when the period
ends: at most two lines per host, kind and period, for any number of errors.
"""

import logging

from geartrain.core.timers import NEVER, Timed, Timers
from geartrain.wording import counted

__all__ = ["RateLimitedErrorLog"]

log = logging.getLogger("geartrain.jobs")

_PERIOD = 10.0  # seconds
_MOST = 100  # pairs of host and kind that are counted separately in a period; all others share one count


class RateLimitedErrorLog(Timed):
    """Logs one line for each host and kind of error, and then a count.

    Args:
        timers: Calls this part when there are counts to log.
    """

    __slots__ = ("_counts", "_others", "_timers")

    def __init__(self, timers: Timers) -> None:
        super().__init__()
        self._counts: dict[tuple[str, str], int] = {}
        self._others = 0
        self._timers = timers
        timers.add(self)

    def log(self, host: str, code: str, text: str, peer: str, now: float) -> None:
        """Log an error of a peer, or count it."""
        key = (host, code)
        count = self._counts.get(key)
        if count is not None:
            self._counts[key] = count + 1
        elif len(self._counts) < _MOST:
            self._counts[key] = 0
            fields = {"event": "error", "code": code, "error": text, "peer": peer}
            log.error("GEARMAN_%s:%s; sent to %s", code, text, peer, extra={"fields": fields})
        else:
            self._others += 1
        if self.due == NEVER:
            self._timers.arm(self, now + _PERIOD)

    def run(self, now: float) -> None:
        """Log the counts, and start a new period."""
        for (host, code), count in self._counts.items():
            if count:
                fields = {"event": "errors", "code": code, "address": host, "count": count}
                times = counted(count, "time")
                log.error(
                    "GEARMAN_%s to %s, %s more within %g seconds", code, host, times, _PERIOD, extra={"fields": fields}
                )
        if self._others:
            log.error("%s more, to many hosts, within %g seconds", counted(self._others, "error"), _PERIOD)
        self._counts.clear()
        self._others = 0
