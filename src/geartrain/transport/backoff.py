# SPDX-License-Identifier: MIT
"""Exponential back-off between attempts to reach a server."""

import math

from geartrain.frozen import frozen

__all__ = ["Backoff"]


@frozen
class Backoff:
    """Waits that grow with every failure in a row, up to a limit, with random jitter.

    Attributes:
        first: Seconds after the first failure.
        longest: Seconds that no wait exceeds.
        factor: The ratio of each wait to the one before.
        jitter: The part of a wait, between 0 and 1, that is shortened at random.

    Raises:
        ValueError: A number is out of range.
    """

    first: float = 0.5
    longest: float = 30.0
    factor: float = 2.0
    jitter: float = 0.25

    def __post_init__(self) -> None:
        if not (0 <= self.first <= self.longest < math.inf and 1 <= self.factor < math.inf and 0 <= self.jitter <= 1):
            raise ValueError(f"a back-off has 0 <= first <= longest, factor >= 1 and 0 <= jitter <= 1, not {self!r}")

    def delay(self, failures: int, chance: float | None = None) -> float:
        """Return the seconds to wait after so many failures in a row.

        Args:
            failures: The number of failures, at least 1.
            chance: A number from 0 to 1 that decides how much the wait is shortened; random by default.
        """
        if chance is None:
            from random import random  # no wait is needed before something has failed

            chance = random()  # noqa: S311 - spreads load, guards nothing
        # Beyond 64 doublings every wait has reached its limit, and the power would exceed a float.
        full = min(self.first * self.factor ** min(failures - 1, 64), self.longest)
        return full * (1 - self.jitter * chance)
