# SPDX-License-Identifier: MIT
"""Time, read once per turn of the event loop from a clock that the caller passes."""

from collections.abc import Callable
from typing import Protocol

from mypy_extensions import i64

__all__ = ["Clock", "TurnClock"]


class Clock(Protocol):
    """A source of two times in seconds. The module ``time`` is one; tests pass one that they advance."""

    def monotonic(self) -> float:
        """Return a time that never jumps, for deadlines."""
        ...

    def time(self) -> float:
        """Return seconds since the epoch, for jobs that run at a time of day."""
        ...


class TurnClock:
    """The time of the current turn. Reading a clock for each job would cost a tenth of the job.

    Attributes:
        now: Monotonic seconds.
    """

    __slots__ = ("_monotonic", "_time", "_wall", "_wall_ms", "now")

    def __init__(self, clock: Clock) -> None:
        self._monotonic: Callable[[], float] = clock.monotonic
        self._time: Callable[[], float] = clock.time
        self.now = clock.monotonic()
        self._wall = -1.0
        self._wall_ms: i64 = 0

    def begin_turn(self) -> None:
        """Read the clock."""
        self.now = self._monotonic()
        self._wall = -1.0

    def wall(self) -> float:
        """Return seconds since the epoch, read at most once per turn."""
        if self._wall < 0.0:
            self._wall = self._time()
            self._wall_ms = i64(int(self._wall * 1000.0))
        return self._wall

    def wall_ms(self) -> i64:
        """Return milliseconds since the epoch."""
        if self._wall < 0.0:
            self.wall()
        return self._wall_ms
