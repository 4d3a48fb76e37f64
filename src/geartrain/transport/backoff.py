# SPDX-License-Identifier: MIT
"""How long to leave a server alone that cannot be reached."""

import random
from dataclasses import dataclass

__all__ = ["Backoff"]


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits that grow with every failure in a row up to a limit, spread so that a crowd does not come back at once.

    Attributes:
        first: Seconds after the first failure.
        longest: Seconds that no wait exceeds.
        factor: How much longer each wait is than the one before.
        jitter: The part of a wait that chance may take away, between 0 and 1.
    """

    first: float = 0.5
    longest: float = 30.0
    factor: float = 2.0
    jitter: float = 0.25

    def delay(self, failures: int, chance: float | None = None) -> float:
        """Return the seconds to wait after so many failures in a row; ``chance``, 0 to 1, is drawn by default."""
        if chance is None:
            chance = random.random()  # noqa: S311 - spreads load, guards nothing
        # Beyond 64 doublings every wait has met its limit, while the power would meet that of a float.
        full = min(self.first * self.factor ** min(failures - 1, 64), self.longest)
        return full * (1 - self.jitter * chance)
