# SPDX-License-Identifier: MIT
"""How long clients, workers and administrators may be told to wait."""

import math

__all__ = ["check_seconds"]


def check_seconds(**options: float | None) -> None:
    """Hold options to being times.

    Args:
        options: Seconds by the name of the option. Only ``keepalive`` may be ``None``.

    Raises:
        ValueError: One is not above 0, without end, or no number.
        TypeError: One is nothing that counts.
    """
    for name, seconds in options.items():
        if seconds is None and name == "keepalive":
            continue
        if seconds is None or not 0 < seconds < math.inf:
            raise ValueError(f"{name} is a number of seconds above 0, not {seconds!r}")
