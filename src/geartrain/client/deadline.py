# SPDX-License-Identifier: MIT
"""How long a call may still wait. No I/O, and no clock of its own."""

import math
from collections.abc import Callable

__all__ = ["Deadline"]

_FOR_EVER = 1e9  # seconds, some thirty years; locks and selectors refuse to count much further


class Deadline:
    """The end of a time-out that covers several waits.

    Args:
        timeout: Seconds from now; ``None`` is no end, and neither is anything beyond thirty years.
        clock: Seconds that only ever grow.

    Attributes:
        at: The clock's time at the end, or ``None``.

    Raises:
        ValueError: The timeout is not a number.
    """

    __slots__ = ("_clock", "at")

    def __init__(self, timeout: float | None, clock: Callable[[], float]) -> None:
        if timeout is not None and math.isnan(timeout):
            raise ValueError("a timeout is a number of seconds, or None for no end, not nan")
        self._clock = clock
        self.at = None if timeout is None or timeout > _FOR_EVER else clock() + timeout

    def remaining(self) -> float | None:
        """Return the seconds that are left, at least 0, or ``None`` for no end."""
        return None if self.at is None else max(self.at - self._clock(), 0.0)
