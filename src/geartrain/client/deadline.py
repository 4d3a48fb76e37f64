# SPDX-License-Identifier: MIT
"""How long a call may still wait. No I/O, and no clock of its own."""

from collections.abc import Callable

__all__ = ["Deadline"]


class Deadline:
    """The end of a time-out that covers several waits.

    Args:
        timeout: Seconds from now; ``None`` is no end.
        clock: Seconds that only ever grow.

    Attributes:
        at: The clock's time at the end, or ``None``.
    """

    __slots__ = ("_clock", "at")

    def __init__(self, timeout: float | None, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.at = None if timeout is None else clock() + timeout

    def remaining(self) -> float | None:
        """Return the seconds that are left, at least 0, or ``None`` for no end."""
        return None if self.at is None else max(self.at - self._clock(), 0.0)
