# SPDX-License-Identifier: MIT
"""A clock that a test advances."""

__all__ = ["FakeClock"]


class FakeClock:
    """A monotonic clock and a wall clock, like those of the module ``time``, that move only by `advance`.

    Attributes:
        offset: The seconds by which the wall clock is ahead of the monotonic one; set it to make the wall clock jump.
    """

    def __init__(self, offset: float = 1_000_000_000.0) -> None:
        self._now = 0.0
        self.offset = offset

    def monotonic(self) -> float:
        """Return the seconds advanced so far."""
        return self._now

    def time(self) -> float:
        """Return the seconds since the epoch."""
        return self._now + self.offset

    def advance(self, seconds: float) -> None:
        """Move both clocks forward."""
        self._now += seconds
