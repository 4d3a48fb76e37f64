# SPDX-License-Identifier: MIT
"""Checks of timeouts that users pass to clients, workers and administrators."""

import math

__all__ = ["check_seconds"]


def check_seconds(**options: float | None) -> None:
    """Check that options are positive, finite numbers of seconds.

    Args:
        options: Seconds by the name of the option. Only ``keepalive`` may be ``None``.

    Raises:
        ValueError: A number is 0, negative, infinite or not a number.
        TypeError: A value cannot be compared with a number.
    """
    for name, seconds in options.items():
        if seconds is None and name == "keepalive":
            continue
        if seconds is None or not 0 < seconds < math.inf:
            raise ValueError(f"{name} is a number of seconds above 0, not {seconds!r}")
