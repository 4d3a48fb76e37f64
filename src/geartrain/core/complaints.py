# SPDX-License-Identifier: MIT
"""What goes wrong with peers, for the log: a peer that does wrong a million times must not fill it.

The first error of a kind that a host causes is a line at once. The next ones are counted, and the count is a line when
the time is over; so there are two lines for each in that time, however many errors there were.
"""

import logging

__all__ = ["Complaints"]

log = logging.getLogger("geartrain.jobs")

_PERIOD = 10.0  # seconds
_MOST = 100  # hosts and kinds that are told apart in that time; of all others only the number is kept


class Complaints:
    """One line for each host and kind of error, and then a count.

    Attributes:
        due: The monotonic time at which there are counts to be told, or None.
    """

    __slots__ = ("_counts", "_others", "due")

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], int] = {}
        self._others = 0
        self.due: float | None = None

    def tell(self, host: str, code: str, text: str, peer: str, now: float) -> None:
        """Log what is wrong with a peer, or count it."""
        key = (host, code)
        count = self._counts.get(key)
        if count is not None:
            self._counts[key] = count + 1
        elif len(self._counts) < _MOST:
            self._counts[key] = 0
            log.error("GEARMAN_%s:%s to %s", code, text, peer)
        else:
            self._others += 1
        if self.due is None:
            self.due = now + _PERIOD

    def tell_counts(self) -> None:
        """Log what was only counted, and begin anew."""
        for (host, code), count in self._counts.items():
            if count:
                log.error("GEARMAN_%s to %s, %d times more within %g seconds", code, host, count, _PERIOD)
        if self._others:
            log.error("%d errors more, to many hosts, within %g seconds", self._others, _PERIOD)
        self._counts.clear()
        self._others = 0
        self.due = None
