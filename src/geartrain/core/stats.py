# SPDX-License-Identifier: MIT
"""Counters and histograms of each function.

Counters are machine integers, so that counting costs an instruction or two per job. A histogram is made when the first
job of a function starts, so that a function without jobs costs no memory for it. All counts start at zero with the
server.
"""

from collections.abc import Iterator
from typing import Final

from mypy_extensions import i64

from geartrain.core.outcome import Outcome

__all__ = ["BOUNDS", "COUNTERS", "FunctionStats", "Histogram"]

# Seconds; the last range has no end. Of any length for the type: mypyc has no place for eleven numbers.
BOUNDS: Final[tuple[float, ...]] = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 600.0)

# The counters of `FunctionStats` that listings and metrics show, in their order. A new one is a line here and an
# attribute below.
COUNTERS: Final = (
    "submitted",
    "coalesced",
    "started",
    "completed",
    "failed",
    "exceptions",
    "timed_out",
    "lost",
    "cancelled",
    "abandoned",
    "revoked",
)

_COMPLETED: Final = int(Outcome.COMPLETED)
_FAILED: Final = int(Outcome.FAILED)
_EXCEPTION: Final = int(Outcome.EXCEPTION)
_CANCELLED: Final = int(Outcome.CANCELLED)
_ABANDONED: Final = int(Outcome.ABANDONED)
_REVOKED: Final = int(Outcome.REVOKED)


class Histogram:
    """A histogram of durations in twelve ranges."""

    __slots__ = ("_b0", "_b1", "_b2", "_b3", "_b4", "_b5", "_b6", "_b7", "_b8", "_b9", "_b10", "_b11", "total")

    def __init__(self) -> None:
        self._b0: i64 = 0
        self._b1: i64 = 0
        self._b2: i64 = 0
        self._b3: i64 = 0
        self._b4: i64 = 0
        self._b5: i64 = 0
        self._b6: i64 = 0
        self._b7: i64 = 0
        self._b8: i64 = 0
        self._b9: i64 = 0
        self._b10: i64 = 0
        self._b11: i64 = 0
        self.total = 0.0  # seconds

    def observe(self, seconds: float) -> None:
        """Count a duration."""
        self.total += seconds
        if seconds <= 0.05:
            if seconds <= 0.001:
                self._b0 += 1
            elif seconds <= 0.005:
                self._b1 += 1
            elif seconds <= 0.01:
                self._b2 += 1
            else:
                self._b3 += 1
        elif seconds <= 5.0:
            if seconds <= 0.1:
                self._b4 += 1
            elif seconds <= 0.5:
                self._b5 += 1
            elif seconds <= 1.0:
                self._b6 += 1
            else:
                self._b7 += 1
        elif seconds <= 10.0:
            self._b8 += 1
        elif seconds <= 60.0:
            self._b9 += 1
        elif seconds <= 600.0:
            self._b10 += 1
        else:
            self._b11 += 1

    def counts(self) -> list[int]:
        """Return the number of durations in each range, the shortest first; one more than `BOUNDS`."""
        return [
            self._b0,
            self._b1,
            self._b2,
            self._b3,
            self._b4,
            self._b5,
            self._b6,
            self._b7,
            self._b8,
            self._b9,
            self._b10,
            self._b11,
        ]

    def quantile(self, share: float) -> float:
        """Return the duration that the given share of all durations does not exceed, rounded to a range."""
        counts = self.counts()
        wanted = share * sum(counts)
        if not wanted:
            return 0.0
        for bound, count in zip(BOUNDS, counts, strict=False):
            wanted -= count
            if wanted <= 0:
                return bound
        return BOUNDS[-1]


class FunctionStats:
    """Counters and histograms of the jobs of one function since the server started.

    Attributes:
        submitted: Jobs that were accepted.
        coalesced: Submissions that joined a job with the same unique.
        started: Assignments to workers, including further attempts of a job.
        completed: Jobs that ended with WORK_COMPLETE.
        failed: Jobs that ended with WORK_FAIL.
        exceptions: Jobs that ended with WORK_EXCEPTION.
        timed_out: Attempts that exceeded their timeout.
        lost: Attempts whose worker disconnected.
        cancelled: Jobs that an administrator cancelled.
        abandoned: Foreground jobs whose clients all disconnected.
        revoked: Background jobs that the store did not accept.
        waiting: Seconds that jobs waited for a worker, once for each start.
        running: Seconds that attempts ran, for those that ended with a result of their worker.
    """

    __slots__ = (
        "abandoned",
        "cancelled",
        "coalesced",
        "completed",
        "exceptions",
        "failed",
        "lost",
        "revoked",
        "running",
        "started",
        "submitted",
        "timed_out",
        "waiting",
    )

    def __init__(self) -> None:
        self.submitted: i64 = 0
        self.coalesced: i64 = 0
        self.started: i64 = 0
        self.completed: i64 = 0
        self.failed: i64 = 0
        self.exceptions: i64 = 0
        self.timed_out: i64 = 0
        self.lost: i64 = 0
        self.cancelled: i64 = 0
        self.abandoned: i64 = 0
        self.revoked: i64 = 0
        self.waiting: Histogram | None = None
        self.running: Histogram | None = None

    def start(self, waited: float) -> None:
        """Count an assignment of a job that waited for so many seconds."""
        self.started += 1
        histogram = self.waiting
        if histogram is None:
            histogram = self.waiting = Histogram()
            self.running = Histogram()
        histogram.observe(waited)

    def end(self, outcome: i64) -> None:
        """Count the end of a job."""
        if outcome == _COMPLETED:
            self.completed += 1
        elif outcome == _FAILED:
            self.failed += 1
        elif outcome == _EXCEPTION:
            self.exceptions += 1
        elif outcome == _CANCELLED:
            self.cancelled += 1
        elif outcome == _ABANDONED:
            self.abandoned += 1
        elif outcome == _REVOKED:
            self.revoked += 1

    def end_run(self, seconds: float) -> None:
        """Count an attempt that ended after so many seconds."""
        histogram = self.running
        if histogram is not None:
            histogram.observe(seconds)

    def counters(self) -> Iterator[tuple[str, int]]:
        """Yield the name and the value of each counter."""
        for name in COUNTERS:
            yield name, getattr(self, name)
