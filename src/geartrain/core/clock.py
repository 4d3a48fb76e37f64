# SPDX-License-Identifier: MIT
"""Where core gets the time from: its caller."""

from typing import Protocol

__all__ = ["Clock"]


class Clock(Protocol):
    """Two readings in seconds. The module ``time`` is one; tests pass one that they turn by hand."""

    def monotonic(self) -> float:
        """Return a time that never jumps, for deadlines."""
        ...

    def time(self) -> float:
        """Return seconds since the epoch, for jobs that are to run at a time of day."""
        ...
