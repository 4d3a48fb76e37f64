# SPDX-License-Identifier: MIT
"""The deadline of a call that waits several times. No I/O, and no clock of its own."""

import math
from collections.abc import Callable

__all__ = ["Deadline", "check_timeout"]

_NO_TIMEOUT = 1e9  # seconds, about thirty years; locks and selectors do not accept much larger numbers


class Deadline:
    """The end of a timeout that covers several waits.

    Args:
        timeout: Seconds from now; ``None``, or more than thirty years, for no end.
        clock: A monotonic clock, in seconds.

    Attributes:
        at: The clock's time at the end, or ``None``.

    Raises:
        ValueError: The timeout is not a number.
    """

    __slots__ = ("_clock", "at")

    def __init__(self, timeout: float | None, clock: Callable[[], float]) -> None:
        if timeout is not None and math.isnan(timeout):
            raise ValueError("a timeout is a number of seconds, or None for no limit, not nan")
        self._clock = clock
        self.at = None if timeout is None or timeout > _NO_TIMEOUT else clock() + timeout

    def remaining(self) -> float | None:
        """Return the seconds that are left, at least 0, or ``None`` for no end."""
        return None if self.at is None else max(self.at - self._clock(), 0.0)


def check_timeout(timeout: float | None) -> float | None:
    """Return the timeout of a call that submits jobs, if it is one.

    A wait for a job that was submitted before also accepts a negative timeout, as the standard library does: a caller
    may compute the rest of a longer timeout, which may have passed. A new job with such a timeout is a mistake.

    Raises:
        ValueError: The timeout is negative, or not a number.
        TypeError: It is something else, such as text.
    """
    if not isinstance(timeout, float | int | None):
        raise TypeError(f"timeout is a number of seconds, or None for no limit, not {timeout!r}")
    if timeout is not None and not timeout >= 0:
        raise ValueError(f"timeout is a number of seconds, 0 or more, or None for no limit, not {timeout!r}")
    return timeout
