# SPDX-License-Identifier: MIT
"""A clock that is turned by hand."""

__all__ = ["FakeClock"]


class FakeClock:
    """Two readings, as of the module ``time``, that go on only when told to.

    Attributes:
        offset: How far the wall clock is ahead of the monotonic one; set it to let the wall clock jump.
    """

    def __init__(self, offset: float = 1_000_000_000.0) -> None:
        self._now = 0.0
        self.offset = offset

    def monotonic(self) -> float:
        """Return the seconds that were advanced."""
        return self._now

    def time(self) -> float:
        """Return the seconds since the epoch."""
        return self._now + self.offset

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds
