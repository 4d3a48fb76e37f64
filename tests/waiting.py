# SPDX-License-Identifier: MIT
"""Waiting for a condition without an event, by polling with a long timeout."""

import time
from collections.abc import Callable
from typing import Final

__all__ = ["TIMEOUT", "wait_until"]

TIMEOUT: Final = 60.0  # seconds; only a failure takes as long, also on a machine with twenty busy programs
_INTERVAL: Final = 0.01  # seconds; saves CPU, and no test depends on it


def wait_until(happened: Callable[[], bool]) -> None:
    """Wait until a condition is true.

    Raises:
        AssertionError: It was not true for a minute.
    """
    deadline = time.monotonic() + TIMEOUT
    while not happened():
        assert time.monotonic() < deadline, "the condition was not true in time"
        time.sleep(_INTERVAL)
